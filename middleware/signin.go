package middleware

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// SignInOption modifies one call of [Auth.SignIn].
type SignInOption func(*signInOptions)

type signInOptions struct {
	fromCallback bool
	terms        session.Terms
	acts         bool
}

// FromCallback makes SignIn accept a request from another origin. It is for callbacks of identity
// providers that arrive as a form post, after the app has checked the state parameter.
// Browsers send no SameSite=Lax cookies with such a request, so the browser's previous session
// does not end.
func FromCallback() SignInOption { return func(o *signInOptions) { o.fromCallback = true } }

// Remember determines whether the browser keeps the session when it closes. Remember(true) is the
// default. With Remember(false) the cookies have no Max-Age. Config.Short also limits the session,
// because browsers that reopen their windows may restore such cookies.
func Remember(remember bool) SignInOption {
	return func(o *signInOptions) { o.terms.Short = !remember }
}

// EndsBy ends the session at t, however it is used until then. t is truncated to the second. SignIn
// fails with session.CodeInvalidTerms if t has passed. With the zero Time the option has no effect.
func EndsBy(t time.Time) SignInOption {
	return func(o *signInOptions) { o.terms.EndsBy = t.Truncate(time.Second) }
}

// With gives the session an attribute, such as the organization that the person signed in to.
// Attributes are signed into the tokens and fixed for the session. They are in Session.Attributes,
// and in session.TermsOf of the context of LoadUser. People can read their own. All attributes
// together have at most session.MaxAttributesBytes (256 bytes) as JSON; beyond that, SignIn fails
// with session.CodeInvalidTerms.
func With(name, value string) SignInOption {
	return func(o *signInOptions) {
		if o.terms.Attributes == nil {
			o.terms.Attributes = map[string]string{}
		}
		o.terms.Attributes[name] = value
	}
}

// Actor begins a session in which another person acts as the user: an administrator who sees what
// a customer sees. The request must have a session of the user actorID. If it has none, SignIn
// fails with session.CodeUnauthorized. It fails with session.CodeInvalidTerms if the actor already
// acts as someone. The app must have checked that the actor may do this.
//
// The session lasts an hour at most, is forgotten when the browser closes, and ends within
// AccessTTL after the actor's own session. It does not count towards Config.MaxSessions of the
// user. Session.Actor has the actor and the reason, and so have the events. The
// actor's own session continues in the background; [Auth.StopActing] returns to it.
func Actor(actorID, reason string) SignInOption {
	return func(o *signInOptions) {
		o.acts = true
		o.terms.Actor = &session.Actor{ID: actorID, Reason: reason}
	}
}

// SignIn begins a session of the user and sets the three cookies. The caller must have
// authenticated the user. The response header must not have been written yet. For the rest of the
// request [Auth.Session] returns the new session, and page data rendered in the same response
// contains it. The browser's previous session ends. Only the next request has the session if
// Config.Skip names this one, because the middleware keeps no state of it.
//
// SignIn refuses an unsafe request from another origin with session.CodeInvalidRequest, because
// another site's page could sign a person in as someone else (login CSRF). Other errors carry
// session.CodeInvalidUserID, session.CodeInvalidTerms, session.CodeTooManySessions (see
// Config.AtMaxSessions) or session.CodeDatabaseUpdateFailed; see [Status]. If SignIn fails, it sets
// no cookie.
func (a *Auth[U]) SignIn(w http.ResponseWriter, r *http.Request, userID string, options ...SignInOption) (*session.Session[U], error) {
	var o signInOptions
	for _, option := range options {
		if option != nil {
			option(&o)
		}
	}
	if !o.fromCallback && a.crossOrigin(r) {
		return nil, fmt.Errorf("%w: sign-in from another origin", session.CodeInvalidRequest)
	}
	own, err := a.actorsOwn(w, r, &o, userID)
	if err != nil {
		return nil, err
	}
	return a.begin(w, r, engine.SignInParams{UserID: userID, Terms: o.terms}, own)
}

// begin begins a session in place of the browser's previous one and sets the cookies. If own is
// not empty, someone begins to act as the user: the previous session is theirs, and own is what the
// browser keeps of it.
func (a *Auth[U]) begin(w http.ResponseWriter, r *http.Request, p engine.SignInParams, own string) (*session.Session[U], error) {
	a.warnOfPlainHTTP(r)
	var set cookieSet
	a.cookies.scanAll(r.Header, &set)
	acts := p.Terms.Actor != nil
	former := a.former(r, &set, !acts)
	for _, f := range former {
		if f.userID == p.UserID {
			p.Former = append(p.Former, f.id)
		}
	}
	p.Details = a.detailsOf(r)
	signedIn, err := a.engine.Begin(r.Context(), p)
	if err != nil {
		return nil, err
	}
	setPrivate(w.Header())
	clearAhead(w.Header())
	a.clearFormer(w.Header(), r, &set)
	if own != "" {
		a.park(w.Header(), own)
	} else {
		a.endAll(r, former, signedIn.Session.ID)
	}
	a.setSignedIn(w.Header(), signedIn)
	a.offerBinding(w.Header(), r, &signedIn.Session)
	a.update(r.Context(), &signedIn.Session, OutcomeSignedIn)
	return a.forApp(&signedIn.Session), nil
}

// warnOfPlainHTTP logs once why people who sign in are signed out on the next page: browsers
// silently drop Secure cookies over plain HTTP. The Origin header of a form post names the origin
// of the form's page.
func (a *Auth[U]) warnOfPlainHTTP(r *http.Request) {
	page, ok := strings.CutPrefix(header(r, "Origin"), "http://")
	if a.config.Dev || !ok || page != r.Host {
		return
	}
	a.plain.Do(func() {
		a.logger().Warn("lucia: sign-in on a page over plain HTTP, where browsers drop Secure cookies: serve it over HTTPS or, in development, set Config.Dev")
	})
}

// endAll ends the sessions whose cookies the browser had, except one. An abandoned session is never
// rotated by its owner, so reuse of a stolen token would go undetected (OWASP Session Management:
// renew at sign-in). Failures are reported. They do not affect the session that begins or has
// ended.
func (a *Auth[U]) endAll(r *http.Request, former []owned, but session.ID) {
	for _, f := range former {
		if f.id != but {
			_ = a.engine.SignOut(r.Context(), f.userID, f.id)
		}
	}
}

// former returns the sessions whose cookies the browser has, each once: those of the request, the
// one that the request itself has begun and, if parked is set, the actor's own sessions.
func (a *Auth[U]) former(r *http.Request, set *cookieSet, parked bool) (list []owned) {
	add := func(o owned) {
		if !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	for _, o := range a.owned(set) {
		add(o)
	}
	if st := a.stateOf(r.Context()); st != nil {
		if now := st.current.Load(); now.outcome == OutcomeSignedIn {
			add(owned{now.session.User.ID, now.session.ID})
		}
	}
	if parked {
		for _, p := range a.parked(set) {
			add(owned{p.UserID, p.SessionID})
		}
	}
	return list
}

// SignOut ends the session of the request and clears the cookies. It is for apps with a sign-out
// handler of their own. Call it only for a POST, because any site's link can cause a GET. Signing
// out without a session is not an error: the browser is signed out. Errors carry
// session.CodeInvalidRequest for a request from another origin, and
// session.CodeDatabaseUpdateFailed if the store failed; the cookies are then kept.
func (a *Auth[U]) SignOut(w http.ResponseWriter, r *http.Request) error {
	if s := a.Session(r.Context()); s != nil {
		return a.end(w, r, s.User.ID, s.ID)
	}
	if a.crossOrigin(r) {
		return fmt.Errorf("%w: sign-out from another origin", session.CodeInvalidRequest)
	}
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	if userID, id, err := a.identify(&set); err == nil {
		return a.end(w, r, userID, id)
	}
	a.signedOut(w, r, session.ID{})
	return nil
}

// end ends a session and clears the cookies.
func (a *Auth[U]) end(w http.ResponseWriter, r *http.Request, userID string, id session.ID) error {
	if err := a.engine.SignOut(r.Context(), userID, id); err != nil {
		return err
	}
	a.signedOut(w, r, id)
	return nil
}

// signedOut makes the response that of a signed-out browser. It ends every session whose cookies
// the browser has, except ended, which has already ended.
func (a *Auth[U]) signedOut(w http.ResponseWriter, r *http.Request, ended session.ID) {
	var set cookieSet
	a.cookies.scanAll(r.Header, &set)
	a.endAll(r, a.former(r, &set, true), ended)
	h := w.Header()
	setPrivate(h)
	a.clear(h, r, &set)
	clearAhead(h)
	a.update(r.Context(), nil, OutcomeSignedOut)
}

// clearAhead makes the browser discard pages that it has prefetched or prerendered (W3C Clear
// Site Data), because they belong to the previous session.
func clearAhead(h http.Header) {
	const ahead = `"prefetchCache", "prerenderCache"`
	if !slices.Contains(h["Clear-Site-Data"], ahead) {
		h.Add("Clear-Site-Data", ahead)
	}
}

// identify returns the session that a request's cookies name, alive or not. Access tokens are
// considered before refresh tokens.
func (a *Auth[U]) identify(set *cookieSet) (userID string, id session.ID, err error) {
	if own := a.owned(set); len(own) > 0 {
		return own[0].userID, own[0].id, nil
	}
	return "", session.ID{}, session.CodeNotAuthenticated
}

// owned is a session that a request's cookies prove, alive or not.
type owned struct {
	userID string
	id     session.ID
}

// owned returns the sessions of the genuine tokens that match a fingerprint cookie. Those of
// access tokens come first.
func (a *Auth[U]) owned(set *cookieSet) (list []owned) {
	for _, token := range set.access.all() {
		if s, err := a.verifyEnded(session.AccessToken(token), set); err == nil {
			list = append(list, owned{s.User.ID, s.ID})
		}
	}
	for _, c := range a.credentials(set).list {
		if _, ok := ownFingerprint(c, set); ok {
			list = append(list, owned{c.UserID, c.SessionID})
		}
	}
	return list
}

// verifyEnded verifies an access token with any of the request's fingerprints. It accepts an
// expired token.
func (a *Auth[U]) verifyEnded(token session.AccessToken, set *cookieSet) (s session.Session[U], err error) {
	err = session.CodeInvalidAccessToken
	for _, fp := range set.fingerprint.all() {
		if s, err = a.engine.VerifyEnded(token, engine.Fingerprint(fp)); err == nil {
			break
		}
	}
	return s, err
}

// Reload gives the session of the request a new access token with the current result of LoadUser.
// Call it after the user's data has changed. The refresh token does not rotate and no expiry
// changes. Errors carry session.CodeNotAuthenticated if there is no session,
// session.CodeInvalidAccessToken if this process has ended it in the meantime,
// session.CodeDatabaseFetchFailed if LoadUser failed, and session.CodeUnauthorized if the user no
// longer exists.
func (a *Auth[U]) Reload(w http.ResponseWriter, r *http.Request) error {
	st := a.stateOf(r.Context())
	if st == nil {
		return session.CodeNotAuthenticated
	}
	now := st.current.Load()
	if !now.signedIn {
		return session.CodeNotAuthenticated
	}
	s, err := a.engine.Reload(r.Context(), now.session)
	if err != nil {
		return err
	}
	setPrivate(w.Header())
	a.setAccess(w.Header(), &s)
	a.update(r.Context(), &s, now.outcome)
	return nil
}
