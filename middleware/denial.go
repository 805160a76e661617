package middleware

import (
	"encoding/json"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Denial is a refusal that has not been written yet, so that a framework's own error handling can
// treat it as a value. It is an error that wraps its Code.
type Denial struct {
	// Status is the status of the response. It is 303 if a person is redirected to the login page
	// or the step-up page.
	Status int
	// Code is the reason for the refusal.
	Code session.Code
	// Person is set if the response is shown to a person ([IsPage]). Body is then a page or a
	// part of one. Otherwise Body is the code in JSON.
	Person bool
	// Header holds the response headers: Location, HX-Redirect, Retry-After, WWW-Authenticate,
	// Content-Type.
	Header http.Header
	// Body is the body of the response. It may be empty.
	Body []byte

	ahead bool // the request loads a page ahead of time; Config.Deny is not called
}

// Error implements error.
func (d *Denial) Error() string { return string(d.Code) }

// Unwrap returns the code, for errors.Is.
func (d *Denial) Unwrap() error { return d.Code }

// Write writes the denial as the response.
func (d *Denial) Write(w http.ResponseWriter) {
	d.SetHeader(w.Header())
	w.WriteHeader(d.Status)
	if len(d.Body) > 0 {
		w.Write(d.Body)
	}
}

// SetHeader sets the denial's headers. It is for callers that write status and body themselves.
func (d *Denial) SetHeader(h http.Header) {
	for name, lines := range d.Header {
		h[name] = append([]string(nil), lines...)
	}
	for _, name := range varyHeaders {
		addVary(h, name)
	}
}

// newDenial returns the response to an error: a page for a person, the code for a script.
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

// challengeOf returns the challenge of a 401. It distinguishes a token that was refused from a
// missing one.
func challengeOf(r *http.Request, code session.Code) string {
	if code == session.CodeStepUpRequired {
		return wire.ChallengeStepUp
	}
	if _, presented := bearer(r); presented || code == session.CodeInvalidAccessToken {
		return wire.ChallengeInvalid
	}
	return wire.ChallengeMissing
}

// setBody sets the body: n for a person, the code for a script.
func (d *Denial) setBody(r *http.Request, n notice) {
	v := viewOf(r)
	if d.Person = v != viewNone; d.Person {
		d.Header.Set("Content-Type", "text/html; charset=utf-8")
		d.Body = n.html(r, v)
		if isUnpoly(r) { // Unpoly shows it in a layer over the page, so that no input is lost
			d.Header.Set("X-Up-Open-Layer", "{}")
		}
		return
	}
	d.Header.Set("Content-Type", "application/json")
	d.Header.Set("X-Content-Type-Options", "nosniff")
	d.Body, _ = json.Marshal(wire.ErrorBody{Message: string(d.Code)})
}

// prefetchDenial refuses a request that loads a page ahead of time. Browsers and libraries do not
// show the response, so they request the page again when it is opened.
func prefetchDenial() *Denial {
	return &Denial{
		Status: http.StatusServiceUnavailable,
		Code:   session.CodeUnauthorized,
		Header: http.Header{"Retry-After": {retryAfter}},
		ahead:  true,
	}
}

// leadTo makes the denial lead a person to another page. A page is redirected. htmx gets the header
// HX-Redirect. A Turbo frame would search the other page for its own frame in vain, so it gets a
// page that navigates as a whole.
func (d *Denial) leadTo(r *http.Request, url string) {
	switch viewOf(r) {
	case viewHTMX:
		d.Header.Set("HX-Redirect", url)
	case viewFrame:
		d.Body = redirectPage(noticeOf(r, d.Status, d.Code), url)
	case viewPage:
		d.Status = http.StatusSeeOther
		d.Header = http.Header{"Location": {url}}
		d.Body = nil
	}
}

// Error responds to r with an error: a page if IsPage(r), otherwise JSON as [WriteError] writes it.
// Only the code or its meaning reaches the client.
func Error(w http.ResponseWriter, r *http.Request, err error) { DenialOf(r, err).Write(w) }

// DenialOf returns the response that [Error] writes.
func DenialOf(r *http.Request, err error) *Denial { return newDenial(r, err) }
