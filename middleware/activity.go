package middleware

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// This file decides which requests show that a person is active, for Config.IdleTimeout.

// activity reports whether a request shows that a person is active, and how long ago they were. A
// script reports it in a header. The header never extends a session further than an activity now
// would. Without the header, page views and form posts count.
//
// A page of another origin could otherwise keep a session alive from a window in which it opens the
// app again and again. Requests that it causes count only if the browser reports that a person
// caused them.
func (a *Auth[U]) activity(r *http.Request) (ago time.Duration, active bool) {
	if isUpgrade(r) || isPrefetch(r) || isPassive(r) {
		return 0, false
	}
	if header(r, "Sec-Fetch-User") != "?1" && a.foreign(r) {
		return 0, false
	}
	if lines := r.Header[wire.HeaderActive]; len(lines) > 0 {
		seconds, err := strconv.ParseUint(lines[0], 10, 32)
		return time.Duration(seconds) * time.Second, err == nil && len(lines) == 1
	}
	return 0, isPageView(r)
}

// isPageView reports whether a person has opened a page or sent a form. Pages load frames by
// themselves, and libraries repeat requests for parts of a page at intervals. So a frame counts
// only if the browser reports that a person caused it, and a part of a page only if it answers a
// form.
func isPageView(r *http.Request) bool {
	switch header(r, "Sec-Fetch-Dest") {
	case "document", "", "empty":
	case "iframe", "frame", "fencedframe":
		return header(r, "Sec-Fetch-User") == "?1"
	default: // object, embed
		return false
	}
	switch viewOf(r) {
	case viewNone:
		return false
	case viewPage:
		return !isRead(r) || !isUnpoly(r) || isNavigate(r) || isBoosted(r)
	}
	return !isRead(r)
}

// refreshSession refreshes the session of a request with the activity that the request shows.
func (a *Auth[U]) refreshSession(r *http.Request, fp engine.Fingerprint, own []engine.RefreshCredential) (engine.Refreshed[U], error) {
	if ago, active := a.activity(r); active {
		return a.engine.RefreshActive(r.Context(), ago, fp, own...)
	}
	return a.engine.Refresh(r.Context(), fp, own...)
}

// noteActivity refreshes the session of a valid access token if the request shows that a person is
// active and the token records no activity within AccessTTL, because background refreshes have
// issued it. Otherwise the page views of a person between such refreshes would not count. A token
// issued to a person causes no refresh until it expires. If the store is unavailable, the access
// token decides.
func (a *Auth[U]) noteActivity(d *decision[U], r *http.Request, set *cookieSet) {
	if d.public || !a.engine.IsQuiet(&d.session) {
		return
	}
	ago, active := a.activity(r)
	if !active {
		return
	}
	creds := a.credentials(set)
	var fp engine.Fingerprint
	var own []engine.RefreshCredential
	for _, c := range creds.list {
		if f, ok := ownFingerprint(c, set); ok && c.SessionID == d.session.ID {
			fp, own = f, append(own, c)
		}
	}
	if len(own) == 0 || len(creds.unknown) > 0 {
		return
	}
	refreshed, err := a.noted(r, ago, fp, own, &d.session)
	switch {
	case err == nil:
		d.accept(&refreshed.Session, outcomeOf(refreshed.Outcome))
		d.refreshed = &refreshed
	case errors.Is(err, engine.ErrReused):
		*d = decision[U]{outcome: OutcomeReused, dead: true}
	case errors.Is(err, session.CodeUnauthorized):
		*d = decision[U]{outcome: OutcomeExpired, dead: true}
	}
}

// noted tells the store of an activity. It does not refresh a bound session, because the request
// proves nothing.
func (a *Auth[U]) noted(r *http.Request, ago time.Duration, fp engine.Fingerprint, own []engine.RefreshCredential, s *session.Session[U]) (engine.Refreshed[U], error) {
	for _, c := range own {
		if c.Bound() {
			return a.engine.NoteActivity(r.Context(), ago, fp, c, s)
		}
	}
	return a.engine.RefreshActive(r.Context(), ago, fp, own...)
}
