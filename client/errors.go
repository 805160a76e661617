package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lucia-go/lucia/session"
)

// ErrNotSaved is in the chain of an error that says: the exchange with the
// server succeeded and this program's session is good, but the TokenStore did
// not take it. What it held before is removed if that can be done, as older tokens
// would look stolen to the server; so a later run of the program has to sign in.
// [Client.HandleSilentRefresh] and [Transport] try again to save the session.
var ErrNotSaved = errors.New("client: session not saved")

// ErrSavedSession is in the chain of [New]'s error where the TokenStore holds
// something that is no session this client can read: it is damaged, of another
// version, or, in a [FileStore], open to other users. Saving nil there, under the
// lock, makes room for a new sign-in.
var ErrSavedSession = errors.New("client: saved session cannot be used")

// Error is the error of an exchange with the server. Its code is the server's,
// the same that the server itself works with, so
//
//	errors.Is(err, session.CodeUnauthorized)
//
// holds on both sides of the wire. What the server did not say in its own
// words is session.CodeUnknown.
type Error struct {
	// Op is what was tried: "refresh" (also by a request or FetchSession that needed
	// one), "sign out", "sign in", "fetch session", "save session".
	Op string
	// Code is what came of it.
	Code session.Code
	// Status is the HTTP status of the answer, 0 where there was none.
	Status int
	// RetryAfter is how long the server asks to wait; 0 where it did not say.
	RetryAfter time.Duration
	// Err is the cause on this side, or nil.
	Err error

	// left says that the session is gone because this program left it.
	left bool
	// other says that the exchange was about a token that is not the session's.
	other bool
}

// Error tells what was tried, the code, the status and the cause. It holds no
// token.
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

// Gone reports whether the client's session is no more, or there was none. Where it
// is not gone, it is kept, and the same call may succeed later; that a sign-in or
// somebody else's refresh token was refused says nothing of it.
func (e *Error) Gone() bool {
	return !e.other && e.Op != opSignIn && (e.Code == session.CodeUnauthorized || e.Code == session.CodeNotAuthenticated)
}

// isGone is Gone of the *Error in err's chain.
func isGone(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Gone()
}

// retryAfterOf is the RetryAfter of the *Error in err's chain.
func retryAfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// unknown wraps what happened on this side: the network, a time-out, an answer
// that could not be read.
func unknown(op string, err error) *Error {
	return &Error{Op: op, Code: session.CodeUnknown, Err: err}
}

// allowedCodes are the codes that the server may answer an operation with.
var allowedCodes = map[string][]session.Code{
	opRefresh: {session.CodeUnauthorized, session.CodeDatabaseFetchFailed},
	opSignOut: {session.CodeNotAuthenticated, session.CodeDatabaseUpdateFailed},
	opFetch:   {session.CodeDatabaseFetchFailed},
	opSignIn: {
		session.CodeUnauthorized, session.CodeInvalidRequest, session.CodeInvalidUserID,
		session.CodeDatabaseFetchFailed, session.CodeDatabaseUpdateFailed,
	},
}

// errorOf judges an answer that is not a success. Status and code must agree: a
// proxy's 401, or a 500 that quotes the code for it, does not end a session.
func errorOf(op string, a *answer) *Error {
	e := &Error{Op: op, Code: session.CodeUnknown, Status: a.status, RetryAfter: a.retryAfter}
	code, ok := a.code()
	gone := code == session.CodeUnauthorized || code == session.CodeNotAuthenticated
	if ok && slices.Contains(allowedCodes[op], code) && gone == (a.status == http.StatusUnauthorized) {
		e.Code = code
	}
	return e
}

// notSaved says that err kept the session from being saved.
func notSaved(err error) error { return fmt.Errorf("%w: %w", ErrNotSaved, err) }
