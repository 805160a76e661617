package middleware

import (
	"errors"
	"net/http"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// decision is what the middleware makes of a request: who it is, and what is to
// become of the cookies. Making it and carrying it out are two things.
type decision[U any] struct {
	outcome   Outcome
	signedIn  bool
	session   session.Session[U]
	refreshed *engine.Refreshed[U] // the cookies to set; nil: none
	dead      bool                 // the cookies can never be of use again
	cookies   bool                 // the request came with cookies of ours
	public    bool                 // the answer is for everyone, so nothing is refreshed
}

func (d *decision[U]) accept(s *session.Session[U], o Outcome) {
	d.session, d.signedIn, d.outcome = *s, true, o
}

// decide judges a request. The order of the checks is the order of the table in
// docs/protocol.md. It asks the store at most once. d is a new decision.
func (a *Auth[U]) decide(d *decision[U], r *http.Request) {
	var set cookieSet
	if token, presented := bearer(r); presented {
		a.cookies.scan(r.Header, &set)
		a.decideBearer(d, session.AccessToken(token), &set)
		return
	}
	if a.crossOrigin(r) {
		d.outcome = OutcomeCrossOrigin
		return
	}
	a.cookies.scan(r.Header, &set)
	if !set.present() {
		return
	}
	d.cookies = true
	if set.crowded() {
		d.outcome = OutcomeAmbiguous
		return
	}
	if a.decideAccess(d, &set) {
		return
	}
	if d.public || isPassive(r) || isPrefetch(r) {
		d.outcome = OutcomeDeferred
		return
	}
	a.decideRefresh(d, r, &set)
}

// decideBearer judges a request by its bearer token alone; where that is no
// good there is no falling back to cookies.
func (a *Auth[U]) decideBearer(d *decision[U], token session.AccessToken, set *cookieSet) {
	d.outcome = OutcomeInvalid
	for _, fp := range set.fingerprint.all() {
		s, err := a.manager.Verify(token, session.Fingerprint(fp))
		switch {
		case err == nil:
			d.accept(&s, OutcomeFresh)
			return
		case errors.Is(err, engine.ErrExpired), errors.Is(err, engine.ErrRevoked), errors.Is(err, engine.ErrOutdated):
			d.outcome = OutcomeExpired
			return
		case errors.Is(err, engine.ErrUnknownKey):
			d.outcome = OutcomeUnknownKey
			return
		}
	}
}

// decideAccess judges the access cookies. It reports whether that settles the
// request; otherwise the refresh cookie is to speak.
func (a *Auth[U]) decideAccess(d *decision[U], set *cookieSet) bool {
	var seen accessSeen
	for _, token := range set.access.all() {
		a.tryAccess(d, session.AccessToken(token), set, &seen)
	}
	switch {
	case d.outcome == OutcomeAmbiguous:
		return true
	case d.signedIn:
		a.checkTossed(d, set)
		return true
	case seen.usable:
		return false
	case seen.unknownKey:
		d.outcome = OutcomeUnknownKey
		return true
	case seen.malformed:
		d.outcome, d.dead = OutcomeInvalid, true
		return true
	}
	return false
}

// accessSeen is what the access cookies of a request were, beside valid.
type accessSeen struct {
	usable     bool // genuine, but expired or of another fingerprint: as good as missing
	unknownKey bool
	malformed  bool
}

// tryAccess judges one access cookie with every fingerprint.
func (a *Auth[U]) tryAccess(d *decision[U], token session.AccessToken, set *cookieSet, seen *accessSeen) {
	if set.fingerprint.n == 0 {
		seen.usable = true
		return
	}
	for _, fp := range set.fingerprint.all() {
		s, err := a.manager.Verify(token, session.Fingerprint(fp))
		switch {
		case err == nil && d.signedIn && d.session.ID != s.ID:
			*d = decision[U]{outcome: OutcomeAmbiguous, cookies: true}
			return
		case err == nil:
			d.accept(&s, OutcomeFresh)
			return
		case errors.Is(err, engine.ErrUnknownKey):
			seen.unknownKey = true
			return
		case errors.Is(err, engine.ErrMalformed):
			seen.malformed = true
			return
		default:
			seen.usable = true
		}
	}
}

// checkTossed withdraws a session from a request that also carries a good
// refresh token of another one: somebody has planted one of the two. With one
// fingerprint there cannot be two.
func (a *Auth[U]) checkTossed(d *decision[U], set *cookieSet) {
	if set.fingerprint.n < 2 {
		return
	}
	creds := a.credentials(set)
	for _, c := range creds.list {
		if _, ok := ownFingerprint(c, set); ok && c.SessionID != d.session.ID {
			*d = decision[U]{outcome: OutcomeAmbiguous, cookies: true}
			return
		}
	}
}

// decideRefresh lets the refresh cookies speak.
func (a *Auth[U]) decideRefresh(d *decision[U], r *http.Request, set *cookieSet) {
	creds := a.credentials(set)
	var fp session.Fingerprint
	var own []engine.RefreshCredential
	for _, c := range creds.list {
		f, ok := ownFingerprint(c, set)
		if !ok {
			continue
		}
		if len(own) > 0 && own[0].SessionID != c.SessionID {
			d.outcome = OutcomeAmbiguous
			return
		}
		fp, own = f, append(own, c)
	}
	switch {
	case creds.unknownKey: // it may be newer than its neighbour, which alone would look stolen
		d.outcome = OutcomeUnknownKey
	case len(own) > 0 && isUpgrade(r):
		a.peek(d, r, fp, own)
	case len(own) > 0:
		a.refresh(d, r, fp, own)
	case len(creds.list) > 0:
		d.outcome = OutcomeInvalid // genuine, but not of this fingerprint; a page may still hold what is
	case creds.malformed:
		d.outcome, d.dead = OutcomeInvalid, true
	default:
		d.outcome = OutcomeExpired
	}
}

// refresh asks the store.
func (a *Auth[U]) refresh(d *decision[U], r *http.Request, fp session.Fingerprint, own []engine.RefreshCredential) {
	refreshed, err := a.manager.Refresh(r.Context(), fp, own...)
	switch {
	case err == nil:
		d.accept(&refreshed.Session, outcomeOf(refreshed.Outcome))
		d.refreshed = &refreshed
	case errors.Is(err, session.CodeDatabaseFetchFailed):
		d.outcome = OutcomeUnavailable
	case errors.Is(err, session.CodeUnauthorized):
		d.outcome, d.dead = outcomeOf(refreshed.Outcome), true
	default:
		d.outcome = OutcomeInvalid
	}
}

// peek asks the store for a request whose answer may not deliver cookies: most
// WebSocket libraries write the answer to an upgrade themselves, without what the
// header holds. A refresh would be lost with it, each time that the socket comes back.
func (a *Auth[U]) peek(d *decision[U], r *http.Request, fp session.Fingerprint, own []engine.RefreshCredential) {
	s, err := a.manager.Peek(r.Context(), fp, own...)
	switch {
	case err == nil:
		d.accept(&s, OutcomeCurrent)
	case errors.Is(err, session.CodeDatabaseFetchFailed):
		d.outcome = OutcomeUnavailable
	default:
		d.outcome = OutcomeExpired
	}
}

// credentials are the genuine refresh tokens among a request's cookies.
type credentials struct {
	list       []engine.RefreshCredential
	tokens     []session.RefreshToken // of list
	unknownKey bool
	malformed  bool
}

func (a *Auth[U]) credentials(set *cookieSet) (c credentials) {
	for _, sealed := range set.refresh.all() {
		cred, token, err := a.manager.OpenSealed(session.SealedToken(sealed))
		switch {
		case err == nil:
			c.list, c.tokens = append(c.list, cred), append(c.tokens, token)
		case errors.Is(err, engine.ErrUnknownKey):
			c.unknownKey = true
		default:
			c.malformed = true
		}
	}
	return c
}

// ownFingerprint returns the request's fingerprint that a credential belongs to.
func ownFingerprint(c engine.RefreshCredential, set *cookieSet) (session.Fingerprint, bool) {
	for _, fp := range set.fingerprint.all() {
		if f := session.Fingerprint(fp); c.BelongsTo(f) {
			return f, true
		}
	}
	return "", false
}
