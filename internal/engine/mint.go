package engine

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/session"
)

// subject is what all tokens of one session have in common.
type subject struct {
	userID string
	id     ID
	hash   fingerprintHash
	terms  Terms
	// device is the key that the session is bound to, or zero. Only bound refresh tokens carry it.
	device dbsc.Key
}

// loadedUser is a user with the JSON form that goes into access tokens.
type loadedUser[U any] struct {
	user User[U]
	json json.RawMessage
}

// loadUser returns the user's data from LoadUser. It checks that tokens can carry the data before
// anything is written.
func (e *Engine[U]) loadUser(ctx context.Context, t *subject) (loadedUser[U], error) {
	data, err := e.config.LoadUser(session.WithTerms(ctx, t.terms), t.userID)
	if err != nil {
		return loadedUser[U]{}, loadError{err}
	}
	return e.encodeUser(User[U]{ID: t.userID, Data: data}, &t.terms)
}

// encodeUser returns the user in the form that tokens carry. It decodes the data from its JSON, so
// that the request that issues a token sees the same data as the requests that follow. Otherwise
// the parts that JSON loses would be missing from the second page on.
func (e *Engine[U]) encodeUser(user User[U], terms *Terms) (loaded loadedUser[U], err error) {
	// Compact and escaped already; json.Marshal would repeat both.
	if loaded.json, err = user.MarshalJSON(); err != nil {
		return loadedUser[U]{}, err
	}
	if err := e.checkSize(user.ID, loaded.json, terms); err != nil {
		return loadedUser[U]{}, err
	}
	if err := loaded.user.UnmarshalJSON(loaded.json); err != nil {
		return loadedUser[U]{}, fmt.Errorf("lucia: user data does not decode from its own JSON: %w", err)
	}
	return loaded, nil
}

// CheckUser returns an error if tokens cannot carry the user's data: CodeInvalidUserID,
// ErrUserTooLarge, or that data does not marshal to a JSON object and decode from it. An app that
// lets people edit what LoadUser returns calls it before it saves the data. Otherwise those users
// could neither sign in nor refresh.
func (e *Engine[U]) CheckUser(userID string, data U) error {
	if err := CheckUserID(userID); err != nil {
		return err
	}
	_, err := e.encodeUser(User[U]{ID: userID, Data: data}, &Terms{AuthTime: time.Now()})
	return err
}

// Room for the numbers in the claims, at their greatest length.
const (
	hashLen        = 43     // of a SHA-256 in base64url
	idLen          = 22     // of an ID
	numberRoom     = 3 * 11 // gen, iat, exp
	accessFrame    = len(`{"ver":2,"user":,"fingerprint_hash":"","role":"access_token","sid":"","gen":,"iat":,"exp":}`) + hashLen + idLen + numberRoom
	activeRoom     = len(activeHead) + 11
	tokenSeparator = 2
)

// checkSize returns an error if the user data and the terms make tokens too large to parse or to
// carry in cookies.
func (e *Engine[U]) checkSize(userID string, user json.RawMessage, terms *Terms) error {
	jwtLen := func(payload int) int {
		return len(e.keys.current.header) + tokenSeparator + base64.RawURLEncoding.EncodedLen(payload) + signatureLen
	}
	frame := accessFrame
	if e.policy.ByActivity {
		frame += activeRoom
	}
	var room [64]byte // for the terms of ordinary sessions
	access, sealed := jwtLen(frame+len(user)+len(appendTerms(room[:0], terms))), sealedLen(contentsLen(userID, terms)+e.deviceRoom())
	total := access + sealed + fingerprintLen
	if access > maxTokenBytes {
		return fmt.Errorf("%w: an access token of up to %d bytes (user data %d), more than %d", ErrUserTooLarge, access, len(user), maxTokenBytes)
	}
	if e.config.MaxBytes > 0 && total > e.config.MaxBytes {
		return fmt.Errorf("%w: tokens of up to %d bytes (user data %d), more than %d", ErrUserTooLarge, total, len(user), e.config.MaxBytes)
	}
	if largest := max(access, sealed) + len(browserPrefix) + len(e.config.RefreshCookie); e.config.MaxBytes > 0 && largest > maxCookieBytes {
		return fmt.Errorf("%w: a cookie of up to %d bytes, but browsers drop cookies of more than %d", ErrUserTooLarge, largest, maxCookieBytes)
	}
	return nil
}

// deviceRoom returns the size that binding a session adds to its sealed token. The room is reserved
// from the sign-in on, so that no binding fails.
func (e *Engine[U]) deviceRoom() int {
	if e.config.DeviceBound {
		return len(dbsc.Key{})
	}
	return 0
}

// browserPrefix is the longest browser prefix of a cookie's name.
const browserPrefix = "__Secure-"

// maxCookieBytes is the limit of browsers for a cookie's name and value together (RFC 6265bis,
// section 5.6).
const maxCookieBytes = 4096

// mint returns the session of a record with both tokens: a new access token, and the refresh token
// of the record's generation, which is always the same byte for byte. now is the store's clock at
// the step that made or found the record. p was presented in that step, and m is what this process
// knew before it. claims are those of the record's refresh token.
func (e *Engine[U]) mint(user loadedUser[U], t *subject, record Record, claims *refreshClaims, p Presentation, now Instant, m mark) Session[U] {
	// An access token does not outlive its session.
	life := max(time.Second, min(e.config.AccessTTL, record.ExpiresAt.Sub(now)))
	iat := e.revocations.issue(t, m)
	exp := max(time.Now().Unix()+int64(life/time.Second), iat+1)
	if !t.terms.EndsBy.IsZero() {
		exp = max(min(exp, t.terms.EndsBy.Unix()), iat+1)
	}
	s := e.mintAccess(user, t, record.Generation, iat, exp, e.activeAt(record, p, now, iat))
	s.RefreshToken = e.keys.current.signRefresh(claims)
	return s
}

// activeAt returns the last known activity of a person, for an access token issued at iat. It comes
// from the record, or from what was presented if something else bounds the record's expiry. It is 0
// without IdleTimeout.
func (e *Engine[U]) activeAt(record Record, p Presentation, now Instant, iat int64) int64 {
	if !e.policy.ByActivity {
		return 0
	}
	ago := max(0, e.policy.Idle-record.ExpiresAt.Sub(now))
	if p.Active {
		ago = min(ago, max(0, p.ActiveAgo))
	}
	return max(1, min(iat, time.Now().Unix()-int64((ago+time.Second-1)/time.Second)))
}

// IsQuiet reports whether the store must be told if a person is active in the session now. That is
// so with IdleTimeout, if the access token records no activity within AccessTTL.
func (e *Engine[U]) IsQuiet(s *Session[U]) bool {
	return e.policy.ByActivity && time.Since(s.ActiveAt) >= e.config.AccessTTL
}

func (e *Engine[U]) mintAccess(user loadedUser[U], t *subject, gen Generation, iat, exp, active int64) Session[U] {
	k := e.keys.current
	claims := accessClaims{User: user.json, commonClaims: commonClaims{t.hash, t.id, gen, iat, exp, t.terms, active}}
	token := sign(k, k.access, claims.append(make([]byte, 0, payloadRoom)))
	return Session[U]{
		User:        user.user,
		AccessToken: AccessToken(token),
		ID:          t.id,
		Generation:  gen,
		IssuedAt:    time.Unix(iat, 0),
		ExpiresAt:   time.Unix(exp, 0),
		Terms:       t.terms,
		ActiveAt:    unixTime(active),
	}
}

// refreshClaimsOf returns the claims of a record's refresh token.
func refreshClaimsOf(t *subject, record Record) *refreshClaims {
	issued, expires := int64(record.IssuedAt)/1000, int64(record.ExpiresAt)/1000
	return &refreshClaims{UserID: t.userID, commonClaims: commonClaims{t.hash, t.id, record.Generation, issued, expires, t.terms, 0}, Device: t.deviceOf(record.Generation)}
}

// deviceOf returns the key that a token of the generation carries.
func (t *subject) deviceOf(g Generation) dbsc.Key {
	if g.Bound() {
		return t.device
	}
	return dbsc.Key{}
}

// signRefresh returns the refresh token of the claims. It is the same for the same claims and key
// set.
func (k *keySet) signRefresh(c *refreshClaims) RefreshToken {
	return RefreshToken(sign(k, k.refresh, c.append(make([]byte, 0, payloadRoom))))
}
