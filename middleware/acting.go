package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// While someone acts as a user, the browser keeps the actor's own session in a fourth cookie, the
// parked cookie: the sealed refresh token, a dot, and the fingerprint. The three ordinary cookies
// are those of the user's session, so that every part of the app sees one session only. The parked
// cookie is read when the acting stops, and when the browser signs in or out.

// parkedName is the name of the parked cookie, without its prefixes.
const parkedName = "actor_session"

// actorsOwn checks that the request may begin a session in which someone acts as userID. It returns
// the value of the parked cookie, and completes the actor in o. It returns "" if there is no actor.
func (a *Auth[U]) actorsOwn(w http.ResponseWriter, r *http.Request, o *signInOptions, userID string) (string, error) {
	if !o.acts {
		return "", nil
	}
	actor := o.terms.Actor
	own := a.Session(r.Context())
	switch {
	case own == nil || own.User.ID != actor.ID:
		return "", fmt.Errorf("%w: the request has no session of the actor", session.CodeUnauthorized)
	case own.Actor != nil:
		return "", fmt.Errorf("%w: the actor already acts as a user", session.CodeInvalidTerms)
	case userID == actor.ID:
		return "", fmt.Errorf("%w: the actor is the user", session.CodeInvalidTerms)
	}
	actor.SessionID = own.ID
	var set cookieSet
	a.cookies.scanAll(r.Header, &set)
	values := append(a.written(w.Header()), set.refresh.all()...)
	for _, value := range values {
		c, err := a.engine.OpenSealed(engine.SealedToken(value))
		if err != nil || c.SessionID != own.ID || c.UserID != own.User.ID {
			continue
		}
		if fp, ok := ownFingerprint(c, &set); ok {
			return value + "." + string(fp), nil
		}
	}
	return "", fmt.Errorf("%w: the request has no refresh cookie of the actor", session.CodeUnauthorized)
}

// written returns the refresh cookie that this response sets, if any. The request may just have
// been refreshed.
func (a *Auth[U]) written(h http.Header) (list []string) {
	for _, line := range h["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		if value, ok := cutName(pair, a.cookies.refresh); ok && value != "" {
			list = append(list, value)
		}
	}
	return list
}

// park keeps the actor's own session in the browser until the browser closes.
func (a *Auth[U]) park(h http.Header, value string) { a.cookies.setShort(h, a.cookies.parked, value) }

// parkedSession is an actor's own session in a parked cookie.
type parkedSession struct {
	engine.RefreshCredential
	fingerprint engine.Fingerprint
}

// cutParked returns the parts of a parked cookie.
func cutParked(value string) (engine.SealedToken, engine.Fingerprint) {
	i := strings.LastIndexByte(value, '.')
	if i < 0 {
		return "", ""
	}
	return engine.SealedToken(value[:i]), engine.Fingerprint(value[i+1:])
}

// parked returns the sessions of the parked cookies in set. There are several only if CookieDomain
// has changed, or if another host has set one.
func (a *Auth[U]) parked(set *cookieSet) (list []parkedSession) {
	for _, value := range set.parked.all() {
		sealed, fp := cutParked(value)
		if c, err := a.engine.OpenSealed(sealed); err == nil && c.BelongsTo(fp) {
			list = append(list, parkedSession{c, fp})
		}
	}
	return list
}

// StopActing ends the session in which someone acts as a user, and returns the browser to the
// actor's own session, which [Auth.Session] then returns. Call it for a POST. Errors carry
// session.CodeInvalidRequest for a request from another origin, session.CodeNotAuthenticated if the
// request's session has no actor, and session.CodeDatabaseFetchFailed or
// session.CodeDatabaseUpdateFailed if the store failed. In these cases nothing has changed, and
// repeating the call is harmless. The error is session.CodeUnauthorized if the actor's own session
// has ended in the meantime. The browser is then signed out.
func (a *Auth[U]) StopActing(w http.ResponseWriter, r *http.Request) error {
	if a.crossOrigin(r) {
		return fmt.Errorf("%w: the request came from another origin", session.CodeInvalidRequest)
	}
	st := a.stateOf(r.Context())
	if st == nil {
		return session.CodeNotAuthenticated
	}
	acting := st.current.Load().sessionOrNil()
	if acting == nil || acting.Actor == nil {
		return fmt.Errorf("%w: the session has no actor", session.CodeNotAuthenticated)
	}
	own, fp, err := a.resume(r, acting)
	if err != nil && !errors.Is(err, session.CodeUnauthorized) {
		return err
	}
	if err := a.engine.StopActing(context.WithoutCancel(r.Context()), *acting); err != nil {
		return err
	}
	if err != nil {
		a.signedOut(w, r, acting.ID)
		return err
	}
	h := w.Header()
	setPrivate(h)
	clearAhead(h)
	var set cookieSet
	a.cookies.scanAll(r.Header, &set)
	a.clearFormer(h, r, &set)
	a.setAccess(h, &own.Session)
	t := &own.Session.Terms
	a.cookies.setFor(t, h, a.cookies.refresh, string(own.RefreshCookie), own.ExpiresIn)
	a.cookies.setFor(t, h, a.cookies.fingerprint, string(fp), a.engine.Lifetime())
	a.update(r.Context(), &own.Session, OutcomeSignedIn)
	return nil
}

// resume refreshes the actor's own session, which is in a parked cookie.
func (a *Auth[U]) resume(r *http.Request, acting *session.Session[U]) (own engine.Refreshed[U], fp engine.Fingerprint, err error) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	list := a.parked(&set)
	i := slices.IndexFunc(list, func(p parkedSession) bool {
		return p.UserID == acting.Actor.ID && p.SessionID == acting.Actor.SessionID
	})
	if i < 0 {
		return own, "", fmt.Errorf("%w: the browser does not have the actor's own session", session.CodeUnauthorized)
	}
	p := list[i]
	own, err = a.engine.Refresh(r.Context(), p.fingerprint, p.RefreshCredential)
	if session.CodeOf(err) == session.CodeInvalidRefreshToken {
		err = fmt.Errorf("%w: %w", session.CodeUnauthorized, err)
	}
	if err == nil && own.RefreshCookie == "" {
		own.RefreshCookie = p.Sealed() // the generation is the same, and so is the cookie
	}
	return own, p.fingerprint, err
}
