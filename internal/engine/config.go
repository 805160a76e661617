package engine

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

// Config configures a [Manager]. The fields that middleware.Config has, too, are
// documented there. The zero value of a field means its default.
type Config[U any] struct {
	Secret          []byte
	PreviousSecrets [][]byte
	Store           Store
	LoadUser        func(ctx context.Context, userID string) (U, error)

	AccessTTL         time.Duration
	RefreshTTL        time.Duration
	Lifetime          time.Duration
	Grace             time.Duration
	Settle            time.Duration
	Timeout           time.Duration
	MaxSessions       int
	RevokeSessionOnly bool
	Logger            *slog.Logger
	OnEvent           func(Event)

	// MaxBytes bounds access token, sealed refresh token and fingerprint
	// together; 0 means no bound but that of a single token (8 KiB). A sign-in or
	// refresh beyond it fails before anything changes.
	MaxBytes int
	// RefreshCookie is the name of the cookie that a sealed token is for. The
	// seal is bound to it. Default "encrypt_refresh_token".
	RefreshCookie string
	// Cache bounds the memory of verified access tokens, in bytes. Default 32
	// MiB; negative means none.
	Cache int
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
