package engine

import (
	"encoding/json"
	"strings"
	"time"
)

// verified returns what an access token says if its form, signature and claims
// hold, and whether the cache said so.
func (m *Manager[U]) verified(token AccessToken) (v *verified[U], cached bool, err error) {
	if len(token) > maxTokenBytes {
		return nil, false, accessErrors.malformed
	}
	if v, ok := m.cache.get(token); ok {
		return v, true, nil
	}
	var claims accessClaims
	if err := m.keys.open(string(token), accessKey, &claims, &accessErrors); err != nil {
		return nil, false, err
	}
	v = &verified[U]{
		iat:  claims.IssuedAt,
		hash: claims.FingerprintHash,
		session: Session[U]{
			AccessToken: AccessToken(strings.Clone(string(token))), // not the whole Cookie header
			ID:          claims.SessionID,
			Generation:  claims.Generation,
			IssuedAt:    time.Unix(claims.IssuedAt, 0),
			ExpiresAt:   time.Unix(claims.ExpiresAt, 0),
		},
	}
	if v.session.User.UnmarshalJSON(claims.User) != nil || CheckUserID(v.session.User.ID) != nil {
		if !json.Valid(claims.User) {
			return nil, false, accessErrors.malformed
		}
		return nil, false, accessErrors.outdated
	}
	return v, false, nil
}

// RefreshCredential is a genuine refresh token: its signature held. Whether it
// is of the request's fingerprint, and what it is still good for, is judged by
// [Manager.Refresh].
type RefreshCredential struct {
	UserID    string
	SessionID ID

	hash       fingerprintHash
	generation Generation
	issuedAt   Instant
	expiresAt  Instant
	handedAt   Instant // 0 unless it came sealed
	sealer     sealer  // that opened it; none unless it came sealed
}

// ParseRefreshToken verifies a refresh token as a bearer presents it. Errors
// carry CodeInvalidRefreshToken and the reason. The token's expiry is not
// judged: the store's record, not the app's clock, says when a session ends.
func (m *Manager[U]) ParseRefreshToken(token RefreshToken) (RefreshCredential, error) {
	var claims refreshClaims
	if err := m.keys.open(string(token), refreshKey, &claims, &refreshErrors); err != nil {
		return RefreshCredential{}, err
	}
	return RefreshCredential{
		UserID:     claims.UserID,
		SessionID:  claims.SessionID,
		hash:       claims.FingerprintHash,
		generation: claims.Generation,
		issuedAt:   Instant(claims.IssuedAt * 1000),
		expiresAt:  Instant(claims.ExpiresAt * 1000),
	}, nil
}

// OpenSealed verifies a refresh token as the cookie carries it. Errors are those
// of ParseRefreshToken.
func (m *Manager[U]) OpenSealed(sealed SealedToken) (RefreshCredential, RefreshToken, error) {
	o, err := m.keys.unseal(m.config.RefreshCookie, sealed)
	if err != nil {
		return RefreshCredential{}, "", err
	}
	c, err := m.ParseRefreshToken(o.token)
	if err != nil {
		return RefreshCredential{}, "", err
	}
	c.handedAt, c.sealer = o.handed, o.sealer
	return c, o.token, nil
}

// BelongsTo reports whether the credential is of the fingerprint.
func (c RefreshCredential) BelongsTo(fingerprint Fingerprint) bool {
	return c.hash.of(fingerprint)
}
