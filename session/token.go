package session

import (
	"fmt"
	"io"
	"log/slog"
)

// AccessToken and RefreshToken are secrets in string form. They print as REDACTED through fmt, log
// and slog with every verb except %p, which calls no method and which go vet rejects for a string.
// Convert one to string to get its value. encoding/json writes the value, because the wire format
// needs it.
type (
	// AccessToken is the short-lived signed proof of a session and its user. It prints as
	// REDACTED. encoding/json writes its value, and so does slog's JSON handler if a value that
	// contains one has no LogValue method.
	AccessToken string
	// RefreshToken is a signed token that names a session and a generation. It prints and
	// marshals like AccessToken.
	RefreshToken string
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
