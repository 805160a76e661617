package demo

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/redisstore"
)

// Options are the flags of the examples.
type Options struct {
	Addr       string
	Redis      *redis.UniversalOptions // nil if not in Redis
	DB         string                  // file of SQLite; empty if not in SQLite
	AccessTTL  time.Duration
	RefreshTTL time.Duration
	Idle       time.Duration // 0: sessions do not end without activity
	Grace      time.Duration
	Settle     time.Duration // negative: none
	Recent     time.Duration // how long a sign-in counts as recent
	// Of calls of Redis, SQLite and the like; 0: a few seconds, as fits each.
	Timeout  time.Duration
	Secret   []byte
	Secure   bool
	Hardened bool
	Feed     bool
	TLS      bool
	Bound    bool
	Admin    string // name of who may act as others; empty: no one

	// RandomSecret reports that Secret is random, so that all sessions end with this process.
	RandomSecret bool
}

// ParseFlags reads the command line without the program's name. Package flag writes usage and
// errors to stderr. The error is [flag.ErrHelp] if help was requested.
func ParseFlags(name string, args []string, stderr io.Writer) (Options, error) {
	var o Options
	var store, secret string
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.Addr, "addr", "127.0.0.1:8080", "the address to listen on; port 0 takes a free port")
	f.StringVar(&store, "redis", "", "keep users and sessions in Redis: redis://host:port, a comma-separated list for a cluster,\nsentinel://host:port,host:port/master; empty keeps them in memory")
	f.StringVar(&o.DB, "db", "", "keep users and sessions in this SQLite file, which is created if it is missing;\nwithout -secret, the secret is kept in FILE.secret")
	f.DurationVar(&o.AccessTTL, "access-ttl", lucia.DefaultAccessTTL, "life of an access token")
	f.DurationVar(&o.RefreshTTL, "refresh-ttl", lucia.DefaultRefreshTTL, "how long a session lives unused")
	f.DurationVar(&o.Idle, "idle", 0, "end sessions after this time without activity of a person; 0: never")
	f.DurationVar(&o.Grace, "grace", lucia.DefaultGrace, "the longest delay of a request or an answer")
	f.DurationVar(&o.Settle, "settle", lucia.DefaultSettle, "how old a token in use must be to count as saved by the browser")
	f.DurationVar(&o.Recent, "recent", 10*time.Minute, "how long after a sign-in /danger opens without another one")
	f.DurationVar(&o.Timeout, "timeout", 0, "how long a request waits for Redis, for SQLite or for its turn to check a password;\n0: a few seconds, as fits each")
	f.StringVar(&secret, "secret", "", "the secret that all keys are derived from, 32 bytes or more, the same for all servers of one app; empty makes one up\n(for real, take it from a file or the environment: command lines are visible to others)")
	f.BoolVar(&o.Secure, "secure", false, "cookies for https only")
	f.BoolVar(&o.Hardened, "hardened", false, "keep the tokens out of pages")
	f.BoolVar(&o.Feed, "feed", true, "with -redis or -db: tell all servers at once when a session ends")
	f.BoolVar(&o.TLS, "tls", false, "serve https with a certificate of its own, which implies -secure; prints its SPKI for\nChromium's --ignore-certificate-errors-spki-list")
	f.BoolVar(&o.Bound, "device-bound", false, "bind sessions to the browser's device; needs -secure or -tls")
	f.StringVar(&o.Admin, "admin", "", "name of the user who may act as others; if there is no such user, one is made and its password printed")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.Secure = o.Secure || o.TLS
	if o.Bound && !o.Secure {
		return o, errors.New("-device-bound needs https: use -tls, or -secure behind a proxy with https")
	}
	if o.Admin != "" {
		name, err := cleanName(o.Admin)
		if err != nil {
			return o, fmt.Errorf("-admin: %w", err)
		}
		o.Admin = name
	}
	if o.DB != "" && store != "" {
		return o, errors.New("-db and -redis: use only one of the two")
	}
	if err := o.setSecret(secret); err != nil {
		return o, err
	}
	if store != "" {
		opts, err := redisstore.ParseURL(store)
		if err != nil {
			return o, fmt.Errorf("-redis: %w", err)
		}
		if o.Timeout > 0 {
			opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout, opts.PoolTimeout = o.Timeout, o.Timeout, o.Timeout, o.Timeout
		}
		o.Redis = opts
	}
	return o, o.checkTimes()
}

func (o *Options) setSecret(secret string) error {
	switch {
	case secret == "" && o.DB != "":
		kept, err := keptSecret(o.DB)
		if err != nil {
			return fmt.Errorf("-db: %w", err)
		}
		o.Secret = kept
	case secret == "":
		o.RandomSecret = true
		o.Secret = make([]byte, lucia.MinSecretBytes)
		rand.Read(o.Secret) // never fails
	case len(secret) < lucia.MinSecretBytes:
		return fmt.Errorf("-secret has %d bytes, want at least %d", len(secret), lucia.MinSecretBytes)
	default:
		o.Secret = []byte(secret)
	}
	return nil
}

// checkTimes names flags where lucia.New would name fields of its Config, in which zero means the
// default.
func (o *Options) checkTimes() error {
	switch {
	case o.AccessTTL < time.Second || o.AccessTTL%time.Second != 0:
		return fmt.Errorf("-access-ttl is %v, want whole seconds, at least one", o.AccessTTL)
	case o.RefreshTTL < o.AccessTTL:
		return fmt.Errorf("-refresh-ttl %v is shorter than -access-ttl %v", o.RefreshTTL, o.AccessTTL)
	case o.RefreshTTL > lucia.DefaultLifetime:
		return fmt.Errorf("-refresh-ttl is %v, browsers keep cookies for 400 days at most", o.RefreshTTL)
	case o.Idle < 0:
		return errors.New("-idle must not be negative")
	case o.Idle > 0 && o.Idle < o.AccessTTL:
		return fmt.Errorf("-idle %v is shorter than -access-ttl %v", o.Idle, o.AccessTTL)
	case o.Idle > 0 && o.RefreshTTL < o.Idle+o.AccessTTL+o.Grace:
		return fmt.Errorf("-refresh-ttl %v is shorter than -idle, -access-ttl and -grace together", o.RefreshTTL)
	case o.Grace <= 0:
		return errors.New("-grace must be positive: every request takes its time")
	case o.Recent < 2*o.Grace:
		return fmt.Errorf("-recent %v is shorter than twice -grace %v, which the way back may take", o.Recent, o.Grace)
	case o.Timeout < 0:
		return errors.New("-timeout must not be negative")
	case o.Settle < 0:
		return errors.New("-settle must not be negative")
	case o.Settle == 0:
		o.Settle = -1
	}
	return nil
}
