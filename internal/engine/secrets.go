package engine

import (
	"fmt"
	"io"
	"log/slog"
)

// SealedToken and Fingerprint are secrets in string form. They print as REDACTED, as the tokens of
// package session do.
type (
	// SealedToken is a refresh token and the time at which it was handed out, encrypted for the
	// cookie.
	SealedToken string
	// Fingerprint is the random value that the browser keeps in a cookie that scripts cannot
	// read. Tokens are useless without it.
	Fingerprint string
)

const redacted = "REDACTED"

// String returns "REDACTED".
func (SealedToken) String() string { return redacted }

// GoString returns "REDACTED".
func (SealedToken) GoString() string { return redacted }

// Format writes "REDACTED" for every verb.
func (SealedToken) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue returns "REDACTED".
func (SealedToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// String returns "REDACTED".
func (Fingerprint) String() string { return redacted }

// GoString returns "REDACTED".
func (Fingerprint) GoString() string { return redacted }

// Format writes "REDACTED" for every verb.
func (Fingerprint) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue returns "REDACTED".
func (Fingerprint) LogValue() slog.Value { return slog.StringValue(redacted) }
