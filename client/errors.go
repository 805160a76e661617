package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lucia-go/lucia/session"
)

// ErrNotSaved is in the chain of the error that [Client.SaveErr] returns and that
// [Client.HandleSilentRefresh] passes to onError. The TokenStore failed to save a session that is
// valid, or to remove one that has ended. No call returns it.
var ErrNotSaved = errors.New("client: session not saved")

// ErrSavedSession is in the chain of [New]'s error if the client cannot read what the TokenStore
// holds: it is damaged, of another version or, in a [FileStore], accessible to other users.
// To allow a new sign-in, lock the TokenStore and save nil.
var ErrSavedSession = errors.New("client: saved session cannot be used")

// Error is the error of an exchange with the server. Its code is the server's own, so
//
//	errors.Is(err, session.CodeUnauthorized)
//
// holds on both sides of the wire. The code is session.CodeUnknown if the server did not send
// one.
type Error struct {
	// Op is the operation: "refresh" (also if a request or FetchSession needed one), "sign out",
	// "sign in", "fetch session" or "save session".
	Op string
	// Code is the reason of the failure.
	Code session.Code
	// Status is the HTTP status of the answer, or 0 if there was none.
	Status int
	// RetryAfter is how long the server asks to wait, or 0 if it did not ask.
	RetryAfter time.Duration
	// Err is the client's own cause, such as an error of the network, or nil.
	Err error

	// left is set if the session is gone because this program signed out or in again.
	left bool
	// other is set if the exchange used a token that is not the session's.
	other bool
}

// Error returns the operation, the code, the status and the cause. It contains no token.
func (e *Error) Error() string {
	s := fmt.Sprintf("client: %s: %s", e.Op, e.Code)
	if e.Status != 0 {
		s += fmt.Sprintf(" (status %d)", e.Status)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the code and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Gone reports whether the client's session has ended, or there was none. If it reports false,
// the client keeps its session and the same call may succeed later. It reports false for a
// sign-in and for a refresh token that is not the session's, because their failure does not
// concern the session.
func (e *Error) Gone() bool {
	return !e.other && e.Op != opSignIn && (e.Code == session.CodeUnauthorized || e.Code == session.CodeNotAuthenticated)
}

// isGone reports whether err's chain has an *Error that is Gone.
func isGone(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Gone()
}

// retryAfterOf returns the RetryAfter of the *Error in err's chain.
func retryAfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// unknown wraps an error that is not an answer of the server: the network failed, the call timed
// out, or the answer could not be read.
func unknown(op string, err error) *Error {
	return &Error{Op: op, Code: session.CodeUnknown, Err: err}
}

// allowedCodes are the codes that the server may send for each operation.
var allowedCodes = map[string][]session.Code{
	opRefresh: {session.CodeUnauthorized, session.CodeDatabaseFetchFailed},
	opSignOut: {session.CodeNotAuthenticated, session.CodeDatabaseUpdateFailed},
	opFetch:   {session.CodeDatabaseFetchFailed},
	opSignIn: {
		session.CodeUnauthorized, session.CodeInvalidRequest, session.CodeInvalidUserID,
		session.CodeDatabaseFetchFailed, session.CodeDatabaseUpdateFailed,
	},
}

// errorOf returns the error of an answer that is not a success. Status and code must agree: a 401
// of a proxy, or a 500 that contains the code of a 401, does not end a session.
func errorOf(op string, a *answer) *Error {
	e := &Error{Op: op, Code: session.CodeUnknown, Status: a.status, RetryAfter: a.retryAfter}
	code, ok := a.code()
	gone := code == session.CodeUnauthorized || code == session.CodeNotAuthenticated
	if ok && slices.Contains(allowedCodes[op], code) && gone == (a.status == http.StatusUnauthorized) {
		e.Code = code
	}
	return e
}

// notSaved wraps the reason why the session was not saved.
func notSaved(err error) error { return fmt.Errorf("%w: %w", ErrNotSaved, err) }
