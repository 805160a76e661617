package middleware

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Defaults of [Config].
const (
	DefaultAccessTTL      = engine.DefaultAccessTTL   // 15 minutes
	DefaultRefreshTTL     = engine.DefaultRefreshTTL  // 365 days
	DefaultLifetime       = engine.DefaultLifetime    // 400 days, which is also the limit
	DefaultGrace          = engine.DefaultGrace       // 30 seconds
	DefaultSettle         = engine.DefaultSettle      // 90 seconds
	DefaultTimeout        = engine.DefaultTimeout     // 3 seconds
	DefaultMaxSessions    = engine.DefaultMaxSessions // 100
	DefaultBasePath       = wire.DefaultBasePath      // "/api/auth"
	DefaultLoginPath      = "/login"
	DefaultMaxCookieBytes = 3072
)

// MinSecretBytes is the minimum length of a secret, the key length of HMAC-SHA256 (RFC 7518,
// section 3.2).
const MinSecretBytes = engine.MinSecretBytes

// Short limits the sessions that are begun with Remember(false).
type Short = engine.Short

// AtMaxSessions is what a sign-in beyond Config.MaxSessions does.
type AtMaxSessions uint8

const (
	// EndOldest ends the session that was least recently issued a refresh token. It is the
	// default.
	EndOldest = AtMaxSessions(engine.EndOldest)
	// RefuseNew refuses the sign-in with session.CodeTooManySessions.
	RefuseNew = AtMaxSessions(engine.RefuseNew)
)

// Config configures an [Auth]. Apps use lucia.Config, which has the same fields and documents them.
// It is a struct of its own because go doc shows no fields of an alias. New converts one to the
// other, so they do not compile if their fields differ.
type Config[U any] struct {
	Secret          []byte
	PreviousSecrets [][]byte
	Store           session.Store
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
	DeviceLabel       func(r *http.Request) string
	ClientAddress     func(r *http.Request) netip.Addr
	RevokeSessionOnly bool
	NotBefore         time.Time
	Feed              session.Feed
	FeedLost          FeedLost
	TokenCache        int

	BasePath            string
	LoginPath           string
	StepUpPath          string
	Dev                 bool
	CookiePrefix        string
	CookieDomain        string
	FormerCookieDomains []string
	Embedded            bool
	MaxCookieBytes      int
	TrustedOrigins      []string
	Nonce               func(ctx context.Context) string
	Deny                func(w http.ResponseWriter, r *http.Request, denial *Denial) error
	Public              func(r *http.Request) bool
	Skip                func(r *http.Request) bool
	Hardened            bool
	DeviceBound         bool

	Logger      *slog.Logger
	OnEvent     func(session.Event)
	OnRequest   func(r *http.Request, outcome Outcome, took time.Duration)
	CallContext func(call, request context.Context) context.Context

	Issuer      string
	ServiceKeys []ed25519.PrivateKey
}

func (c Config[U]) withDefaults() Config[U] {
	if c.BasePath == "" {
		c.BasePath = DefaultBasePath
	}
	if c.LoginPath == "" {
		c.LoginPath = DefaultLoginPath
	}
	if c.StepUpPath == "" {
		c.StepUpPath = c.BasePath + wire.RouteStepUp
	}
	if c.MaxCookieBytes == 0 {
		c.MaxCookieBytes = DefaultMaxCookieBytes
	}
	return c
}

// validate checks the HTTP fields of a Config with defaults. The engine checks the other fields.
func (c Config[U]) validate() error {
	switch {
	case !isLocalPath(c.BasePath) || c.BasePath == "/" || strings.HasSuffix(c.BasePath, "/") || strings.ContainsAny(c.BasePath, "?#{}"):
		return fmt.Errorf("middleware: BasePath %q is not a path such as /api/auth", c.BasePath)
	case !isLocalPath(c.LoginPath) || strings.Contains(c.LoginPath, "#"):
		return fmt.Errorf("middleware: LoginPath %q is not a path of this site", c.LoginPath)
	case c.LoginPath == c.BasePath || strings.HasPrefix(c.LoginPath, c.BasePath+"/"):
		return fmt.Errorf("middleware: LoginPath %q is below BasePath %q, which is reserved for the middleware's routes", c.LoginPath, c.BasePath)
	case !isLocalPath(c.StepUpPath) || strings.Contains(c.StepUpPath, "#"):
		return fmt.Errorf("middleware: StepUpPath %q is not a path of this site", c.StepUpPath)
	case c.StepUpPath != c.BasePath+wire.RouteStepUp && (c.StepUpPath == c.BasePath || strings.HasPrefix(c.StepUpPath, c.BasePath+"/")):
		return fmt.Errorf("middleware: StepUpPath %q is below BasePath %q, which is reserved for the middleware's routes", c.StepUpPath, c.BasePath)
	case !isToken(c.CookiePrefix):
		return fmt.Errorf("middleware: CookiePrefix %q has characters that are not allowed in a cookie name", c.CookiePrefix)
	case strings.HasPrefix(c.CookiePrefix, "__"):
		return fmt.Errorf("middleware: CookiePrefix %q begins with two underscores, which are reserved for browsers", c.CookiePrefix)
	case c.CookieDomain != "" && !isDomain(c.CookieDomain):
		return fmt.Errorf("middleware: CookieDomain %q is not a domain", c.CookieDomain)
	case slices.ContainsFunc(c.FormerCookieDomains, func(d string) bool { return !isDomain(d) }):
		return fmt.Errorf("middleware: FormerCookieDomains %q contains a value that is not a domain", c.FormerCookieDomains)
	case c.Embedded && c.Dev:
		return errors.New("middleware: Embedded and Dev exclude each other: browsers send cookies in another site's frame only over HTTPS")
	case c.MaxCookieBytes < 0:
		return fmt.Errorf("middleware: MaxCookieBytes is negative: %d", c.MaxCookieBytes)
	case c.DeviceBound && (c.Dev || c.CookieDomain != "" || c.Embedded):
		return errors.New("middleware: DeviceBound excludes Dev, CookieDomain and Embedded: browsers bind cookies of one host over HTTPS")
	case c.Hardened && c.CookieDomain != "":
		return errors.New("middleware: Hardened and CookieDomain exclude each other: with a domain every host below it can set the cookies that Hardened relies on")
	}
	return nil
}

// engineConfig returns the engine's part of a Config.
func (c Config[U]) engineConfig(cookies cookieWriter) (engine.Config[U], error) {
	room := c.MaxCookieBytes - cookies.overhead()
	if room <= 0 {
		return engine.Config[U]{}, fmt.Errorf("middleware: MaxCookieBytes %d leaves no room for tokens", c.MaxCookieBytes)
	}
	fieldStart, fieldEnd := formFieldStart, formFieldEnd
	if c.Hardened { // the field has no token
		fieldStart, fieldEnd = "", ""
	}
	return engine.Config[U]{
		Secret:            c.Secret,
		PreviousSecrets:   c.PreviousSecrets,
		Store:             c.Store,
		LoadUser:          c.LoadUser,
		AccessTTL:         c.AccessTTL,
		RefreshTTL:        c.RefreshTTL,
		Lifetime:          c.Lifetime,
		IdleTimeout:       c.IdleTimeout,
		Grace:             c.Grace,
		Settle:            c.Settle,
		Timeout:           c.Timeout,
		MaxSessions:       c.MaxSessions,
		AtMaxSessions:     engine.AtMaxSessions(c.AtMaxSessions),
		Short:             engine.Short(c.Short),
		MaxBytes:          room,
		RevokeSessionOnly: c.RevokeSessionOnly,
		NotBefore:         c.NotBefore,
		Feed:              c.Feed,
		FeedLost:          engine.FeedLost(c.FeedLost),
		RefreshCookie:     cookies.sealed,
		FieldStart:        fieldStart,
		FieldEnd:          fieldEnd,
		Cache:             c.TokenCache,
		Logger:            c.Logger,
		OnEvent:           c.OnEvent,
		CallContext:       c.CallContext,
		DeviceBound:       c.DeviceBound,
		Issuer:            c.Issuer,
		ServiceKeys:       c.ServiceKeys,
	}, nil
}

// isDomain reports whether s is valid as the Domain attribute of a cookie.
func isDomain(s string) bool {
	return s != "" && (&http.Cookie{Name: "n", Domain: s}).Valid() == nil
}

// isToken reports whether s is valid as part of a cookie name (RFC 6265, section 4.1.1).
func isToken(s string) bool {
	return s == "" || (&http.Cookie{Name: s}).Valid() == nil
}
