// Package demo is what the example apps have in common and what has nothing to
// do with sessions: flags, users, passwords, pages, the server. An app of your
// own has its own of each; what to copy is in the mains.
package demo

import (
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

// Profile is what pages know of a user on every request, without asking anybody:
// it travels in the access token.
type Profile struct {
	Username string `json:"username"`
	Bio      string `json:"bio"`
}

// Site is an example app without its routes. It is safe for concurrent use.
type Site struct {
	// Config is what [lucia.New] wants, made of the flags.
	Config lucia.Config[Profile]
	// Framework is the name of what the app is built on, for its pages.
	Framework string
	// Templates are the pages, for apps on html/template.
	Templates *template.Template
	// Assets are the style sheet and scripts.
	Assets *Assets

	users     Users
	notes     Notes
	passwords *passwords
	calls     *counter
	redis     redis.UniversalClient // nil: nothing is in Redis
	db        *sql.DB               // nil: nothing is in SQLite
	log       *slog.Logger
}

// NewSite returns a site. Close it in the end.
func NewSite(framework string, o Options, log *slog.Logger) (*Site, error) {
	assets, err := NewAssets()
	if err != nil {
		return nil, err
	}
	s := &Site{Framework: framework, Templates: templates(), Assets: assets, passwords: newPasswords(), log: log}
	switch {
	case o.DB != "":
		ctx, cancel := context.WithTimeout(context.Background(), migrationTimeout)
		defer cancel()
		db, store, err := openSQLite(ctx, o.DB)
		if err != nil {
			return nil, fmt.Errorf("-db: %w", err)
		}
		s.db, s.users, s.notes, s.calls = db, &sqliteUsers{db}, &sqliteNotes{db}, &counter{Store: store}
	case o.Redis == nil:
		s.users, s.notes = newMemoryUsers(), &memoryNotes{byUser: map[string]map[string]string{}}
		s.calls = &counter{Store: memstore.New()}
	default:
		s.redis = redis.NewUniversalClient(o.Redis)
		s.users, s.notes = &redisUsers{s.redis}, &redisNotes{s.redis}
		s.calls = &counter{Store: redisstore.New(s.redis, redisstore.WithPrefix(keyPrefix+"session:"))}
	}
	s.Config = lucia.Config[Profile]{
		Secret:     o.Secret,
		Store:      s.calls,
		LoadUser:   s.loadUser,
		AccessTTL:  o.AccessTTL,
		RefreshTTL: o.RefreshTTL,
		Grace:      o.Grace,
		Settle:     o.Settle,
		Dev:        !o.Secure,
		Hardened:   o.Hardened,
		Logger:     log,
	}
	return s, nil
}

// keyPrefix begins all keys of the examples in Redis.
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

// checkStore warns where the store does not answer. The app starts all the same:
// when Redis returns, so does the app.
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

// loadUser is LoadUser of the config. ErrUserNotFound passes as it is: the user is
// gone. Every other error means that nobody can tell now.
func (s *Site) loadUser(ctx context.Context, id string) (Profile, error) {
	u, err := s.users.ByID(ctx, id)
	return Profile{Username: u.Username, Bio: u.Bio}, err
}

// Hardened reports whether tokens are kept out of pages, so that scripts have
// cookies only.
func (s *Site) Hardened() bool { return s.Config.Hardened }
