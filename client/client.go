package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/lucia-go/lucia/session"
)

// Client is a program's side of a session. U is the type of the app's user data. [New] makes a
// Client. A Client is safe for concurrent use. Its only goroutines are those of calls in
// progress, and each of them ends within a few times Config.Timeout, so there is nothing to
// close.
type Client[U any] struct {
	cfg    Config
	origin *url.URL
	names  cookieNames
	routes *http.Client

	store SessionStore[U]
	jar   jar
	saved savedSession

	mu    sync.Mutex
	calls map[callKey]*call

	limiter    refreshLimiter
	lastUse    lastUse
	signingOut atomic.Int32 // sign-outs in progress
}

// New returns a client of the app at cfg.BaseURL. It loads the session that cfg.TokenStore
// holds, if any, without asking the server. It waits if another run of the program is renewing
// that session. New returns an error if the saved session belongs to another app, and one that
// wraps [ErrSavedSession] if the saved session cannot be read.
func New[U any](ctx context.Context, cfg Config) (*Client[U], error) {
	origin, err := parseOrigin(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client[U]{
		cfg:    cfg,
		origin: origin,
		names:  cookieNames{prefix: cfg.CookiePrefix, secure: origin.Scheme == "https"},
		saved:  savedSession{tokens: cfg.TokenStore, timeout: cfg.Timeout},
		calls:  make(map[callKey]*call),
	}
	c.routes = &http.Client{
		Transport: cfg.Transport,
		Jar:       c.appCookies(),
		// The library's routes never redirect. Following a redirect could send a token to another
		// server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := c.resume(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Format writes the origin of the app, whatever the verb. Without it, fmt would print the
// cookies.
func (c *Client[U]) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "lucia client of %s", c.origin) }

// GetSession returns the client's session store. Every call returns the same one.
func (c *Client[U]) GetSession() *SessionStore[U] { return &c.store }

// HTTPClient returns an http.Client whose requests to the app's origin carry the session, as
// [Transport] describes, and the app's own cookies.
func (c *Client[U]) HTTPClient() *http.Client {
	return &http.Client{
		Transport: &Transport[U]{Client: c},
		Jar:       c.appCookies(),
	}
}

// present returns the current session and the cookies that belong to it.
func (c *Client[U]) present() (s *session.Session[U], set cookieSet) {
	c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		s, set = now, c.jar.get()
		return nil, false
	})
	return s, set
}

// adopt makes next, which follows prev, the current session and sets its cookies in one step. It
// does so only if the current session is still the same one, compared by its id and by its
// fingerprint, which is set at sign-in and does not change. It reports false if the program
// signed out or signed in again in the meantime.
func (c *Client[U]) adopt(prev, next *session.Session[U], set cookieSet) bool {
	return c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		ok := now != nil && (now == prev || now.ID == next.ID) && c.jar.replace(set, set)
		return next, ok
	})
}

// forget empties the store and drops the cookies if the current session is still the one that
// ended.
func (c *Client[U]) forget(ended *session.Session[U], set cookieSet) {
	c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		return nil, now != nil && now.ID == ended.ID && c.jar.replace(set, cookieSet{})
	})
}
