package middleware

import (
	"errors"
	"net/http"
	"slices"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// decision is the result of judging a request: its session, and what happens to the cookies.
// Judging a request and acting on the decision are separate steps.
type decision[U any] struct {
	outcome   Outcome
	signedIn  bool
	session   session.Session[U]
	refreshed *engine.Refreshed[U] // the cookies to set, or nil
	dead      bool                 // the tokens in the cookies can never become valid again
	public    bool                 // the response is public, so nothing is refreshed
	again     bool                 // the browser must repeat the request by itself
	asked     bool                 // the store has been asked, besides a refresh

	// For page data, so that it need not read cookies and tokens again: the access token that was
	// accepted, or nil, and the refresh cookie if the request has exactly one, or "".
	accepted      *engine.Verified[U]
	refreshCookie string
}

func (d *decision[U]) accept(s *session.Session[U], o Outcome) {
	d.session, d.signedIn, d.outcome = *s, true, o
}

func (d *decision[U]) acceptToken(v *engine.Verified[U]) {
	d.session, d.signedIn, d.outcome, d.accepted = v.Session(), true, OutcomeFresh, v
}

// decide judges a request. The checks are in the order of the table in docs/protocol.md. It
// accesses the store at most once. d is a new decision.
func (a *Auth[U]) decide(d *decision[U], r *http.Request) {
	a.decideFirst(d, r)
	a.askIfLost(d, r)
}

// decideFirst is decide while the feed is read.
func (a *Auth[U]) decideFirst(d *decision[U], r *http.Request) {
	token, presented := bearer(r)
	if a.crossOrigin(r) || presented && a.foreign(r) {
		d.outcome = OutcomeCrossOrigin
		return
	}
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	if set.refresh.n == 1 && !set.refresh.more {
		d.refreshCookie = set.refresh.list[0]
	}
	if presented {
		a.decideBearer(d, session.AccessToken(token), &set)
		return
	}
	if !set.present() {
		return
	}
	if set.crowded() {
		d.outcome = OutcomeAmbiguous
		return
	}
	seen := a.decideAccess(d, &set)
	switch {
	case d.signedIn:
		a.noteActivity(d, r, &set)
	case d.outcome == OutcomeAmbiguous:
	case set.refresh.n == 0:
		d.withoutSession(seen)
	case d.public || isPassive(r) || isPrefetch(r):
		d.outcome = OutcomeDeferred
	default:
		a.decideRefresh(d, r, &set, seen)
	}
}

// decideBearer judges a request only by its bearer token. If the token is not valid, it does not
// use the cookies instead.
func (a *Auth[U]) decideBearer(d *decision[U], token session.AccessToken, set *cookieSet) {
	d.outcome = OutcomeInvalid
	for _, fp := range set.fingerprint.all() {
		v, err := a.engine.Accept(token, engine.Fingerprint(fp))
		switch {
		case err == nil:
			d.acceptToken(v)
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

// decideAccess judges the access cookies. A valid access cookie decides, whatever other cookies
// there are. If there is none, decideAccess returns what it has seen, and the refresh cookies
// decide.
func (a *Auth[U]) decideAccess(d *decision[U], set *cookieSet) (seen cookiesSeen) {
	for _, token := range set.access.all() {
		a.tryAccess(d, session.AccessToken(token), set, &seen)
		if d.outcome == OutcomeAmbiguous {
			return seen
		}
	}
	if d.signedIn {
		a.checkPlanted(d, set)
	}
	return seen
}

// cookiesSeen describes cookies of a request that prove no session.
type cookiesSeen struct {
	unknownKey bool // a token under a key that this process does not have
	malformed  bool // a value that is no token of this library, or has a bad signature
	genuine    bool // a refresh token that matches no fingerprint cookie of the request
}

// withoutSession decides about a request whose cookies prove no session.
func (d *decision[U]) withoutSession(seen cookiesSeen) {
	switch {
	case seen.unknownKey:
		d.outcome = OutcomeUnknownKey
	case seen.genuine:
		d.outcome = OutcomeInvalid // an open page may still have the tokens of this fingerprint
	case seen.malformed:
		d.outcome, d.dead = OutcomeInvalid, true
	default:
		d.outcome = OutcomeExpired
	}
}

// tryAccess judges one access cookie with every fingerprint.
func (a *Auth[U]) tryAccess(d *decision[U], token session.AccessToken, set *cookieSet, seen *cookiesSeen) {
	for _, fp := range set.fingerprint.all() {
		v, err := a.engine.Accept(token, engine.Fingerprint(fp))
		switch {
		case err == nil && d.signedIn && d.session.ID != v.SessionID():
			*d = decision[U]{outcome: OutcomeAmbiguous}
			return
		case err == nil:
			d.acceptToken(v)
			return
		case errors.Is(err, engine.ErrUnknownKey):
			seen.unknownKey = true
			return
		case errors.Is(err, engine.ErrMalformed):
			seen.malformed = true
			return
		}
	}
}

// checkPlanted withdraws the session of a request that also carries a valid refresh token of
// another session, because an attacker may have planted one of the two. With one fingerprint
// there cannot be two sessions.
func (a *Auth[U]) checkPlanted(d *decision[U], set *cookieSet) {
	if set.fingerprint.n < 2 {
		return
	}
	creds := a.credentials(set)
	for _, c := range creds.list {
		if _, ok := ownFingerprint(c, set); ok && c.SessionID != d.session.ID {
			*d = decision[U]{outcome: OutcomeAmbiguous}
			return
		}
	}
}

// decideRefresh judges the refresh cookies. Those that are genuine and match a fingerprint cookie
// decide, whatever other cookies there are.
func (a *Auth[U]) decideRefresh(d *decision[U], r *http.Request, set *cookieSet, seen cookiesSeen) {
	creds := a.credentials(set)
	var fp engine.Fingerprint
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
	case len(own) == 0:
		seen.genuine = len(creds.list) > 0
		seen.unknownKey = seen.unknownKey || len(creds.unknown) > 0
		seen.malformed = seen.malformed || creds.malformed
		d.withoutSession(seen)
	case slices.Contains(creds.unknown, own[0].SessionID):
		// The token under the unknown key may be newer than the other one, whose use would then
		// count as reuse.
		d.outcome = OutcomeUnknownKey
	case slices.ContainsFunc(own, engine.RefreshCredential.Bound):
		a.decideBound(d, r, own[0])
	case isUpgrade(r):
		a.peek(d, r, fp, own)
	default:
		a.refresh(d, r, fp, own)
	}
}

// refresh refreshes the session in the store.
func (a *Auth[U]) refresh(d *decision[U], r *http.Request, fp engine.Fingerprint, own []engine.RefreshCredential) {
	refreshed, err := a.refreshSession(r, fp, own)
	d.outcome = outcomeOfRefresh(refreshed.Outcome, err)
	switch d.outcome {
	case OutcomeReused, OutcomeExpired:
		d.dead = true
	case OutcomeUnavailable, OutcomeInvalid:
	default:
		d.accept(&refreshed.Session, d.outcome)
		d.refreshed = &refreshed
	}
}

// outcomeOfRefresh returns the outcome of a refresh that returned o and err.
func outcomeOfRefresh(o session.Outcome, err error) Outcome {
	switch {
	case err == nil:
		return outcomeOf(o)
	case errors.Is(err, session.CodeDatabaseFetchFailed):
		return OutcomeUnavailable
	case errors.Is(err, engine.ErrReused):
		return OutcomeReused
	case errors.Is(err, session.CodeUnauthorized):
		return OutcomeExpired
	}
	return OutcomeInvalid
}

// peek checks the session in the store for a request whose response may not deliver cookies. Most
// WebSocket libraries write the response to an upgrade themselves, without the header's content.
// A refresh would be lost each time that the socket reconnects.
func (a *Auth[U]) peek(d *decision[U], r *http.Request, fp engine.Fingerprint, own []engine.RefreshCredential) {
	s, err := a.engine.Peek(r.Context(), fp, own...)
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
	list      []engine.RefreshCredential
	unknown   []session.ID // the sessions named by tokens under unknown keys
	malformed bool
}

func (a *Auth[U]) credentials(set *cookieSet) (c credentials) {
	for _, sealed := range set.refresh.all() {
		cred, err := a.engine.OpenSealed(engine.SealedToken(sealed))
		switch {
		case err == nil:
			c.list = append(c.list, cred)
		case errors.Is(err, engine.ErrUnknownKey):
			id, _ := engine.SealedSession(engine.SealedToken(sealed))
			c.unknown = append(c.unknown, id)
		default:
			c.malformed = true
		}
	}
	return c
}

// ownFingerprint returns the request's fingerprint that a credential matches.
func ownFingerprint(c engine.RefreshCredential, set *cookieSet) (engine.Fingerprint, bool) {
	for _, fp := range set.fingerprint.all() {
		if f := engine.Fingerprint(fp); c.BelongsTo(f) {
			return f, true
		}
	}
	return "", false
}
