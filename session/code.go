package session

import "errors"

// Code is a coded error, one of a closed set of names that are stable on the wire. The text of a
// Code reaches clients; an error that wraps it stays in the log. A Code is itself an error, so
// errors.Is(err, session.CodeUnauthorized) works on both sides of the wire.
type Code string

// Error implements error. It returns the code's name on the wire.
func (c Code) Error() string { return string(c) }

// The codes of lucia-sveltekit 0.9 that reach its browser side.
const (
	// CodeNotAuthenticated: a sign-out or a request for the session came without a session.
	CodeNotAuthenticated Code = "AUTH_NOT_AUTHENTICATED"
	// CodeUnauthorized: the refresh token is not valid or no longer valid, or a page requires a
	// session and there is none.
	CodeUnauthorized Code = "AUTH_UNAUTHORIZED"
	// CodeDatabaseFetchFailed: the store or the app's LoadUser failed. Nothing changed; the same
	// request may succeed later.
	CodeDatabaseFetchFailed Code = "DATABASE_FETCH_FAILED"
	// CodeDatabaseUpdateFailed: the store failed to record a sign-in or a sign-out. The same
	// request may succeed later.
	CodeDatabaseUpdateFailed Code = "DATABASE_UPDATE_FAILED"
	// CodeUnknown: any other error. In the clients it is most often a network failure.
	CodeUnknown Code = "UNKNOWN"
)

// The codes of lucia-sveltekit 0.9's server side that concern sessions.
const (
	// CodeInvalidAccessToken: the access token is malformed, forged, expired, or does not match
	// the fingerprint cookie.
	CodeInvalidAccessToken Code = "AUTH_INVALID_ACCESS_TOKEN"
	// CodeInvalidRefreshToken: the refresh token is malformed, forged, or does not match the
	// fingerprint cookie.
	CodeInvalidRefreshToken Code = "AUTH_INVALID_REFRESH_TOKEN"
	// CodeInvalidRequest: the request came from another origin.
	CodeInvalidRequest Code = "AUTH_INVALID_REQUEST"
	// CodeInvalidRequestMethod: the method is not allowed for the route or the check.
	CodeInvalidRequestMethod Code = "AUTH_INVALID_REQUEST_METHOD"
	// CodeInvalidUserID: a user id is empty, longer than 256 bytes or not UTF-8, or there is no
	// such user.
	CodeInvalidUserID Code = "AUTH_INVALID_USER_ID"
)

// Codes that lucia-sveltekit 0.9 does not have.
const (
	// CodeInvalidTerms: the options of a sign-in are invalid. See [Terms].
	CodeInvalidTerms Code = "AUTH_INVALID_TERMS"
	// CodeTooManySessions: the user has as many sessions as they may have, and a new one is
	// refused.
	CodeTooManySessions Code = "AUTH_TOO_MANY_SESSIONS"
	// CodeStepUpRequired: there is a session, but its user has to sign in again first, because the
	// last time was too long ago.
	CodeStepUpRequired Code = "AUTH_STEP_UP_REQUIRED"
	// CodeDeviceRequired: there is a session, but it is not bound to a key of the browser's device.
	CodeDeviceRequired Code = "AUTH_DEVICE_REQUIRED"
)

var codes = [...]Code{
	CodeNotAuthenticated, CodeUnauthorized, CodeDatabaseFetchFailed, CodeDatabaseUpdateFailed, CodeUnknown,
	CodeInvalidAccessToken, CodeInvalidRefreshToken, CodeInvalidRequest, CodeInvalidRequestMethod, CodeInvalidUserID,
	CodeInvalidTerms, CodeTooManySessions, CodeStepUpRequired, CodeDeviceRequired,
}

// ParseCode returns the code with the given name on the wire. It returns CodeUnknown and false if
// there is no such code.
func ParseCode(name string) (Code, bool) {
	for _, c := range codes {
		if string(c) == name {
			return c, true
		}
	}
	return CodeUnknown, false
}

// CodeOf returns the code that err wraps. It returns CodeUnknown if err has no code, and the
// empty code if err is nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if c, ok := errors.AsType[Code](err); ok {
		return c
	}
	return CodeUnknown
}

// ErrUserNotFound is the error that LoadUser returns, wrapped or not, if the user no longer
// exists. At a refresh or Reload it ends all sessions of the user. Every other error of LoadUser
// means that the user's data is unavailable, and ends no session.
var ErrUserNotFound = errors.New("session: user not found")

// ErrUserTooLarge is wrapped by an error if the tokens that carry the user's data do not fit into
// their cookies.
var ErrUserTooLarge = errors.New("session: user data too large for cookies")
