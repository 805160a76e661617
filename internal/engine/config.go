package engine

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lucia-go/lucia/session"
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

// Config configures an [Engine]. The documentation of lucia.Config covers the fields that both
// have. The zero value of a field means its default.
type Config[U any] struct {
	Secret          []byte
	PreviousSecrets [][]byte
	Store           Store
	LoadUser        func(ctx context.Context, userID string) (U, error)

	AccessTTL         time.Duration
	RefreshTTL        time.Duration
	Lifetime          time.Duration
	IdleTimeout       time.Duration
	Grace             time.Duration
	Settle            time.Duration
	Timeout           time.Duration
	MaxSessions       int
	AtMaxSessions     AtMaxSessions
	Short             Short
	RevokeSessionOnly bool
	Feed              session.Feed
	FeedLost          FeedLost
	NotBefore         time.Time
	Issuer            string
	ServiceKeys       []ed25519.PrivateKey
	Logger            *slog.Logger
	OnEvent           func(Event)
	CallContext       func(call, request context.Context) context.Context
	DeviceBound       bool

	// MaxBytes bounds the total size of access token, sealed refresh token and fingerprint. 0
	// means that only the size of a single token is bounded (8 KiB). A sign-in or refresh beyond
	// MaxBytes fails before it changes anything.
	MaxBytes int
	// RefreshCookie is the name of the cookie for a sealed token, without a prefix that is
	// reserved for browsers. The seal is bound to this name. Default "encrypt_refresh_token".
	RefreshCookie string
	// FieldStart and FieldEnd are the HTML around an access token in the hidden field of a form. A
	// verified token is kept as a part of its field, so that a page copies neither.
	FieldStart, FieldEnd string
	// Cache bounds the memory for verified access tokens, in bytes. Default 32 MiB; negative
	// means no cache.
	Cache int
}

// FeedLost is what an Auth does while it cannot read the feed.
type FeedLost uint8

const (
	// FeedLostCarryOn: access tokens are accepted until they expire, as without a feed.
	FeedLostCarryOn FeedLost = iota
	// FeedLostAskStore: every request with an access token asks the store. If the store fails, too,
	// the answer is 503.
	FeedLostAskStore
)

// feed returns the feed to read, or nil.
func (c Config[U]) feed() session.Feed {
	switch {
	case c.Feed == nil:
		return session.FeedOf(c.Store)
	case c.Feed == session.NoFeed:
		return nil
	}
	return c.Feed
}

func (c Config[U]) withDefaults() Config[U] {
	setDefault(&c.AccessTTL, DefaultAccessTTL)
	setDefault(&c.Lifetime, DefaultLifetime)
	setDefault(&c.RefreshTTL, min(DefaultRefreshTTL, c.Lifetime))
	setDefault(&c.Grace, DefaultGrace)
	setDefault(&c.Settle, DefaultSettle)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.MaxSessions, DefaultMaxSessions)
	setDefault(&c.RefreshCookie, "encrypt_refresh_token")
	setDefault(&c.Cache, defaultCacheBytes)
	setDefault(&c.Logger, slog.Default())
	c.Settle = max(c.Settle, 0)
	c.Short = c.Short.withDefaults(c.RefreshTTL, c.Lifetime, max(c.shortestIdle(), c.AccessTTL))
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
		return fmt.Errorf("lucia: Secret has %d bytes, want at least %d random ones", len(c.Secret), MinSecretBytes)
	}
	for i, s := range c.PreviousSecrets {
		if len(s) < MinSecretBytes {
			return fmt.Errorf("lucia: PreviousSecrets[%d] has %d bytes, want at least %d", i, len(s), MinSecretBytes)
		}
	}
	switch {
	case c.Store == nil:
		return errors.New("lucia: Store is nil; memstore.New() keeps sessions in memory")
	case c.LoadUser == nil:
		return errors.New("lucia: LoadUser is nil")
	case c.AccessTTL < time.Second || c.AccessTTL%time.Second != 0:
		return fmt.Errorf("lucia: AccessTTL is %v, want whole seconds, at least one", c.AccessTTL)
	case c.Lifetime < c.AccessTTL:
		return fmt.Errorf("lucia: Lifetime %v is shorter than AccessTTL %v", c.Lifetime, c.AccessTTL)
	case c.RefreshTTL < c.AccessTTL:
		return fmt.Errorf("lucia: RefreshTTL %v is shorter than AccessTTL %v", c.RefreshTTL, c.AccessTTL)
	case c.Lifetime < c.RefreshTTL:
		return fmt.Errorf("lucia: Lifetime %v is shorter than RefreshTTL %v", c.Lifetime, c.RefreshTTL)
	case c.RefreshTTL < c.shortestIdle() && c.RefreshTTL < c.Lifetime:
		return fmt.Errorf("lucia: RefreshTTL %v would end sessions in use, want at least %v (twice AccessTTL, Settle and twice Grace)", c.RefreshTTL, c.shortestIdle())
	case c.Lifetime > DefaultLifetime:
		return fmt.Errorf("lucia: Lifetime is %v, browsers keep cookies for 400 days at most", c.Lifetime)
	case c.IdleTimeout < 0:
		return fmt.Errorf("lucia: IdleTimeout is negative: %v", c.IdleTimeout)
	case c.IdleTimeout > 0 && c.IdleTimeout < c.AccessTTL:
		return fmt.Errorf("lucia: IdleTimeout %v is shorter than AccessTTL %v, in which page views do not reach the store", c.IdleTimeout, c.AccessTTL)
	case c.IdleTimeout > 0 && c.RefreshTTL < c.idle():
		return fmt.Errorf("lucia: RefreshTTL %v would end sessions before IdleTimeout does, want at least %v (IdleTimeout, AccessTTL and Grace)", c.RefreshTTL, c.idle())
	case c.Grace < 0:
		return fmt.Errorf("lucia: Grace is negative: %v", c.Grace)
	case c.Timeout < 0:
		return fmt.Errorf("lucia: Timeout is negative: %v", c.Timeout)
	case c.MaxSessions < 0:
		return fmt.Errorf("lucia: MaxSessions is negative: %d", c.MaxSessions)
	case c.FeedLost > FeedLostAskStore:
		return fmt.Errorf("lucia: FeedLost is %d, want FeedLostCarryOn or FeedLostAskStore", c.FeedLost)
	case c.NotBefore.After(time.Now()):
		return fmt.Errorf("lucia: NotBefore is in the future: %v", c.NotBefore)
	case c.MaxBytes < 0:
		return fmt.Errorf("lucia: MaxBytes is negative: %d", c.MaxBytes)
	}
	if err := c.validateIssuer(); err != nil {
		return err
	}
	return errors.Join(c.validateShort(), checkUserType[U]())
}

// checkUserType rejects a type U whose values never marshal to a JSON object without user_id.
// What depends on the value is checked when a token is issued.
func checkUserType[U any]() error {
	var sample User[U]
	// Decoding allocates pointers and maps. A type that does not decode stays zero.
	_ = json.Unmarshal([]byte("{}"), &sample.Data)
	if _, err := sample.MarshalJSON(); err != nil {
		return fmt.Errorf("lucia: user data of type %T: %w", sample.Data, err)
	}
	return nil
}

// shortestIdle returns the longest time that a session in use can go without a rotation.
func (c Config[U]) shortestIdle() time.Duration { return 2*c.AccessTTL + c.Settle + 2*c.Grace }

func (c Config[U]) policy() Policy {
	p := Policy{Grace: c.Grace, Settle: c.Settle, Idle: c.RefreshTTL, Lifetime: c.Lifetime}
	if c.IdleTimeout > 0 {
		p.Idle, p.ByActivity = c.idle(), true
	}
	return p
}

// idle returns how long a session lives after the last activity known to the store. A page view
// within AccessTTL of that activity does not reach the store, and a request may take Grace to
// arrive.
func (c Config[U]) idle() time.Duration { return c.IdleTimeout + c.AccessTTL + c.Grace }
