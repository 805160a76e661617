package engine

import "errors"

// Why a token was refused. The errors of [Manager.Verify], [Manager.ParseRefreshToken]
// and [Manager.OpenSealed] carry one of these beside their code, for errors.Is.
var (
	// ErrExpired: outside its life; form, signature and fingerprint hold. Whether
	// this process has ended the session was not asked.
	ErrExpired = errors.New("token is outside its life")
	// ErrRevoked: this process has ended the session since the token was made,
	// and nothing else is wrong with it.
	ErrRevoked = errors.New("session was ended")
	// ErrOutdated: genuine, but its user data does not decode into U: a release
	// with another U made it. A refresh mends that.
	ErrOutdated = errors.New("token has user data of another release")
	// ErrUnknownKey: well formed, under a key this process does not have. During
	// a roll-out that is no fault of the browser's.
	ErrUnknownKey = errors.New("token under an unknown key")
	// ErrFingerprint: genuine, but not of the fingerprint beside it.
	ErrFingerprint = errors.New("token does not belong to the fingerprint")
	// ErrMalformed: not a token of ours: wrong form, wrong claims, bad signature.
	ErrMalformed = errors.New("token is malformed or forged")
)

// tokenError is a refused token: a code for the client, a reason for the caller. The
// values are made once, so that garbage costs no allocation.
type tokenError struct {
	code   Code
	reason error
}

func (f *tokenError) Error() string   { return string(f.code) + ": " + f.reason.Error() }
func (f *tokenError) Unwrap() []error { return []error{f.code, f.reason} }

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
