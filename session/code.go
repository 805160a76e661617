package session

import "errors"

// Code is a coded error: a closed set of names that are stable on the wire.
// The text of a Code reaches clients; whatever wraps it stays in the log. A
// Code is an error itself, so errors.Is(err, session.CodeUnauthorized) works on
// both sides of the wire.
type Code string

// Error implements error. It is the code's name on the wire.
func (c Code) Error() string { return string(c) }

// The codes of the seed's browser side.
const (
	// CodeNotAuthenticated: signing out, or asking for a session, without one.
	CodeNotAuthenticated Code = "AUTH_NOT_AUTHENTICATED"
	// CodeUnauthorized: the refresh token is not good (any more), or a page
	// needs a session and there is none.
	CodeUnauthorized Code = "AUTH_UNAUTHORIZED"
	// CodeDatabaseFetchFailed: the store or the app's LoadUser could not answer.
	// Nothing changed; the same request may succeed later.
	CodeDatabaseFetchFailed Code = "DATABASE_FETCH_FAILED"
	// CodeDatabaseUpdateFailed: the store could not record a sign-in or a
	// sign-out. The same request may succeed later.
	CodeDatabaseUpdateFailed Code = "DATABASE_UPDATE_FAILED"
	// CodeUnknown: anything else; in the clients, most likely the network.
	CodeUnknown Code = "UNKNOWN"
)

// The codes of the original's server side that concern sessions.
const (
	// CodeInvalidAccessToken: the access token is malformed, forged, expired,
	// or not the one of the fingerprint cookie beside it.
	CodeInvalidAccessToken Code = "AUTH_INVALID_ACCESS_TOKEN"
	// CodeInvalidRefreshToken: the same of a refresh token.
	CodeInvalidRefreshToken Code = "AUTH_INVALID_REFRESH_TOKEN"
	// CodeInvalidRequest: the request came from another origin.
	CodeInvalidRequest Code = "AUTH_INVALID_REQUEST"
	// CodeInvalidRequestMethod: the method does not fit the route or the check.
	CodeInvalidRequestMethod Code = "AUTH_INVALID_REQUEST_METHOD"
	// CodeInvalidUserID: a user id is empty, longer than 256 bytes or not UTF-8,
	// or no user has it.
	CodeInvalidUserID Code = "AUTH_INVALID_USER_ID"
)

var codes = [...]Code{
	CodeNotAuthenticated, CodeUnauthorized, CodeDatabaseFetchFailed, CodeDatabaseUpdateFailed, CodeUnknown,
	CodeInvalidAccessToken, CodeInvalidRefreshToken, CodeInvalidRequest, CodeInvalidRequestMethod, CodeInvalidUserID,
}

// ParseCode returns the code with the given name on the wire; CodeUnknown and
// false where the set has no such name.
func ParseCode(name string) (Code, bool) {
	for _, c := range codes {
		if string(c) == name {
			return c, true
		}
	}
	return CodeUnknown, false
}

// CodeOf returns the code that err carries, CodeUnknown where it carries none,
// and the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if c, ok := errors.AsType[Code](err); ok {
		return c
	}
	return CodeUnknown
}

// ErrUserNotFound is what a LoadUser returns (wrapped or not) to say that the
// user is gone for good. It is the only such error: at a refresh or Reload all
// sessions of the user end. Every other error of LoadUser means "cannot tell now"
// and ends nothing.
var ErrUserNotFound = errors.New("session: user not found")

// ErrUserTooLarge is in the chain of an error that says: the tokens that carry
// this user's data would not fit into their cookies.
var ErrUserTooLarge = errors.New("session: user data too large for cookies")
