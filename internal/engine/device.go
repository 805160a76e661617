package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
)

// This file binds sessions to a key of the browser's device. docs/device-bound.md describes the
// protocol. What the server must recognize later, it gives to the browser under a MAC or a seal.
// The only state that it keeps is how many keys were registered for a session (maxKeys).
//
//   1. Offer gives a session that has just begun a challenge. Register answers the browser's key
//      with a certificate, which the browser keeps with the key. No cookie changes yet, so an
//      answer that is lost, in whole or in part, leaves a session without a device.
//   2. The first proof shows that the browser has kept the key. Its answer contains the bound
//      refresh token. The store is not told yet.
//   3. When no honest unbound token can be left (inForce), a proof presents the bound token to the
//      store, which adopts its generation. From then on every unbound token is reused.

const (
	// registrationWindow is the age of a session up to which it accepts a key. Someone who copies
	// the cookies later can register none.
	registrationWindow = time.Minute
	// challengeLife is how long a challenge may be answered. It covers the delays of two answers
	// and two requests. A proof that someone intercepts is worthless after that time, and without
	// the cookies.
	challengeLife = 2 * time.Minute
	// earlyRefresh is the lifetime of the access cookie after a registration. Chromium refreshes
	// a cookie with less than two minutes left beside the next request, which is the first proof.
	earlyRefresh = 100 * time.Second
	// ahead is how long before a cookie's end Chromium refreshes it, beside the next request.
	ahead = 2 * time.Minute
)

// The layout of a bound generation: the bit of [session.BoundGenerations], a tag of the key, and
// the number. Two keys of one session most likely have different tags. So their first generations
// differ, and the rule finds one of them reused. At one rotation a minute, the numbers last for two
// years.
const (
	tagBits    = 11
	numberBits = 20
)

// firstBound returns the first bound generation of a key.
func (k *keySet) firstBound(key dbsc.Key) Generation {
	tag := binary.BigEndian.Uint32(k.deviceMAC('t', key[:])) >> (32 - tagBits)
	return BoundGenerations | Generation(tag)<<numberBits | 1
}

func isFirstBound(g Generation) bool { return g.Bound() && g&(1<<numberBits-1) == 1 }

// deviceMAC returns a MAC for one purpose. The parts have fixed lengths.
func (k *keySet) deviceMAC(purpose byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, k.device)
	mac.Write([]byte{purpose})
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// checksDevice reports whether a MAC is that of one of the key sets.
func (r keyring) checksDevice(mac []byte, purpose byte, parts ...[]byte) bool {
	return r.find(func(k *keySet) bool { return hmac.Equal(mac, k.deviceMAC(purpose, parts...)) }) != nil
}

// Purposes of challenges.
const (
	forRegistration = 'r'
	forProof        = 'p'
)

// challengeFor returns a challenge for a token of a session. It is
// base64url(time 5 | MAC 32).
func (e *Engine[U]) challengeFor(purpose byte, id ID, gen Generation, now time.Time) string {
	at := appendUint(nil, secondsLen, uint64(now.Unix()))
	return strictBase64.EncodeToString(append(at, e.keys.current.deviceMAC(purpose, id[:], genBytes(gen), at)...))
}

// checksChallenge reports whether a challenge was made for the token and is not too old.
func (e *Engine[U]) checksChallenge(challenge string, purpose byte, id ID, gen Generation, life time.Duration) bool {
	data, err := strictBase64.DecodeString(challenge)
	if err != nil || len(data) != secondsLen+sha256.Size {
		return false
	}
	at, mac := data[:secondsLen], data[secondsLen:]
	s := scanner{at, true}
	age := time.Since(time.Unix(int64(s.uint(secondsLen)), 0))
	return -maxLeeway <= age && age <= life && e.keys.checksDevice(mac, purpose, id[:], genBytes(gen), at)
}

func genBytes(g Generation) []byte { return binary.BigEndian.AppendUint32(nil, uint32(g)) }

// certificate returns the proof that a key was registered for a session: base64url(key, MAC).
func (k *keySet) certificate(id ID, key dbsc.Key) string {
	return strictBase64.EncodeToString(append(key[:], k.deviceMAC('c', id[:], key[:])...))
}

// certified returns the key of a certificate.
func (r keyring) certified(id ID, certificate string) (key dbsc.Key, ok bool) {
	data, err := strictBase64.DecodeString(certificate)
	if err != nil || len(data) != len(key)+sha256.Size {
		return dbsc.Key{}, false
	}
	copy(key[:], data)
	return key, r.checksDevice(data[len(key):], 'c', id[:], key[:])
}

// Offer returns a challenge for the browser of a session to register a key with. It returns ""
// unless the session has just begun.
func (e *Engine[U]) Offer(s *Session[U]) string {
	now := time.Now()
	if s.Generation != FirstGeneration || now.Sub(s.IssuedAt) > registrationWindow {
		return ""
	}
	return e.challengeFor(forRegistration, s.ID, s.Generation, now)
}

// Errors of binding. They carry CodeUnauthorized.
var (
	// ErrUnproved: a bound refresh token was presented without a proof of its key.
	ErrUnproved = errors.New("bound refresh token without a proof of its key")
	// ErrProof: the proof is malformed or of another key, or no key may be registered.
	ErrProof = errors.New("proof of the device's key is not valid")

	errUnproved = fmt.Errorf("%w: %w", CodeUnauthorized, ErrUnproved)
)

// refuseProof reports a proof that was refused, and returns the error.
func (e *Engine[U]) refuseProof(c RefreshCredential, why string) error {
	err := fmt.Errorf("%w: %w: %s", CodeUnauthorized, ErrProof, why)
	e.reporter.report(Event{Kind: EventBindingRefused, UserID: c.UserID, SessionID: c.SessionID, Presented: c.generation, Err: err})
	return err
}

// ReportUnproved reports that a bound refresh token was presented without a proof.
func (e *Engine[U]) ReportUnproved(c RefreshCredential) {
	e.reporter.report(Event{Kind: EventUnbound, UserID: c.UserID, SessionID: c.SessionID, Presented: c.generation, Err: ErrUnproved})
}

// Registered is the result of [Engine.Register].
type Registered struct {
	// Certificate is what the browser sends with each proof.
	Certificate string
	// Challenge is for the first proof.
	Challenge string
	// CookieLife is how long the browser is to keep the access cookie, so that it sends the first
	// proof soon.
	CookieLife time.Duration
}

// Register accepts the key of a proof for the session s, whose refresh cookie c has been found to
// match the request's fingerprint. It changes nothing. Errors carry CodeUnauthorized with ErrProof.
func (e *Engine[U]) Register(s *Session[U], c RefreshCredential, proof string) (Registered, error) {
	now := time.Now()
	if c.generation != FirstGeneration || s.ID != c.SessionID || s.Generation != FirstGeneration || now.Sub(s.IssuedAt) > registrationWindow {
		return Registered{}, e.refuseProof(c, "the session is not new, or bound")
	}
	p, err := dbsc.ParseProof(proof)
	switch {
	case err != nil:
		return Registered{}, e.refuseProof(c, err.Error())
	case !e.checksChallenge(p.Challenge, forRegistration, c.SessionID, c.generation, registrationWindow):
		return Registered{}, e.refuseProof(c, "the challenge is too old or not by this app")
	case p.Key == dbsc.Key{} || !p.SignedBy(p.Key):
		return Registered{}, e.refuseProof(c, "not signed by the key that it names")
	case !e.countKey(c.SessionID):
		return Registered{}, e.refuseProof(c, "too many keys of one session")
	}
	return Registered{
		Certificate: e.keys.current.certificate(c.SessionID, p.Key),
		Challenge:   e.challengeFor(forProof, c.SessionID, c.generation, now),
		CookieLife:  min(earlyRefresh, s.ExpiresIn(now)),
	}, nil
}

// maxKeys is how many keys one process accepts for a session. An honest browser may register two,
// if two responses ask it to at once. A thief who registered a thousand would find one with the tag
// of the owner's key, and would then be refreshed in step with the owner.
const maxKeys = 4

// countKey counts a key of a session. It reports whether it is one of the first maxKeys.
func (e *Engine[U]) countKey(id ID) (ok bool) {
	e.deviceKeys.update(id, func(n int) int {
		ok = n < maxKeys
		return n + 1
	})
	return ok
}

// ProofParams holds the arguments of [Engine.Prove].
type ProofParams[U any] struct {
	Fingerprint Fingerprint
	// Cookie is the request's refresh token, which has been found to match Fingerprint.
	Cookie RefreshCredential
	// Access is the session of the request's access token if that is valid and of the same
	// session, or nil.
	Access *Session[U]
	// Certificate is that of the registration. It is used until the cookie is bound.
	Certificate string
	// Proof is the signed challenge, or empty.
	Proof string
}

// Prove is [Engine.Refresh] for a browser that proves that it has the device's key. If the browser
// must sign a challenge first, Prove returns that challenge and no error. Errors are those of
// Refresh, and CodeUnauthorized with ErrProof if the proof is not valid.
//
// The MACs are checked before the signature, so that only a client with the session's cookies can
// make the server verify a signature.
func (e *Engine[U]) Prove(ctx context.Context, p ProofParams[U]) (r Refreshed[U], challenge string, err error) {
	c := p.Cookie
	certified, ok := e.keys.certified(c.SessionID, p.Certificate)
	if !c.Bound() {
		if !ok {
			return r, "", e.refuseProof(c, "no certificate of a key")
		}
		c.device = certified
	}
	if p.Proof == "" {
		return r, e.challengeFor(forProof, c.SessionID, c.generation, time.Now()), nil
	}
	proof, err := dbsc.ParseProof(p.Proof)
	switch {
	case err != nil:
		return r, "", e.refuseProof(c, err.Error())
	case !e.checksChallenge(proof.Challenge, forProof, c.SessionID, c.generation, challengeLife):
		// Chromium sends its last proof again until it is given a new challenge.
		return r, e.challengeFor(forProof, c.SessionID, c.generation, time.Now()), nil
	case proof.Key != dbsc.Key{}:
		return r, "", e.refuseProof(c, "names a key")
	}
	replaced := false
	if !proof.SignedBy(c.device) {
		replaced = ok && isFirstBound(c.generation) && proof.SignedBy(certified)
		if !replaced {
			return r, "", e.refuseProof(c, "not signed by the session's key")
		}
		c.device, c.generation = certified, e.keys.current.firstBound(certified)
	}
	c.proved = true
	p.Cookie = c
	if replaced {
		r, err = e.bindAnew(ctx, p)
	} else {
		r, err = e.proved(ctx, p)
	}
	return r, "", err
}

// bindAnew answers a proof of the key that the browser registered last, beside a cookie that is
// bound to an earlier key of the same session. The answer to the last registration must have
// arrived after that cookie. The store does not know the cookie's generation, because keys are
// registered only in the session's first minute, and inForce is later. A thief who has such a
// certificate gains nothing: they copied the unbound cookies in that minute.
func (e *Engine[U]) bindAnew(ctx context.Context, p ProofParams[U]) (r Refreshed[U], err error) {
	c := p.Cookie
	if p.Access.ExpiresIn(time.Now()) > ahead {
		return e.bind(p)
	}
	if r, err = e.extend(ctx, p); err != nil {
		return r, err
	}
	r.RefreshCookie, err = e.keys.seal(e.config.RefreshCookie, c.sealer, c.claims(), e.handBound(c))
	r.ExpiresIn = e.cookieLife(Record{CreatedAt: c.issuedAt, ExpiresAt: c.expiresAt}, InstantOf(time.Now()))
	return r, err
}

// proved answers a valid proof.
func (e *Engine[U]) proved(ctx context.Context, p ProofParams[U]) (Refreshed[U], error) {
	c := p.Cookie
	if p.Access.ExpiresIn(time.Now()) <= ahead {
		p.Access = nil
	}
	switch {
	case !c.Bound() && p.Access != nil && c.generation == FirstGeneration && p.Access.Generation == FirstGeneration:
		return e.bind(p)
	case e.inForce(c, time.Now()):
		return e.Refresh(ctx, p.Fingerprint, c)
	case p.Access != nil:
		return Refreshed[U]{Outcome: Current, Session: *p.Access}, nil
	}
	return e.extend(ctx, p)
}

// inForce reports whether a proved token may be presented to the store. The first bound token waits
// until no honest unbound token is left. By then the bound token has reached the browser (at most
// one Grace). The requests that the browser sent before have been answered, which may have
// overwritten the bound token (two). The requests that it sent before those have arrived (one).
// After Settle the bound token is on the browser's disk, so a browser that has crashed does not
// come back with an unbound one.
func (e *Engine[U]) inForce(c RefreshCredential, now time.Time) bool {
	wait := max(e.policy.Settle, 4*e.policy.Grace)
	return !isFirstBound(c.generation) || InstantOf(now) > c.handedAt.Add(wait)
}

// handBound returns the time at which a bound token that is handed out now counts as handed out. It
// is the current time plus the leeway, because the clocks of the app's hosts and of the store may
// differ, and a later time proves less.
func (e *Engine[U]) handBound(c RefreshCredential) Instant {
	return max(InstantOf(time.Now()), c.handedAt).Add(e.config.leeway())
}

// bind returns the bound tokens of a session that has just begun. It does not access the store,
// since the access token shows that the session is alive.
func (e *Engine[U]) bind(p ProofParams[U]) (Refreshed[U], error) {
	c, s := p.Cookie, p.Access
	v, _, err := e.verified(s.AccessToken)
	if err != nil {
		return Refreshed[U]{}, err
	}
	t := &subject{userID: c.UserID, id: c.SessionID, hash: v.hash, terms: c.terms, device: c.device}
	user, err := e.encodeUser(v.session.User, &t.terms)
	if err != nil {
		return Refreshed[U]{}, fmt.Errorf("%w: %w", CodeDatabaseFetchFailed, opaqueError{err, false})
	}
	record := Record{
		Generation: e.keys.current.firstBound(c.device),
		IssuedAt:   c.issuedAt, CreatedAt: c.issuedAt, ExpiresAt: c.expiresAt,
	}
	claims := refreshClaimsOf(t, record)
	sealed, err := e.keys.seal(e.config.RefreshCookie, c.sealer, claims, e.handBound(c))
	if err != nil {
		return Refreshed[U]{}, err
	}
	session := e.mintAccess(user, t, record.Generation, v.iat, s.ExpiresAt.Unix(), v.activeAt())
	session.RefreshToken = e.keys.current.signRefresh(claims)
	return Refreshed[U]{
		Outcome: Current, Session: session, RefreshCookie: sealed,
		ExpiresIn: e.cookieLife(record, InstantOf(time.Now())),
	}, nil
}

// extend returns a new access token for a session whose first bound token is not in force yet.
// The store is asked whether the session is alive, and changes nothing.
func (e *Engine[U]) extend(ctx context.Context, p ProofParams[U]) (Refreshed[U], error) {
	c := p.Cookie
	t := &subject{userID: c.UserID, id: c.SessionID, hash: c.hash, terms: c.terms, device: c.device}
	m := e.revocations.mark(t)
	s, err := e.Peek(ctx, p.Fingerprint, c)
	if err != nil {
		return Refreshed[U]{}, err
	}
	user, err := e.encodeUser(s.User, &t.terms)
	if err != nil {
		return Refreshed[U]{}, fmt.Errorf("%w: %w", CodeDatabaseFetchFailed, opaqueError{err, false})
	}
	iat := e.revocations.issue(t, m)
	session := e.mintAccess(user, t, c.generation, iat, max(s.ExpiresAt.Unix(), iat+1), e.neverActive())
	session.RefreshToken = c.token()
	return Refreshed[U]{Outcome: Current, Session: session}, nil
}
