package middleware

import (
	"errors"
	"net/http"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Require returns a handler that passes only requests with a session to next. A person without a
// session who opens a page or submits a form is redirected to the login page and, by [ReturnPath],
// back. This also works for requests of htmx, Turbo and Unpoly. Every other unauthenticated request
// gets a 401 with a JSON body. If the session store is unavailable, the response is 503 and not the
// login page, because the person may be signed in. It is also 503 for a page that is loaded ahead
// of time and has no session. Config.Deny may replace these responses.
//
// The response is private, and caches do not store it, whatever was requested. Require also works
// without the middleware around the app. It then runs the middleware's core itself for the requests
// that it handles. The options require more than a session.
func (a *Auth[U]) Require(next http.Handler, options ...RequireOption) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, denial := a.Admit(w, r, options...)
		if denial == nil {
			next.ServeHTTP(w, r)
			return
		}
		if err := a.Deny(w, r, denial); err != nil {
			answer(w, r, err)
		}
	})
}

// answer writes the response that Config.Deny has not written.
func answer(w http.ResponseWriter, r *http.Request, err error) {
	if d, ok := errors.AsType[*Denial](err); ok {
		d.Write(w)
		return
	}
	Error(w, r, err)
}

// RequireOption modifies [Auth.Require] and its equivalents of the frameworks. It is a value and
// not a function, so that applying options allocates nothing.
type RequireOption struct {
	askStore bool
	bound    bool
	maxAge   time.Duration // since the user signed in; 0 is unlimited
}

// requirementOf combines the options into one.
func requirementOf(options []RequireOption) (all RequireOption) {
	for _, o := range options {
		all.askStore = all.askStore || o.askStore
		all.bound = all.bound || o.bound
		if o.maxAge > 0 && (all.maxAge == 0 || o.maxAge < all.maxAge) {
			all.maxAge = o.maxAge
		}
	}
	return all
}

// Admit is the core of [Auth.Require], for authors of framework adapters. If the request has a
// session and meets the options, denial is nil and the caller passes the returned request to the
// handler. Otherwise denial is the refusal, for [Auth.Deny]. Admit writes only headers.
func (a *Auth[U]) Admit(w http.ResponseWriter, r *http.Request, options ...RequireOption) (out *http.Request, denial *Denial) {
	out, denial = a.resolve(w, r)
	if denial != nil {
		return out, denial
	}
	s := a.stateOf(out.Context())
	need := requirementOf(options)
	if need.askStore {
		a.askNow(s)
	}
	now := s.current.Load()
	if !now.private {
		s.setPrivate(w.Header())
	}
	if now.signedIn {
		if need.bound && !now.session.Bound() {
			return out, a.boundDenial(out, &now.session)
		}
		return out, a.stepUpDenial(out, &now.session, need.maxAge)
	}
	return out, a.refusal(out, now.outcome)
}

// Deny passes a refusal to Config.Deny and returns what remains to be written: nil if the app has
// responded, denial itself if Config.Deny is nil, and otherwise the error that Config.Deny
// returned.
func (a *Auth[U]) Deny(w http.ResponseWriter, r *http.Request, denial *Denial) error {
	if a.config.Deny == nil || denial.ahead {
		return denial
	}
	h := w.Header()
	for _, name := range [...]string{"Retry-After", "Www-Authenticate"} { // clients depend on these
		if lines := denial.Header[name]; len(lines) > 0 {
			h[name] = lines
		}
	}
	for _, name := range varyHeaders {
		addVary(h, name)
	}
	err := a.config.Deny(w, r, denial)
	if err == error(denial) && denial.Status == http.StatusSeeOther {
		h.Del("WWW-Authenticate")
	}
	return err
}

// refusal returns the response to a request without a session.
func (a *Auth[U]) refusal(r *http.Request, outcome Outcome) *Denial {
	switch outcome {
	case OutcomeUnavailable:
		return newDenial(r, session.CodeDatabaseFetchFailed)
	case OutcomeCrossOrigin:
		return newDenial(r, session.CodeInvalidRequest)
	}
	if isPrefetch(r) {
		return prefetchDenial()
	}
	d := newDenial(r, session.CodeUnauthorized)
	// Otherwise the login page would redirect to itself.
	if d.Person && !isAt(at(r), a.config.LoginPath) {
		d.leadTo(r, a.withReturn(a.config.LoginPath, back(r)))
	}
	return d
}

// at returns the page that a person is on or has requested.
func at(r *http.Request) string {
	if v := viewOf(r); v == viewHTMX || v == viewFrame {
		return currentURL(r)
	}
	return pathOf(r)
}

// back returns the page that a person returns to after signing in. It is the requested page. If the
// request was for a part of a page, or its method is unsafe, it is the page that sent the request.
func back(r *http.Request) string {
	if isRead(r) {
		return at(r)
	}
	return currentURL(r)
}
