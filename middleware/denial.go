package middleware

import (
	"encoding/json"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Denial is a refusal that has not been written yet: a value that a framework's own
// way of answering errors can take. It is an error with its Code as the cause.
type Denial struct {
	// Status is the answer's: 303 where a person is sent to the login page.
	Status int
	// Code is why the request is refused.
	Code session.Code
	// Person says that a person looks at the answer ([IsPage]). Body is then a page or
	// a part of one, otherwise the code in JSON.
	Person bool
	// Header belongs to the answer: Location, HX-Redirect, Retry-After,
	// WWW-Authenticate, Content-Type.
	Header http.Header
	// Body may be empty.
	Body []byte

	ahead bool // a page that nobody has opened yet, for which the app is not asked
}

// Error implements error.
func (d *Denial) Error() string { return string(d.Code) }

// Unwrap makes errors.Is find the code.
func (d *Denial) Unwrap() error { return d.Code }

// Write answers with the denial.
func (d *Denial) Write(w http.ResponseWriter) {
	d.WriteHeader(w.Header())
	w.WriteHeader(d.Status)
	if len(d.Body) > 0 {
		w.Write(d.Body)
	}
}

// WriteHeader sets the denial's headers, for those who write status and body in their
// own way.
func (d *Denial) WriteHeader(h http.Header) {
	for name, lines := range d.Header {
		h[name] = append([]string(nil), lines...)
	}
	for _, name := range deciding {
		addVary(h, name)
	}
}

// newDenial returns the answer to an error: for a person words, for a script the code.
func newDenial(r *http.Request, err error) *Denial {
	d := &Denial{Status: Status(err), Code: session.CodeOf(err), Header: http.Header{}}
	switch d.Status {
	case http.StatusServiceUnavailable:
		d.Header.Set("Retry-After", retryAfter)
	case http.StatusUnauthorized:
		d.Header.Set("WWW-Authenticate", challengeOf(r, d.Code))
	}
	d.setBody(r, noticeOf(r, d.Status, d.Code))
	return d
}

// challengeOf returns the challenge of a 401: whether a token was presented and refused,
// or none presented.
func challengeOf(r *http.Request, code session.Code) string {
	if _, presented := bearer(r); presented || code == session.CodeInvalidAccessToken {
		return wire.ChallengeInvalid
	}
	return wire.ChallengeMissing
}

// setBody makes the body: of n for a person, of the code for a script.
func (d *Denial) setBody(r *http.Request, n notice) {
	v := viewOf(r)
	if d.Person = v != viewNone; d.Person {
		d.Header.Set("Content-Type", "text/html; charset=utf-8")
		d.Body = n.html(r, v)
		if isUnpoly(r) { // shows it over the page, of which nothing is lost
			d.Header.Set("X-Up-Open-Layer", "{}")
		}
		return
	}
	d.Header.Set("Content-Type", "application/json")
	d.Header.Set("X-Content-Type-Options", "nosniff")
	d.Body, _ = json.Marshal(wire.ErrorBody{Message: string(d.Code)})
}

// notAhead refuses a page ahead of time: with nothing that a browser or a library
// would show for it, so that the page is asked for again when it is opened.
func notAhead() *Denial {
	return &Denial{
		Status: http.StatusServiceUnavailable,
		Code:   session.CodeUnauthorized,
		Header: http.Header{"Retry-After": {retryAfter}},
		ahead:  true,
	}
}

// leadTo makes the denial lead a person to another page: with a redirect where that
// does it, with a header that htmx heeds, and for a Turbo frame, which would look for
// itself on that page in vain, with a page that leaves for it as a whole.
func (d *Denial) leadTo(r *http.Request, url string) {
	switch viewOf(r) {
	case viewHTMX:
		d.Header.Set("HX-Redirect", url)
	case viewFrame:
		d.Body = leave(url)
	case viewPage:
		d.Status = http.StatusSeeOther
		d.Header = http.Header{"Location": {url}}
		d.Body = nil
	}
}

// Error answers a request with an error: a person with a page, a script as
// [WriteError] does. Nothing but the code or what it means reaches the client.
func Error(w http.ResponseWriter, r *http.Request, err error) { DenialOf(r, err).Write(w) }

// DenialOf returns the answer that [Error] writes.
func DenialOf(r *http.Request, err error) *Denial { return newDenial(r, err) }
