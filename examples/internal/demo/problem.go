package demo

import (
	"errors"
	"net/http"

	"github.com/lucia-go/lucia"
)

// Refusal is an error that is shown to people: a status and a sentence.
type Refusal struct {
	Status int
	Text   string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// The refusals of the examples. A wrong password and an unknown name have the same error.
var (
	ErrTaken         = &Refusal{http.StatusConflict, "This name is taken. Please choose another one."}
	ErrWrongPassword = &Refusal{http.StatusUnauthorized, "Name or password is wrong."}
	ErrWrongAgain    = &Refusal{http.StatusUnauthorized, "This password is wrong."}
	ErrBusy          = &Refusal{http.StatusServiceUnavailable, "Too many people are signing in right now. Please try again in a moment."}
	ErrNotFound      = &Refusal{http.StatusNotFound, "This page does not exist, or no longer exists."}
	ErrMethod        = &Refusal{http.StatusMethodNotAllowed, "This address does not support this kind of request."}
	// ErrUnavailable is for visitors whose session cannot be checked because the session store is
	// unavailable.
	ErrUnavailable = &Refusal{http.StatusServiceUnavailable, "You are still signed in; back in a moment. We cannot reach our records right now."}

	errCrossSite  = &Refusal{http.StatusForbidden, "This form came from another site. Nothing was changed."}
	errTooLarge   = &Refusal{http.StatusRequestEntityTooLarge, "This request is larger than this site allows."}
	errForm       = &Refusal{http.StatusBadRequest, "This form could not be read."}
	errName       = &Refusal{http.StatusBadRequest, "A name has 1 to 32 visible characters."}
	errNoPassword = &Refusal{http.StatusBadRequest, "Please choose a password."}
	errPassword   = &Refusal{http.StatusBadRequest, "A password has at most 1,000 bytes."}
	errNoAdmin    = &Refusal{http.StatusForbidden, "Only the administrator may act as another user."}
	errNoUser     = &Refusal{http.StatusBadRequest, "There is no user of this name."}
	errSelf       = &Refusal{http.StatusBadRequest, "This is your own name."}
	errReason     = &Refusal{http.StatusBadRequest, "Please give a reason of at most 160 visible characters."}
	errActing     = &Refusal{http.StatusForbidden, "You act as someone else. Only they can end their sessions."}
	errBio        = &Refusal{http.StatusBadRequest, "The text about you has at most 160 visible characters."}
)

// headings are the first lines of pages that show only an error.
var headings = map[int]string{
	http.StatusUnauthorized:       "You are not signed in",
	http.StatusForbidden:          "This request was refused",
	http.StatusNotFound:           "There is no such page",
	http.StatusMethodNotAllowed:   "This request is not supported",
	http.StatusServiceUnavailable: "Back in a moment",
}

// IsOutage reports whether Require refuses a page because the session store is unavailable.
func IsOutage(denial *lucia.Denial) bool {
	return denial.Person && denial.Code == lucia.CodeDatabaseFetchFailed
}

// Explain returns the status and the sentence for an error: those of a Refusal, or those for the
// library's code.
func Explain(err error) (status int, text string) {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Status, refusal.Text
	}
	if errors.Is(err, lucia.ErrUserNotFound) {
		err = lucia.CodeNotAuthenticated
	}
	switch status = lucia.Status(err); status {
	case http.StatusUnauthorized:
		text = "You are not signed in any more. Please sign in and try again."
	case http.StatusForbidden:
		text = "This form belongs to another site or another session. Nothing was changed."
	case http.StatusServiceUnavailable:
		text = "We cannot reach our records right now. Nothing was changed. Please try again in a moment."
	case http.StatusMethodNotAllowed, http.StatusBadRequest:
		text = "This request is not valid here."
	default:
		text = "Something went wrong on our side."
	}
	return status, text
}
