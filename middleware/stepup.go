package middleware

import (
	"cmp"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// RequireRecent is [Auth.Require] for actions that must not happen at an unattended device: a
// change of the password, a payment, the deletion of an account. It passes only requests whose user
// signed in at most maxAge ago. A maxAge of less than twice Config.Grace counts as twice
// Config.Grace, because people need that time to get from the step-up page to the handler.
//
// A person who signed in earlier is redirected to the step-up page, and by [ReturnPath] back to the
// page that they have opened, with its query. So a form that was submitted with GET is then
// submitted after all. Any other form is not repeated: the person returns to the form's page, and
// [FormUnsent] is true on the step-up page. Apps should therefore also protect the page that
// contains the form, and give the form's handler a longer maxAge, so that a person who has seen the
// page can also submit it.
//
// Scripts get a 401 with the code session.CodeStepUpRequired and the challenge of RFC 9470, section
// 3, whose max_age is maxAge in seconds. The browser module and the Go client do not refresh
// because of it.
//
// The time of the sign-in is part of the access token (auth_time), so the store is not accessed. A
// session in which someone acts as the user is never recent, because the user has not signed in.
func (a *Auth[U]) RequireRecent(maxAge time.Duration, options ...RequireOption) func(next http.Handler) http.Handler {
	options = append(options[:len(options):len(options)], Recent(maxAge))
	return func(next http.Handler) http.Handler { return a.Require(next, options...) }
}

// Recent is the option of [Auth.Admit] for the frameworks' equivalents of [Auth.RequireRecent].
func Recent(maxAge time.Duration) RequireOption {
	return RequireOption{maxAge: max(maxAge, 1)}
}

// stepUpDenial returns nil if the session's user signed in at most maxAge ago or maxAge is 0. It
// allows twice Grace for the response of the step-up page and the request that follows, which may
// each be in transit for Grace. Otherwise people would be sent to the step-up page again.
func (a *Auth[U]) stepUpDenial(r *http.Request, s *session.Session[U], maxAge time.Duration) *Denial {
	if maxAge == 0 {
		return nil
	}
	maxAge = max(maxAge, 2*cmp.Or(a.config.Grace, DefaultGrace))
	if s.Actor == nil && time.Since(s.AuthTime) <= maxAge {
		return nil
	}
	if isPrefetch(r) {
		return prefetchDenial()
	}
	d := newDenial(r, session.CodeStepUpRequired)
	d.Header.Set("WWW-Authenticate", wire.ChallengeStepUp+`, max_age="`+strconv.FormatInt(seconds(maxAge), 10)+`"`)
	// Otherwise the step-up page would redirect to itself.
	if d.Person && !isAt(at(r), a.config.StepUpPath) {
		url := a.withReturn(a.config.StepUpPath, back(r))
		if !isRead(r) {
			url = addQuery(url, unsentField+"=1")
		}
		d.leadTo(r, url)
	}
	return d
}

// unsentField is the query parameter that tells the step-up page that a form was refused.
const unsentField = "unsent"

// FormUnsent reports whether the person is on the step-up page because [Auth.RequireRecent] has
// refused a form that they submitted. The page should then tell them that the form was not saved.
func FormUnsent(r *http.Request) bool { return r.URL.Query().Get(unsentField) == "1" }

// StepUp begins a new session of the same user in place of the request's session. Call it at the
// step-up page when the user has authenticated again. The new session has the current time as
// AuthTime, and otherwise the terms of the old one. The old session ends, as OWASP ASVS 5.0
// requires for every authentication (7.2.4). Open pages of this browser take over the new session
// and keep what has been typed. Without script, their forms are refused as those of another
// session.
//
// StepUp refuses what [Auth.SignIn] refuses, with the same errors. If the request has no session,
// the error carries session.CodeNotAuthenticated. If someone acts as the user, it carries
// session.CodeInvalidTerms, because only the user can step up.
func (a *Auth[U]) StepUp(w http.ResponseWriter, r *http.Request) (*session.Session[U], error) {
	if a.crossOrigin(r) {
		return nil, fmt.Errorf("%w: step-up from another origin", session.CodeInvalidRequest)
	}
	st := a.stateOf(r.Context())
	if st == nil {
		return nil, session.CodeNotAuthenticated
	}
	now := st.current.Load().sessionOrNil()
	if now == nil {
		return nil, session.CodeNotAuthenticated
	}
	if now.Actor != nil {
		return nil, fmt.Errorf("%w: someone acts as the user", session.CodeInvalidTerms)
	}
	terms := now.Terms
	terms.AuthTime = time.Time{} // SignIn sets the current time
	s, err := a.begin(w, r, engine.SignInParams{UserID: now.User.ID, Terms: terms}, "")
	if err == nil {
		a.engine.ReportStepUp(s.User.ID, s.ID)
	}
	return s, err
}

// serveStepUp serves GET step-up, the page for apps without a step-up page of their own. It cannot
// check a password, so it signs the person out and leads them to the login page and back.
func (a *Auth[U]) serveStepUp(w http.ResponseWriter, r *http.Request) {
	text := "You signed in a while ago. Sign in again to go on."
	if FormUnsent(r) {
		text += " What you sent has not been saved."
	}
	n := notice{"Confirm that it is you", text, `<form method="post" action="` + html.EscapeString(a.config.BasePath+wire.RouteLogout) + `">` +
		`<input type="hidden" name="` + wire.RedirectField + `" value="` + html.EscapeString(a.withReturn(a.config.LoginPath, ReturnPath(r, "/"))) + `">` +
		`<button>Sign in again</button></form>`}
	h := w.Header()
	setPrivate(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK) // gin's status is 404 otherwise
	w.Write(n.html(r, viewPage))
}
