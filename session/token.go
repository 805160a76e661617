package session

import (
	"fmt"
	"io"
	"log/slog"
)

// AccessToken, RefreshToken, SealedToken and Fingerprint are secrets in string
// form. They print as REDACTED through fmt, log and slog, whatever the verb (but
// %p, which asks no method and which go vet refuses for a string). Convert to
// string where the value itself is needed; encoding/json writes the value,
// because the wire needs it.
type (
	// AccessToken is the short-lived signed proof of a session and its user. It
	// prints as REDACTED, but encoding/json writes it, and so does slog's JSON handler
	// where a value that holds one has no LogValue.
	AccessToken string
	// RefreshToken is the signed name of a session and generation. It prints and
	// marshals like AccessToken.
	RefreshToken string
	// SealedToken is a refresh token and the time of its handing out, encrypted
	// for the cookie. It prints and marshals like AccessToken.
	SealedToken string
	// Fingerprint is the random value that the browser keeps in a cookie that no
	// script can read. Tokens are worthless without it. It prints and marshals like
	// AccessToken.
	Fingerprint string
)

const redacted = "REDACTED"

func redact(f fmt.State) { io.WriteString(f, redacted) }

// String returns "REDACTED".
func (AccessToken) String() string { return redacted }

// GoString returns "REDACTED".
func (AccessToken) GoString() string { return redacted }

// Format writes "REDACTED" for every verb.
func (AccessToken) Format(f fmt.State, _ rune) { redact(f) }

// LogValue returns "REDACTED".
func (AccessToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// String returns "REDACTED".
func (RefreshToken) String() string { return redacted }

// GoString returns "REDACTED".
func (RefreshToken) GoString() string { return redacted }

// Format writes "REDACTED" for every verb.
func (RefreshToken) Format(f fmt.State, _ rune) { redact(f) }

// LogValue returns "REDACTED".
func (RefreshToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// String returns "REDACTED".
func (SealedToken) String() string { return redacted }

// GoString returns "REDACTED".
func (SealedToken) GoString() string { return redacted }

// Format writes "REDACTED" for every verb.
func (SealedToken) Format(f fmt.State, _ rune) { redact(f) }

// LogValue returns "REDACTED".
func (SealedToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// String returns "REDACTED".
func (Fingerprint) String() string { return redacted }

// GoString returns "REDACTED".
func (Fingerprint) GoString() string { return redacted }

// Format writes "REDACTED" for every verb.
func (Fingerprint) Format(f fmt.State, _ rune) { redact(f) }

// LogValue returns "REDACTED".
func (Fingerprint) LogValue() slog.Value { return slog.StringValue(redacted) }
