package middleware

import (
	"net/http"

	"github.com/lucia-go/lucia/session"
)

// Require lets only requests with a session through to next. A page navigation
// without one is sent to the login page and, by [ReturnPath], back; an htmx
// request is told to go there (401 with HX-Redirect); everything else gets a 401
// with a JSON body. Where the store could not tell, and for a prefetch, the
// answer is 503: a login page would be a lie.
//
// Require works without the middleware around the app, too: it then runs the
// core itself, for the requests that it sees.
func (a *Auth[U]) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r, ok := a.Admit(w, r); ok {
			next.ServeHTTP(w, r)
		}
	})
}

// Admit is [Auth.Require] for those who wrap it into a framework's own: it
// reports whether the request has a session, in which case the request it
// returns goes to the handler; otherwise the request has been answered.
func (a *Auth[U]) Admit(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	r = a.resolve(w, r)
	outcome := Anonymous
	if s := a.stateOf(r.Context()); s != nil {
		s.markPrivate()
		if s.session != nil {
			return r, true
		}
		outcome = s.outcome
	} else {
		setPrivate(w.Header())
	}
	a.deny(w, r, outcome)
	return r, false
}

// deny answers a request that has no session.
func (a *Auth[U]) deny(w http.ResponseWriter, r *http.Request, outcome Outcome) {
	addVary(w.Header(), "HX-Request")
	switch {
	case outcome == Unavailable:
		a.denyUnavailable(w, r)
	case isPrefetch(r):
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(http.StatusServiceUnavailable)
	case outcome == CrossOrigin:
		WriteError(w, session.CodeInvalidRequest)
	case isHTMX(r):
		if page := currentURL(r); !a.isLogin(page) { // else the login page would load itself for ever
			w.Header().Set("HX-Redirect", a.loginURL(page))
		}
		a.refuse(w, r, session.CodeUnauthorized)
	case (isNavigation(r) || isBoosted(r)) && !a.isLogin(pathOf(r)):
		w.Header().Set("Location", a.loginURL(a.back(r)))
		w.WriteHeader(http.StatusSeeOther)
	default:
		a.refuse(w, r, session.CodeUnauthorized)
	}
}

// back is where a person shall return to after signing in: the page asked for,
// or, where that was more than asking, the page it was done from.
func (a *Auth[U]) back(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return pathOf(r)
	}
	return currentURL(r)
}

// denyUnavailable says "later": in words to a person, as a code to a script.
func (a *Auth[U]) denyUnavailable(w http.ResponseWriter, r *http.Request) {
	if !isNavigation(r) {
		WriteError(w, session.CodeDatabaseFetchFailed)
		return
	}
	h := w.Header()
	h.Set("Retry-After", retryAfter)
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	w.Write([]byte(unavailablePage))
}

const unavailablePage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<meta name="color-scheme" content="light dark"><title>Back in a moment</title><h1>Back in a moment</h1>` +
	`<p>You are still signed in, but we cannot check it right now.</p><p><a href="">Try again</a></p></html>` + "\n"
