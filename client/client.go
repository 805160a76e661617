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

// Client is one program's part of a session, with the app's user data of type
// U. It is made by [New] and safe for concurrent use. It owns no goroutine
// beyond those of calls under way, each of which ends within a few times
// Config.Timeout, so there is nothing to close.
type Client[U any] struct {
	cfg    Config
	origin *url.URL
	names  cookieNames
	routes *http.Client

	store SessionStore[U]
	jar   jar
	saved savedSession

	mu      sync.Mutex
	flights map[flightKey]*flight

	restraint refreshLimiter
	leaving   atomic.Int32 // sign-outs under way
}

// New returns a client of the app at cfg.BaseURL. It takes up the session that
// cfg.TokenStore holds, if any, without asking the server; where another run of
// the program is renewing it, New waits for that. A saved session of another app
// is an error, and so is one that cannot be read: [ErrSavedSession].
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
		cfg:     cfg,
		origin:  origin,
		names:   cookieNames{prefix: cfg.CookiePrefix, secure: origin.Scheme == "https"},
		saved:   savedSession{tokens: cfg.TokenStore, timeout: cfg.Timeout},
		flights: make(map[flightKey]*flight),
	}
	c.routes = &http.Client{
		Transport: cfg.Transport,
		Jar:       c.appCookies(),
		// A redirect would carry a token to who knows where; the routes never
		// redirect.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := c.resume(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Format writes which app the client is of, for every verb: fmt would print its
// cookies.
func (c *Client[U]) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "lucia client of %s", c.origin) }

// GetSession returns the client's session store. It is always the same one.
func (c *Client[U]) GetSession() *SessionStore[U] { return &c.store }

// HTTPClient returns an http.Client that is signed in: its requests to the
// app's origin carry the session, as [Transport] does it, and the app's own
// cookies.
func (c *Client[U]) HTTPClient() *http.Client {
	return &http.Client{
		Transport: &Transport[U]{Client: c},
		Jar:       c.appCookies(),
	}
}

// present returns the session and the cookies that belong to it.
func (c *Client[U]) present() (s *session.Session[U], set cookieSet) {
	c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		s, set = now, c.jar.get()
		return nil, false
	})
	return s, set
}

// adopt makes next, which follows prev, the session and set its cookies, in one
// step, if the present session still is that one: by its id, and by its
// fingerprint, which is set at sign-in and never again. Otherwise somebody
// signed out, or in, meanwhile, and the answer comes too late.
func (c *Client[U]) adopt(prev, next *session.Session[U], set cookieSet) bool {
	return c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		ok := now != nil && (now == prev || now.ID == next.ID) && c.jar.replace(set, set)
		return next, ok
	})
}

// forget empties the store and drops the cookies, if the present session still
// is the one that ended.
func (c *Client[U]) forget(ended *session.Session[U], set cookieSet) {
	c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		return nil, now != nil && now.ID == ended.ID && c.jar.replace(set, cookieSet{})
	})
}
