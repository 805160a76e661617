package luciaecho_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"

	luciaecho "github.com/lucia-go/lucia/adapters/echov5"
	"github.com/lucia-go/lucia/adapters/internal/adaptertest"
	"github.com/lucia-go/lucia/session"
)

func newEcho() *echo.Echo {
	e := echo.New()
	e.Logger = slog.New(slog.DiscardHandler)
	return e
}

// add adds the app's routes.
func add(r luciaecho.Router, app adaptertest.App) {
	addBehind(r, app, luciaecho.Require(app.Auth))
}

// addBehind adds the app's routes with another middleware in place of Require.
func addBehind(r luciaecho.Router, app adaptertest.App, require echo.MiddlewareFunc) {
	for _, route := range app.Routes {
		var use []echo.MiddlewareFunc
		if route.Require {
			use = append(use, require)
		}
		if route.Recent {
			use = append(use, luciaecho.RequireRecent(app.Auth, adaptertest.RecentAge))
		}
		r.Any(route.Path, func(c *echo.Context) error {
			route.Handler(adaptertest.Call{
				W: c.Response(), R: c.Request(),
				Session: func() *session.Session[adaptertest.Profile] { return luciaecho.Session(c, app.Auth) },
				Get:     func() any { return c.Get(luciaecho.Key) },
			})
			return nil
		}, use...)
	}
}

func sessions(app adaptertest.App) echo.MiddlewareFunc {
	if app.Skip == nil {
		return luciaecho.Middleware(app.Auth)
	}
	var skip echomw.Skipper = func(c *echo.Context) bool { return app.Skip(c.Request()) }
	return luciaecho.Middleware(app.Auth, echomw.DefaultSkipper, skip)
}

// used returns the ordinary app: Use, then the routes.
func used(app adaptertest.App) http.Handler {
	e := newEcho()
	if app.Recover {
		e.Use(echomw.Recover())
	}
	e.Use(sessions(app))
	add(e, app)
	return e
}

// usedLate calls Use after adding the routes.
func usedLate(app adaptertest.App) http.Handler {
	e := newEcho()
	add(e, app)
	e.Use(sessions(app))
	return e
}

// pre runs the middleware before routing.
func pre(app adaptertest.App) http.Handler {
	e := newEcho()
	if app.Recover {
		e.Pre(echomw.Recover())
	}
	e.Pre(sessions(app))
	add(e, app)
	return e
}

// twice adds the middleware with Pre and with Use, which is unnecessary but harmless.
func twice(app adaptertest.App) http.Handler {
	e := newEcho()
	if app.Recover {
		e.Pre(echomw.Recover())
	}
	e.Pre(sessions(app))
	e.Use(sessions(app))
	add(e, app)
	return e
}

// grouped adds the middleware to a group at the root.
func grouped(app adaptertest.App) http.Handler {
	e := newEcho()
	g := e.Group("")
	g.Use(sessions(app))
	add(g, app)
	return e
}

// mounted adds the routes to echo's router and uses no middleware.
func mounted(app adaptertest.App) http.Handler {
	e := newEcho()
	add(e, app)
	luciaecho.Mount(e, app.Auth)
	return e
}

// mountedInGroup adds the routes to a group of a group with middleware.
func mountedInGroup(app adaptertest.App) http.Handler {
	e := newEcho()
	passed := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.Response().Header().Set("X-Group", "passed")
			return next(c)
		}
	}
	luciaecho.Mount(e.Group("/api", passed).Group("/auth"), app.Auth)
	return e
}

// caught has a catch-all route, and one below the base path.
func caught(app adaptertest.App) http.Handler {
	e := newEcho()
	e.Use(sessions(app))
	e.Any("/*", func(c *echo.Context) error { return c.String(http.StatusOK, "caught") })
	e.GET("/api/:rest", func(c *echo.Context) error { return c.String(http.StatusOK, "caught") })
	return e
}

// empty has no route.
func empty(app adaptertest.App) http.Handler {
	e := newEcho()
	e.Use(sessions(app))
	return e
}

// bare has middleware that does nothing, because echo itself allocates for a middleware.
func bare(app adaptertest.App) http.Handler {
	nothing := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error { return next(c) }
	}
	e := newEcho()
	e.Use(nothing)
	addBehind(e, app, nothing)
	return e
}

func TestEcho(t *testing.T) {
	for name, h := range map[string]adaptertest.Harness{"Use": used, "Pre": pre, "Pre and Use": twice} {
		t.Run(name, func(t *testing.T) { adaptertest.Run(t, h) })
	}
}

func TestRoutesAnswerInEverySetup(t *testing.T) {
	for name, h := range map[string]adaptertest.Harness{
		"Use after the routes": usedLate, "group": grouped, "mounted": mounted, "mounted in a group": mountedInGroup,
		"beside a catch-all": caught, "without any route": empty,
	} {
		t.Run(name, func(t *testing.T) { adaptertest.Routes(t, h) })
	}
}

func TestHostile(t *testing.T) { adaptertest.Hostile(t, used) }

func TestAllocations(t *testing.T) { adaptertest.Allocs(t, used, bare) }

func TestConcurrentReads(t *testing.T) { adaptertest.ConcurrentReads(t, used) }

func TestInChromium(t *testing.T) { adaptertest.Chromium(t, used) }
