package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxTokenBytes bounds the size of a token. It is checked before any parsing.
const maxTokenBytes = 8 << 10

// maxLeeway bounds the difference between the clocks of an app's hosts, which are expected to run
// NTP.
const maxLeeway = 30 * time.Second

// leeway returns how long an access token is accepted after its expiry, because clocks differ. It
// is a tenth of AccessTTL, so that a short-lived token remains short-lived.
func (c Config[U]) leeway() time.Duration { return min(c.AccessTTL/10, maxLeeway) }

// sign returns the JWT of claims in the form that their append method writes.
func sign(k *keySet, key jwtKey, payload []byte) string {
	var b strings.Builder
	b.Grow(len(k.header) + tokenSeparator + base64.RawURLEncoding.EncodedLen(len(payload)) + signatureLen)
	b.WriteString(k.header)
	b.WriteByte('.')
	writeBase64(&b, payload)
	// Fails only if key is not a []byte.
	signature, _ := jwt.SigningMethodHS256.Sign(b.String(), key)
	b.WriteByte('.')
	writeBase64(&b, signature)
	return b.String()
}

// writeBase64 writes data in base64url. It does not allocate if b has room.
func writeBase64(b *strings.Builder, data []byte) {
	var piece [256]byte
	const whole = len(piece) / 4 * 3
	for len(data) > whole {
		b.Write(base64.RawURLEncoding.AppendEncode(piece[:0], data[:whole]))
		data = data[whole:]
	}
	b.Write(base64.RawURLEncoding.AppendEncode(piece[:0], data))
}

// payloadRoom holds the claims of ordinary tokens.
const payloadRoom = 512

// signatureLen is the length of an HMAC-SHA256 in base64url.
const signatureLen = 43

// keyOf returns the key of a key set that verifies one kind of token.
type keyOf func(*keySet) jwtKey

func accessKey(k *keySet) jwtKey  { return k.access }
func refreshKey(k *keySet) jwtKey { return k.refresh }

// open verifies a token's form and signature and decodes its claims. It verifies the signature
// with golang-jwt but does not use its parser, which accepts what this library rejects: other
// header members, other spellings of the same token, and claims that are duplicated or in other
// cases. A test checks that golang-jwt's parser accepts the tokens of this library.
func (r keyring) open(token string, pick keyOf, c parser, errs *tokenErrors) error {
	header, payload, signature, ok := cutToken(token)
	if !ok {
		return errs.malformed
	}
	k := r.find(func(k *keySet) bool { return k.header == header })
	if k == nil {
		if hasLettersOnly(header, payload, signature) && isLuciaHeader(header) {
			return errs.unknownKey
		}
		return errs.malformed
	}
	if len(signature) != signatureLen {
		return errs.malformed
	}
	signed := token[:len(header)+1+len(payload)]
	var sig [sha256.Size]byte
	n, err := strictBase64.Decode(sig[:], []byte(signature)) // skips line ends, hence n
	if err != nil || n != len(sig) || jwt.SigningMethodHS256.Verify(signed, sig[:], pick(k)) != nil {
		return errs.malformed
	}
	data, err := strictBase64.DecodeString(payload)
	if err != nil || !c.parse(data) {
		return errs.malformed
	}
	return nil
}

// splitToken splits a token. ok reports whether it consists of three non-empty segments of
// base64url letters. (Go's strict base64 decoding skips CR and LF.)
func splitToken(token string) (header, payload, signature string, ok bool) {
	header, payload, signature, ok = cutToken(token)
	return header, payload, signature, ok && hasLettersOnly(header, payload, signature)
}

// cutToken is splitToken for a token whose segments are checked in another way, which takes less
// time than a look at every letter.
func cutToken(token string) (header, payload, signature string, ok bool) {
	if len(token) > maxTokenBytes {
		return "", "", "", false
	}
	header, rest, ok1 := strings.Cut(token, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	return header, payload, signature, ok1 && ok2
}

// hasLettersOnly reports whether all segments are one or more letters of base64url.
func hasLettersOnly(header, payload, signature string) bool {
	return isBase64URL(header) && isBase64URL(payload) && isBase64URL(signature)
}

// isBase64URL reports whether s is one or more letters of base64url.
func isBase64URL(s string) bool {
	for i := range len(s) {
		if !base64Letters[s[i]] {
			return false
		}
	}
	return s != ""
}

var base64Letters = func() (is [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		is[c] = true
	}
	return is
}()

// isLuciaHeader reports whether a header segment is one that this library writes under some key.
func isLuciaHeader(header string) bool {
	data, err := strictBase64.DecodeString(header)
	if err != nil {
		return false
	}
	var h struct {
		Kid string `json:"kid"`
	}
	return json.Unmarshal(data, &h) == nil && len(h.Kid) == kidLen && isBase64URL(h.Kid) && headerSegment(h.Kid) == header
}
