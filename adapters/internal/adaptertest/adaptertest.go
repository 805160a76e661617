// Package adaptertest tests the behavior that lucia has in every framework: the tables of
// docs/protocol.md row by row, and what a framework could break (streaming, hijacking, panics,
// caching). The test of an adapter builds an app of its framework in a [Harness] and calls [Run]. A
// difference between frameworks is a bug.
package adaptertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Profile is the user data of the apps under test.
type Profile struct {
	Username string `json:"username"`
}

// Call is one request as a handler of the framework gets it.
type Call struct {
	W       http.ResponseWriter
	R       *http.Request
	Session func() *session.Session[Profile] // the adapter's accessor
	Get     func() any                       // the framework's c.Get(Key); nil if it has none
}

// Route is a path of an app, for every method.
type Route struct {
	Path    string
	Require bool // behind the adapter's Require
	Recent  bool // behind the adapter's RequireRecent of RecentAge
	Handler func(Call)
}

// RecentAge is the age that routes with Recent require.
const RecentAge = 10 * time.Minute

// App is the app that a [Harness] builds in its framework.
type App struct {
	Auth    *middleware.Auth[Profile]
	Routes  []Route
	Recover bool                     // the framework's recovery around the whole app
	Skip    func(*http.Request) bool // given to the adapter, if not nil
}

// Harness builds an app in a framework, with the adapter's middleware around it.
type Harness func(App) http.Handler

// Run runs every case on the framework of h.
func Run(t *testing.T, h Harness) {
	t.Run("routes", func(t *testing.T) { Routes(t, h) })
	t.Run("requests", func(t *testing.T) { testRequests(t, h) })
	t.Run("require", func(t *testing.T) { testRequire(t, h) })
	t.Run("require recent", func(t *testing.T) { testRecent(t, h) })
	t.Run("who gets what", func(t *testing.T) { testAudiences(t, h) })
	t.Run("cookies", func(t *testing.T) { testCookies(t, h) })
	t.Run("scopes", func(t *testing.T) { testScopes(t, h) })
	t.Run("caching", func(t *testing.T) { testCaching(t, h) })
	t.Run("htmx", func(t *testing.T) { testHTMX(t, h) })
	t.Run("handlers", func(t *testing.T) { testHandlers(t, h) })
	t.Run("http.TimeoutHandler", func(t *testing.T) { testTimeoutHandler(t, h) })
	t.Run("bound", func(t *testing.T) { testBound(t, h) })
	t.Run("connections", func(t *testing.T) { testConnections(t, h) })
}

// issuer is the issuer of tokens for other services.
const issuer = "https://example.com"

// world is one app under test and its dependencies.
type world struct {
	t       testing.TB
	auth    *middleware.Auth[Profile]
	store   *countingStore
	network http.RoundTripper // set by listen
	handler http.Handler
	loadErr error // the error of LoadUser from now on
}

// change changes the configuration of a world.
type change = func(*middleware.Config[Profile])

func newWorld(t testing.TB, h Harness, changes ...change) *world {
	t.Helper()
	return buildWorld(t, h, App{}, changes...)
}

// buildWorld builds app, with the standard routes added, in the framework of h.
func buildWorld(t testing.TB, h Harness, app App, changes ...change) *world {
	t.Helper()
	w := &world{t: t, store: &countingStore{Store: memstore.New()}}
	config := middleware.Config[Profile]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    w.store,
		LoadUser: w.loadUser,
		Dev:      true,
		Issuer:   issuer,
		Logger:   slog.New(slog.DiscardHandler),
	}
	for _, c := range changes {
		if c != nil {
			c(&config)
		}
	}
	auth, err := middleware.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w.auth, app.Auth = auth, auth
	app.Routes = append(app.Routes, w.routes()...)
	w.handler = h(app)
	return w
}

func (w *world) loadUser(_ context.Context, id string) (Profile, error) {
	return Profile{"name of " + id}, w.loadErr
}

// routes are the standard routes: /who uses the session, /quiet does not, /private requires one,
// /recent requires a recent one, /login begins one, /again steps up.
func (w *world) routes() []Route {
	who := func(c Call) {
		if s := c.Session(); s != nil {
			fmt.Fprintf(c.W, "%s ", s.User.ID)
		}
		fmt.Fprint(c.W, w.auth.Outcome(c.R.Context()))
	}
	return []Route{
		{Path: "/who", Handler: who},
		{Path: "/quiet", Handler: func(c Call) { fmt.Fprint(c.W, w.auth.Outcome(c.R.Context())) }},
		{Path: "/private", Handler: who, Require: true},
		{Path: "/recent", Handler: who, Recent: true},
		{Path: "/page", Handler: func(c Call) { middleware.PageData.Render(c.R.Context(), c.W) }},
		{Path: "/static", Handler: func(c Call) {
			c.W.Header().Set("Cache-Control", "public, max-age=60")
			io.WriteString(c.W, "a picture")
		}},
		{Path: "/login", Handler: func(c Call) {
			if _, err := w.auth.SignIn(c.W, c.R, c.R.URL.Query().Get("user")); err != nil {
				middleware.WriteError(c.W, err)
				return
			}
			http.Redirect(c.W, c.R, "/who", http.StatusSeeOther)
		}},
		{Path: "/again", Handler: func(c Call) {
			if _, err := w.auth.StepUp(c.W, c.R); err != nil {
				middleware.Error(c.W, c.R, err)
				return
			}
			http.Redirect(c.W, c.R, middleware.ReturnPath(c.R, "/who"), http.StatusSeeOther)
		}},
	}
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
