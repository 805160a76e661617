// Package demo is the part of the example apps that has nothing to do with sessions: flags,
// users, passwords, pages and the server. An app has its own code for these. Copy the code in the
// main packages.
package demo

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"html/template"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/redisstore"
)

// Profile is the user data that every page has without a query, because they are in the access
// token.
type Profile struct {
	Username string `json:"username"`
	Bio      string `json:"bio"`
}

// Site is an example app without its routes. It is safe for concurrent use.
type Site struct {
	// Config is the configuration for [lucia.New], made from the flags.
	Config lucia.Config[Profile]
	// Recent is how long a sign-in counts as recent, for RequireRecent.
	Recent time.Duration
	// Framework is the name of the app's framework, for its pages.
	Framework string
	// Templates are the pages, for apps on html/template.
	Templates *template.Template
	// Assets are the style sheet and scripts.
	Assets *Assets

	users     Users
	notes     Notes
	passwords *passwords
	calls     *counter
	redis     redis.UniversalClient // nil if Redis is not used
	db        *sql.DB               // nil if SQLite is not used
	admin     string                // user id of who may act as others; empty: no one
	log       *slog.Logger
	stopping  chan struct{} // closed when the server shuts down
}

// NewSite returns a site. The caller must close it.
func NewSite(framework string, o Options, log *slog.Logger) (*Site, error) {
	assets, err := NewAssets()
	if err != nil {
		return nil, err
	}
	s := &Site{Framework: framework, Templates: templates(), Assets: assets, Recent: o.Recent, passwords: newPasswords(cmp.Or(o.Timeout, hashWait)), log: log, stopping: make(chan struct{})}
	switch {
	case o.DB != "":
		ctx, cancel := context.WithTimeout(context.Background(), migrationTimeout)
		defer cancel()
		db, store, err := openSQLite(ctx, o.DB, o.Timeout)
		if err != nil {
			return nil, fmt.Errorf("-db: %w", err)
		}
		s.db, s.users, s.notes, s.calls = db, &sqliteUsers{db}, &sqliteNotes{db}, &counter{Store: store}
	case o.Redis == nil:
		s.users, s.notes = newMemoryUsers(), &memoryNotes{byUser: map[string]map[string]string{}}
		s.calls = &counter{Store: memstore.New()}
	default:
		s.redis = redis.NewUniversalClient(o.Redis)
		timeout := cmp.Or(o.Timeout, usersTimeout)
		s.users, s.notes = &redisUsers{s.redis, timeout}, &redisNotes{s.redis, timeout}
		s.calls = &counter{Store: redisstore.New(s.redis, redisstore.WithPrefix(keyPrefix+"session:"),
			redisstore.WithTimeout(cmp.Or(o.Timeout, redisstore.DefaultTimeout)))}
	}
	s.Config = lucia.Config[Profile]{
		Secret:      o.Secret,
		Store:       s.calls,
		LoadUser:    s.loadUser,
		AccessTTL:   o.AccessTTL,
		RefreshTTL:  o.RefreshTTL,
		IdleTimeout: o.Idle,
		Grace:       o.Grace,
		Settle:      o.Settle,
		Timeout:     o.Timeout,
		StepUpPath:  "/again",
		Dev:         !o.Secure,
		Hardened:    o.Hardened,
		Logger:      log,

		DeviceBound: o.Bound,
	}
	if !o.Feed {
		s.Config.Feed = lucia.NoFeed
	}
	return s, nil
}

// keyPrefix is the prefix of all keys of the examples in Redis.
const keyPrefix = "lucia-demo:"

// Close closes the connections to Redis or SQLite, if there are any.
func (s *Site) Close() error {
	switch {
	case s.redis != nil:
		return s.redis.Close()
	case s.db != nil:
		return s.db.Close()
	}
	return nil
}

// checkStore logs a warning if the store does not answer. The app starts nevertheless and works
// when the store is available again.
func (s *Site) checkStore(ctx context.Context) {
	if s.redis == nil {
		return
	}
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.redis.Ping(ctx).Err(); err != nil {
		s.log.Warn("Redis does not answer; pages say 503 until it does", "error", err)
	}
}

// loadUser is LoadUser of the config. It returns ErrUserNotFound if the user does not exist.
// Every other error means that the user store is unavailable.
func (s *Site) loadUser(ctx context.Context, id string) (Profile, error) {
	u, err := s.users.ByID(ctx, id)
	return Profile{Username: u.Username, Bio: u.Bio}, err
}

// Hardened reports whether tokens are kept out of pages, so that scripts have only cookies.
func (s *Site) Hardened() bool { return s.Config.Hardened }
