package session

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"unicode/utf8"
)

// ID identifies a session. It is 128 random bits. It is not secret, because a session is used
// with signed tokens and the fingerprint, never by its id alone.
type ID [16]byte

// NewID returns a random ID. It is safe for concurrent use.
func NewID() (id ID) {
	rand.Read(id[:]) // never fails since Go 1.24
	return id
}

// String returns the only valid text form of the ID: 22 characters of base64url without padding.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseID is the inverse of String. It returns an error for every other text.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 22 {
		return ID{}, fmt.Errorf("session: id of %d characters, want 22", len(s))
	}
	n, err := strictBase64.Decode(id[:], []byte(s))
	if err != nil || n != len(id) || id.String() != s {
		return ID{}, fmt.Errorf("session: id is not strict base64url")
	}
	return id, nil
}

// MarshalText implements [encoding.TextMarshaler]. It returns the same text as String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// AppendText implements [encoding.TextAppender]. It appends the same text as String.
func (id ID) AppendText(b []byte) ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(b, id[:]), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler] by calling ParseID. It leaves id unchanged
// if that fails.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

var strictBase64 = base64.RawURLEncoding.Strict()

// MaxUserIDBytes is the maximum length of a user id.
const MaxUserIDBytes = 256

// CheckUserID returns an error with CodeInvalidUserID unless id is 1 to 256 bytes of valid UTF-8.
// Invalid bytes are rejected because JSON would replace them, so that different users would get the
// same id.
func CheckUserID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: user id is empty", CodeInvalidUserID)
	case len(id) > MaxUserIDBytes:
		return fmt.Errorf("%w: user id of %d bytes, at most %d", CodeInvalidUserID, len(id), MaxUserIDBytes)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w: user id is not valid UTF-8", CodeInvalidUserID)
	}
	return nil
}
