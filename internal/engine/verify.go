package engine

import (
	"encoding/json"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
)

// Verify checks an access token and its fingerprint (lucia-sveltekit's getUserFromAccessToken). It
// does not access the store.
//
// Errors carry CodeInvalidAccessToken and the reason. With the reasons ErrExpired and ErrRevoked
// the token is valid otherwise, and VerifyEnded returns its session.
func (e *Engine[U]) Verify(token AccessToken, fingerprint Fingerprint) (Session[U], error) {
	v, err := e.Accept(token, fingerprint)
	if err != nil {
		return Session[U]{}, err
	}
	return v.session, nil
}

// Verified is an access token that Accept has accepted. Requests share it, so it is immutable but
// for what the engine keeps with it.
type Verified[U any] = verified[U]

// Session returns a copy of the token's session.
func (v *verified[U]) Session() Session[U] { return v.session }

// SessionID returns the id of the token's session.
func (v *verified[U]) SessionID() ID { return v.session.ID }

// Accept is Verify for a caller that may show the session on a page: the result saves AppendSession
// a look-up in the cache.
func (e *Engine[U]) Accept(token AccessToken, fingerprint Fingerprint) (*Verified[U], error) {
	v, cached, err := e.verified(token)
	if err != nil {
		return nil, err
	}
	if !v.of(fingerprint, cached) {
		return nil, accessErrors.fingerprint
	}
	now := time.Now()
	if now.After(v.session.ExpiresAt.Add(e.config.leeway())) || now.Before(v.session.IssuedAt.Add(-maxLeeway)) {
		if cached {
			e.cache.remove(token)
		}
		return nil, accessErrors.expired
	}
	e.follower.await()
	if e.isBefore(v.iat, v.session.AuthTime) {
		return nil, accessErrors.revoked
	}
	if v.session.EndsBy != (time.Time{}) || v.session.Actor != nil {
		if err := e.checkOver(v, now); err != nil {
			return nil, err
		}
	}
	if err := e.revocations.check(&v.verifiedToken); err != nil {
		return nil, err
	}
	if !cached {
		e.cache.put(v, fingerprint)
	}
	e.confirmSettled(v, now)
	return v, nil
}

// VerifyEnded is Verify for a token that may have expired and whose session may have ended. It
// returns the session that the token names, for signing out and for forms that were open for a
// long time.
func (e *Engine[U]) VerifyEnded(token AccessToken, fingerprint Fingerprint) (Session[U], error) {
	v, cached, err := e.verified(token)
	if err != nil {
		return Session[U]{}, err
	}
	if !v.of(fingerprint, cached) {
		return Session[U]{}, accessErrors.fingerprint
	}
	return v.session, nil
}

// verified returns an access token if its form, signature and claims are valid, and whether it
// came from the cache.
func (e *Engine[U]) verified(token AccessToken) (v *verified[U], cached bool, err error) {
	if len(token) > maxTokenBytes {
		return nil, false, accessErrors.malformed
	}
	if v, ok := e.cache.get(token); ok {
		return v, true, nil
	}
	var claims accessClaims
	if err := e.keys.open(string(token), accessKey, &claims, &accessErrors); err != nil {
		return nil, false, err
	}
	field, token := e.config.formField(token)
	v = &verified[U]{
		hash:  claims.FingerprintHash,
		field: field,
		session: Session[U]{
			AccessToken: token,
			ID:          claims.SessionID,
			Generation:  claims.Generation,
			IssuedAt:    time.Unix(claims.IssuedAt, 0),
			ExpiresAt:   time.Unix(claims.ExpiresAt, 0),
			Terms:       claims.Terms,
			ActiveAt:    unixTime(claims.ActiveAt),
		},
	}
	if v.session.User.UnmarshalJSON(claims.User) != nil || CheckUserID(v.session.User.ID) != nil {
		if !json.Valid(claims.User) {
			return nil, false, accessErrors.malformed
		}
		return nil, false, accessErrors.outdated
	}
	v.iat, v.userID, v.id = claims.IssuedAt, v.session.User.ID, claims.SessionID
	v.version = e.revocations.version(v.userID)
	return v, false, nil
}

// unixTime returns the zero Time for 0.
func unixTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// unixSeconds is the inverse of unixTime.
func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// RefreshCredential is a genuine refresh token: its signature or seal is valid. [Engine.Refresh]
// checks whether it matches the request's fingerprint and whether it is still accepted.
type RefreshCredential struct {
	UserID    string
	SessionID ID

	hash       fingerprintHash
	generation Generation
	issuedAt   Instant
	expiresAt  Instant
	terms      Terms
	handedAt   Instant // 0 unless it came sealed
	sealed     SealedToken
	sealer     sealer // the sealer that opened it; none unless it came sealed
	device     dbsc.Key
	proved     bool // the request proves that its browser has the key device
}

// Bound reports whether the token is accepted only with a proof of the device's key.
func (c RefreshCredential) Bound() bool { return c.generation.Bound() }

func (c *refreshClaims) credential() RefreshCredential {
	return RefreshCredential{
		UserID:     c.UserID,
		SessionID:  c.SessionID,
		hash:       c.FingerprintHash,
		generation: c.Generation,
		issuedAt:   Instant(c.IssuedAt * 1000),
		expiresAt:  Instant(c.ExpiresAt * 1000),
		terms:      c.Terms,
		device:     c.Device,
	}
}

// ParseRefreshToken verifies a refresh token that is presented as a bearer token. Errors carry
// CodeInvalidRefreshToken and the reason. It does not check the expiry, because a session ends by
// the store's record and not by the app's clock.
func (e *Engine[U]) ParseRefreshToken(token RefreshToken) (RefreshCredential, error) {
	var claims refreshClaims
	if err := e.keys.open(string(token), refreshKey, &claims, &refreshErrors); err != nil {
		return RefreshCredential{}, err
	}
	return claims.credential(), nil
}

// OpenSealed verifies a refresh token in the form of the cookie. Errors are those of
// ParseRefreshToken.
func (e *Engine[U]) OpenSealed(sealed SealedToken) (RefreshCredential, error) {
	o, err := e.keys.unseal(e.config.RefreshCookie, sealed)
	if err != nil {
		return RefreshCredential{}, err
	}
	c := o.claims.credential()
	c.handedAt, c.sealer, c.sealed = o.handed, o.sealer, sealed
	return c, nil
}

// token returns the refresh token that was sealed, byte for byte. It signs the claims with the key
// set that sealed them. So a previous secret signs only what it has signed before.
func (c RefreshCredential) token() RefreshToken { return c.sealer.keys.signRefresh(c.claims()) }

// Sealed returns the sealed token that the credential was opened from, or "".
func (c RefreshCredential) Sealed() SealedToken { return c.sealed }

// Token returns the refresh token of a sealed one, and "" for a bearer token.
func (c RefreshCredential) Token() RefreshToken {
	if c.sealer.keys == nil {
		return ""
	}
	return c.token()
}

// claims is the inverse of refreshClaims.credential.
func (c RefreshCredential) claims() *refreshClaims {
	return &refreshClaims{UserID: c.UserID, commonClaims: commonClaims{
		c.hash, c.SessionID, c.generation, int64(c.issuedAt) / 1000, int64(c.expiresAt) / 1000, c.terms, 0,
	}, Device: c.device}
}

// SealedSession returns the session that a sealed token names, without verifying the token. It is
// for a token under a key that this process does not have. ok is false if sealed does not have the
// form of a sealed token.
func SealedSession(sealed SealedToken) (id ID, ok bool) {
	_, sid, _, ok := splitToken(string(sealed))
	if !ok {
		return ID{}, false
	}
	id, err := ParseID(sid)
	return id, err == nil
}

// BelongsTo reports whether the credential matches the fingerprint.
func (c RefreshCredential) BelongsTo(fingerprint Fingerprint) bool {
	return c.hash.of(fingerprint)
}

// sameToken reports whether two credentials are of one refresh token. The terms of one generation
// never differ.
func (c *RefreshCredential) sameToken(o *RefreshCredential) bool {
	return c.UserID == o.UserID && c.SessionID == o.SessionID && c.hash == o.hash &&
		c.generation == o.generation && c.issuedAt == o.issuedAt && c.expiresAt == o.expiresAt
}
