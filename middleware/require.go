package middleware

import (
	"errors"
	"net/http"

	"github.com/lucia-go/lucia/session"
)

// Require lets only requests with a session through to next. A person without one,
// who opens a page or submits a form, is sent to the login page and, by
// [ReturnPath], back, also where htmx, Turbo or Unpoly made the request; everything
// else gets a 401 with a JSON body. If the store is unavailable, and for a page ahead of
// time, the answer is 503: a login page would be a lie. Config.Deny puts the app's own
// answers in the place of these.
//
// The answer is private and not to be stored, whatever is asked for. Require works
// without the middleware around the app, too: it then runs the core itself, for the
// requests that it sees.
func (a *Auth[U]) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, denial := a.Admit(w, r)
		if denial == nil {
			next.ServeHTTP(w, r)
			return
		}
		if err := a.Deny(w, r, denial); err != nil {
			answer(w, r, err)
		}
	})
}

// answer writes what Config.Deny has left to be answered.
func answer(w http.ResponseWriter, r *http.Request, err error) {
	if d, ok := errors.AsType[*Denial](err); ok {
		d.Write(w)
		return
	}
	Error(w, r, err)
}

// Admit is [Auth.Require] for those who wrap it into a framework's own. If the request
// has a session, denial is nil and the request that it returns goes to the handler.
// Otherwise denial is the refusal, for [Auth.Deny]; nothing has been written but
// headers.
func (a *Auth[U]) Admit(w http.ResponseWriter, r *http.Request) (out *http.Request, denial *Denial) {
	out, denial = a.resolve(w, r)
	if denial != nil {
		return out, denial
	}
	s := a.stateOf(out.Context())
	now := s.current.Load()
	if !now.private {
		s.setPrivate(w.Header())
	}
	if now.signedIn {
		return out, nil
	}
	return out, a.refusal(out, now.outcome)
}

// Deny hands a refusal to Config.Deny, and returns what is left to be answered: nil if
// the app has answered, denial itself if Config.Deny is not set, or else the error that
// it returned.
func (a *Auth[U]) Deny(w http.ResponseWriter, r *http.Request, denial *Denial) error {
	if a.config.Deny == nil || denial.ahead {
		return denial
	}
	h := w.Header()
	for _, name := range [...]string{"Retry-After", "Www-Authenticate"} { // which clients go by
		if lines := denial.Header[name]; len(lines) > 0 {
			h[name] = lines
		}
	}
	for _, name := range deciding {
		addVary(h, name)
	}
	err := a.config.Deny(w, r, denial)
	if err == error(denial) && denial.Status == http.StatusSeeOther {
		h.Del("WWW-Authenticate")
	}
	return err
}

// refusal is the answer to a request that has no session.
func (a *Auth[U]) refusal(r *http.Request, outcome Outcome) *Denial {
	switch outcome {
	case OutcomeUnavailable:
		return newDenial(r, session.CodeDatabaseFetchFailed)
	case OutcomeCrossOrigin:
		return newDenial(r, session.CodeInvalidRequest)
	}
	if isPrefetch(r) {
		return notAhead()
	}
	d := newDenial(r, session.CodeUnauthorized)
	if back := back(r); d.Person && !a.isLogin(at(r)) { // else the login page would load itself for ever
		d.leadTo(r, a.loginURL(back))
	}
	return d
}

// at is the page that a person is on or has asked for.
func at(r *http.Request) string {
	if v := viewOf(r); v == viewHTMX || v == viewFrame {
		return currentURL(r)
	}
	return pathOf(r)
}

// back is where a person shall return to after signing in: the page asked for,
// or, where that was more than asking or a part of a page, the page it was done from.
func back(r *http.Request) string {
	if isRead(r) {
		return at(r)
	}
	return currentURL(r)
}
