package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Defaults of [Config].
const (
	DefaultAccessTTL   = 15 * time.Minute
	DefaultRefreshTTL  = 365 * 24 * time.Hour
	DefaultLifetime    = 400 * 24 * time.Hour
	DefaultGrace       = 30 * time.Second
	DefaultSettle      = 90 * time.Second
	DefaultTimeout     = 3 * time.Second
	DefaultMaxSessions = 100
)

// Config configures a [Manager]. Secret, Store and LoadUser are required; the
// zero value of every other field means its default.
type Config[U any] struct {
	// Secret is what all keys are derived from: at least 32 random bytes, the
	// same in every process of the app, kept out of the repository.
	// One app and environment each: with one secret the sessions of one would be
	// good in the other.
	Secret []byte
	// PreviousSecrets verify and are never used to sign. To change the secret,
	// give the new one to every process here first, then make it Secret with the
	// old one here, and drop the old one after RefreshTTL.
	//
	// This is for planned changes. What is listed here still proves who somebody
	// is, so a secret that has leaked is replaced and not listed: everybody signs
	// in again.
	PreviousSecrets [][]byte
	// Store keeps the state of refresh tokens.
	Store Store
	// LoadUser returns what the access token and the pages shall know of the
	// user. It runs at sign-in, at every refresh, before the refresh token rotates,
	// and at Reload, never on any other request. ErrUserNotFound ends all sessions
	// of the user, at a sign-in only that; any other error, sql.ErrNoRows among them,
	// ends none and is answered with DATABASE_FETCH_FAILED. The context carries none of the request's values:
	// one call serves all requests that wait for the same refresh.
	LoadUser func(ctx context.Context, userID string) (U, error)

	// AccessTTL is the life of an access token. Default 15 minutes; whole
	// seconds, at least 1. A token is accepted for another tenth of AccessTTL after
	// its expiry, but no more than 30 s, since the clocks of an app's hosts may differ.
	// Clocks that differ by more cost refreshes, and no session.
	AccessTTL time.Duration
	// RefreshTTL is how long a session lives without being used. Default 365
	// days. It counts from the last rotation, which a session in use makes about
	// every AccessTTL but never sooner than Settle + 2 Grace after the one before:
	// below 2 AccessTTL + Settle + 2 Grace it would end sessions in use, and New
	// refuses it, unless Lifetime ends them by then anyway. (A program that uses each
	// access token to the end of its leeway needs twice that leeway more.)
	RefreshTTL time.Duration
	// Lifetime is how long a session lives at most. Default 400 days, beyond
	// which browsers keep no cookie (RFC 6265bis, section 5.5).
	Lifetime time.Duration
	// Grace is how long a predecessor is still answered after the current
	// refresh token was confirmed: the longest that a request may be under way.
	// Default 30 s.
	Grace time.Duration
	// Settle is the age at which a token in use proves that the browser has it
	// on disk: an answer's delay, the up to 30 s that browsers take to write
	// cookies, and a request's delay. Default 90 s. Negative
	// means none, which is for tests only: it signs out people whose browser
	// crashes at the wrong moment.
	Settle time.Duration
	// Timeout bounds one sign-in, refresh or sign-out, LoadUser and Store
	// together, whether or not they heed their context. Default 3 s.
	Timeout time.Duration
	// MaxSessions is the greatest number of sessions of one user; the one whose
	// refresh token is oldest goes first. Default 100.
	MaxSessions int
	// MaxBytes bounds access token, sealed refresh token and fingerprint
	// together; 0 means no bound but that of a single token (8 KiB). A sign-in or
	// refresh beyond it fails before anything changes.
	MaxBytes int
	// RevokeSessionOnly makes a reused refresh token end its own session only,
	// not all sessions of its user.
	RevokeSessionOnly bool
	// RefreshCookie is the name of the cookie that a sealed token is for. The
	// seal is bound to it. Default "encrypt_refresh_token".
	RefreshCookie string
	// Cache bounds the memory of verified access tokens, in bytes. Default 32
	// MiB; negative means none.
	Cache int
	// Logger is told what an operator must see, and nothing of ordinary traffic.
	// Default slog.Default().
	Logger *slog.Logger
	// OnEvent, if set, is called with the same. It must not block: the request
	// that found the event waits for it. It may be called concurrently; a panic of
	// it is logged and costs nothing else.
	OnEvent func(Event)
}

func (c Config[U]) withDefaults() Config[U] {
	setDefault(&c.AccessTTL, DefaultAccessTTL)
	setDefault(&c.RefreshTTL, DefaultRefreshTTL)
	setDefault(&c.Lifetime, DefaultLifetime)
	setDefault(&c.Grace, DefaultGrace)
	setDefault(&c.Settle, DefaultSettle)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.MaxSessions, DefaultMaxSessions)
	setDefault(&c.RefreshCookie, "encrypt_refresh_token")
	setDefault(&c.Cache, defaultCacheBytes)
	setDefault(&c.Logger, slog.Default())
	c.Settle = max(c.Settle, 0)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate checks a Config with defaults.
func (c Config[U]) validate() error {
	if len(c.Secret) < MinSecretBytes {
		return fmt.Errorf("session: Secret has %d bytes, want at least %d random ones", len(c.Secret), MinSecretBytes)
	}
	for i, s := range c.PreviousSecrets {
		if len(s) < MinSecretBytes {
			return fmt.Errorf("session: PreviousSecrets[%d] has %d bytes, want at least %d", i, len(s), MinSecretBytes)
		}
	}
	switch {
	case c.Store == nil:
		return errors.New("session: Store is nil; memstore.New() keeps sessions in memory")
	case c.LoadUser == nil:
		return errors.New("session: LoadUser is nil")
	case c.AccessTTL < time.Second || c.AccessTTL%time.Second != 0:
		return fmt.Errorf("session: AccessTTL is %v, want whole seconds, at least one", c.AccessTTL)
	case c.RefreshTTL < c.AccessTTL:
		return fmt.Errorf("session: RefreshTTL %v is shorter than AccessTTL %v", c.RefreshTTL, c.AccessTTL)
	case c.Lifetime < c.RefreshTTL:
		return fmt.Errorf("session: Lifetime %v is shorter than RefreshTTL %v", c.Lifetime, c.RefreshTTL)
	case c.RefreshTTL < c.shortestIdle() && c.RefreshTTL < c.Lifetime:
		return fmt.Errorf("session: RefreshTTL %v would end sessions in use, want at least %v (twice AccessTTL, Settle and twice Grace)", c.RefreshTTL, c.shortestIdle())
	case c.Lifetime > DefaultLifetime:
		return fmt.Errorf("session: Lifetime is %v, browsers keep cookies for 400 days at most", c.Lifetime)
	case c.Grace < 0:
		return fmt.Errorf("session: Grace is negative: %v", c.Grace)
	case c.Timeout < 0:
		return fmt.Errorf("session: Timeout is negative: %v", c.Timeout)
	case c.MaxSessions < 0:
		return fmt.Errorf("session: MaxSessions is negative: %d", c.MaxSessions)
	case c.MaxBytes < 0:
		return fmt.Errorf("session: MaxBytes is negative: %d", c.MaxBytes)
	}
	return checkUserType[U]()
}

// shortestIdle is the longest that a session in use goes without a rotation.
func (c Config[U]) shortestIdle() time.Duration { return 2*c.AccessTTL + c.Settle + 2*c.Grace }

func (c Config[U]) policy() Policy {
	return Policy{Grace: c.Grace, Settle: c.Settle, Idle: c.RefreshTTL, Lifetime: c.Lifetime}
}
