package engine

import "errors"

// Reasons for which a token is refused. The errors of [Engine.Verify],
// [Engine.ParseRefreshToken], [Engine.OpenSealed] and [Engine.Refresh] wrap one of these
// besides their code, for errors.Is.
var (
	// ErrExpired: the token has expired or is not valid yet. Its form, signature and fingerprint
	// are valid. Whether this process has ended the session was not checked.
	ErrExpired = errors.New("token has expired or is not valid yet")
	// ErrRevoked: this process has ended the session since the token was issued, and the token is
	// valid otherwise.
	ErrRevoked = errors.New("session was ended")
	// ErrOutdated: the token is genuine, but its user data is outdated. Either the data does not
	// decode into U, because a release with another U issued the token, or ReloadUser was called
	// since. A refresh replaces the token.
	ErrOutdated = errors.New("token has outdated user data")
	// ErrUnknownKey: the token is well formed, but signed with a key that this process does not
	// have. During a roll-out this is not the browser's fault.
	ErrUnknownKey = errors.New("token is signed with an unknown key")
	// ErrFingerprint: the token is genuine but does not match the fingerprint cookie.
	ErrFingerprint = errors.New("token does not match the fingerprint")
	// ErrReused: a refresh token was presented that an honest browser no longer has.
	ErrReused = errors.New("refresh token was reused")
	// ErrMalformed: the value is not a token of this library: wrong form, wrong claims or bad
	// signature.
	ErrMalformed = errors.New("token is malformed or forged")
)

// tokenError is the error for a refused token: a code for the client and a reason for the caller.
// The values are allocated once, so that refusing garbage allocates nothing.
type tokenError struct {
	code   Code
	reason error
}

func (e *tokenError) Error() string   { return string(e.code) + ": " + e.reason.Error() }
func (e *tokenError) Unwrap() []error { return []error{e.code, e.reason} }

// tokenErrors are all tokenErrors of one kind of token.
type tokenErrors struct {
	expired, revoked, outdated, unknownKey, fingerprint, malformed *tokenError
}

func tokenErrorsOf(code Code) tokenErrors {
	return tokenErrors{
		expired:     &tokenError{code, ErrExpired},
		revoked:     &tokenError{code, ErrRevoked},
		outdated:    &tokenError{code, ErrOutdated},
		unknownKey:  &tokenError{code, ErrUnknownKey},
		fingerprint: &tokenError{code, ErrFingerprint},
		malformed:   &tokenError{code, ErrMalformed},
	}
}

var (
	accessErrors  = tokenErrorsOf(CodeInvalidAccessToken)
	refreshErrors = tokenErrorsOf(CodeInvalidRefreshToken)
)
