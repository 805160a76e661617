package middleware

import (
	"net/http"

	"github.com/lucia-go/lucia/session"
)

// Require lets only requests with a session through to next. A person without one,
// who opens a page or submits a form, is sent to the login page and, by
// [ReturnPath], back; an htmx request is told to go there (401 with HX-Redirect);
// everything else gets a 401 with a JSON body. Where the store could not tell, and
// for a prefetch, the answer is 503: a login page would be a lie. Config.Deny puts
// the app's own answers in the place of these.
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
	outcome := OutcomeAnonymous
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
	err := denial(outcome)
	if isPrefetch(r) && err == session.CodeUnauthorized {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if a.config.Deny != nil && a.appDenies(w, r, err) {
		return
	}
	switch {
	case err == session.CodeDatabaseFetchFailed:
		a.denyUnavailable(w, r)
	case err == session.CodeInvalidRequest:
		WriteError(w, err)
	case isHTMX(r):
		if page := currentURL(r); !a.isLogin(page) { // else the login page would load itself for ever
			w.Header().Set("HX-Redirect", a.loginURL(page))
		}
		a.refuse(w, r, session.CodeUnauthorized)
	case IsPage(r) && !a.isLogin(pathOf(r)):
		w.Header().Set("Location", a.loginURL(back(r)))
		w.WriteHeader(http.StatusSeeOther)
	default:
		a.refuse(w, r, session.CodeUnauthorized)
	}
}

// denial is why a request without a session is refused.
func denial(o Outcome) session.Code {
	switch o {
	case OutcomeUnavailable:
		return session.CodeDatabaseFetchFailed
	case OutcomeCrossOrigin:
		return session.CodeInvalidRequest
	}
	return session.CodeUnauthorized
}

// appDenies lets the app answer, with the header that goes with the status.
func (a *Auth[U]) appDenies(w http.ResponseWriter, r *http.Request, err session.Code) bool {
	h := w.Header()
	switch err {
	case session.CodeDatabaseFetchFailed:
		h.Set("Retry-After", retryAfter)
	case session.CodeUnauthorized:
		h.Set("WWW-Authenticate", challengeOf(r))
	}
	if a.config.Deny(w, r, err) {
		return true
	}
	h.Del("WWW-Authenticate") // the way to the login page has none
	return false
}

// back is where a person shall return to after signing in: the page asked for,
// or, where that was more than asking, the page it was done from.
func back(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return pathOf(r)
	}
	return currentURL(r)
}

// denyUnavailable says "later": in words to a person, as a code to a script.
func (a *Auth[U]) denyUnavailable(w http.ResponseWriter, r *http.Request) {
	if !IsPage(r) {
		WriteError(w, session.CodeDatabaseFetchFailed)
		return
	}
	h := w.Header()
	h.Set("Retry-After", retryAfter)
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	page := unavailablePage
	if !isNavigation(r) {
		page = unavailableAnswer
	}
	w.Write([]byte(page))
}

const (
	unavailableHead = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
		`<meta name="color-scheme" content="light dark"><title>Back in a moment</title><h1>Back in a moment</h1>` +
		`<p>You are still signed in, but we cannot check it right now.</p>`
	unavailablePage   = unavailableHead + `<p><a href="">Try again</a></p></html>` + "\n"
	unavailableAnswer = unavailableHead + `<p>Nothing was done. Go back and try again.</p></html>` + "\n" // to a form
)
