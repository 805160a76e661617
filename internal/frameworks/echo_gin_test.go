package frameworks_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gingzip "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
)

func newEcho() *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	return e
}

// echoRoutes has the methods that *echo.Echo and *echo.Group share.
type echoRoutes interface {
	GET(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route
	POST(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route
}

func onEcho(r echoRoutes, auth *lucia.Auth[user], h handlers, slash string) {
	r.POST("/login"+slash, echo.WrapHandler(h.login))
	r.GET("/page"+slash, echo.WrapHandler(h.page))
	r.GET("/private"+slash, echo.WrapHandler(h.private), luciaecho.Require(auth))
}

// echoApp builds an app with the middleware that use returns, in that order.
func echoApp(use func(a *lucia.Auth[user]) []echo.MiddlewareFunc) func(*lucia.Auth[user], handlers) http.Handler {
	return func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEcho()
		e.Use(use(a)...)
		onEcho(e, a, h, "")
		return e
	}
}

var (
	// Apps still use it, so the tests cover its order.
	//lint:ignore SA1019 deprecated in favor of ContextTimeout
	echoTimeout = echomw.TimeoutWithConfig(echomw.TimeoutConfig{Timeout: time.Minute})
	// The login form of the tests has no CSRF token of echo.
	echoCSRF = echomw.CSRFWithConfig(echomw.CSRFConfig{Skipper: func(c echo.Context) bool { return c.Path() == "/login" }})
)

func onGin(r gin.IRoutes, auth *lucia.Auth[user], h handlers) {
	r.POST("/login", gin.WrapF(h.login))
	r.GET("/page", gin.WrapF(h.page))
	r.GET("/private", luciagin.Require(auth), gin.WrapF(h.private))
}

func newGin() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	return gin.New()
}

var goodFrameworks = []order{
	{"echo, around the others", echoApp(func(a *lucia.Auth[user]) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{echomw.Recover(), luciaecho.Middleware(a), echomw.Secure(), echomw.Gzip(), echoCSRF, echomw.ContextTimeout(time.Minute)}
	})},
	{"echo, inside the others", echoApp(func(a *lucia.Auth[user]) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{echomw.Gzip(), echomw.Secure(), echomw.Recover(), luciaecho.Middleware(a)}
	})},
	{"echo Timeout around", echoApp(func(a *lucia.Auth[user]) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{echoTimeout, luciaecho.Middleware(a)}
	})},
	{"echo Pre", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEcho()
		e.Pre(luciaecho.Middleware(a))
		e.Use(echoCSRF, echomw.Gzip())
		onEcho(e, a, h, "")
		return e
	}},
	{"echo AddTrailingSlash", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEcho()
		e.Pre(echomw.AddTrailingSlash())
		e.Use(luciaecho.Middleware(a))
		onEcho(e, a, h, "/")
		return e
	}},
	{"echo RemoveTrailingSlash", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEcho()
		e.Pre(echomw.RemoveTrailingSlash())
		e.Use(luciaecho.Middleware(a))
		onEcho(e, a, h, "")
		return e
	}},
	{"echo group, routes mounted", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEcho()
		luciaecho.Mount(e, a)
		g := e.Group("", luciaecho.Middleware(a))
		onEcho(g, a, h, "")
		return e
	}},
	{"echo with the app's own error handler", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEcho()
		e.HTTPErrorHandler = func(err error, c echo.Context) { e.DefaultHTTPErrorHandler(err, c) }
		e.Use(luciaecho.Middleware(a))
		onEcho(e, a, h, "")
		return e
	}},
	{"gin, around the others", func(a *lucia.Auth[user], h handlers) http.Handler {
		g := newGin()
		g.Use(gin.Recovery(), luciagin.Middleware(a), gingzip.Gzip(gingzip.DefaultCompression))
		onGin(g, a, h)
		return g
	}},
	{"gin, inside the others", func(a *lucia.Auth[user], h handlers) http.Handler {
		g := newGin()
		g.Use(gingzip.Gzip(gingzip.DefaultCompression), gin.Recovery(), luciagin.Middleware(a))
		g.NoRoute(func(c *gin.Context) { c.String(http.StatusNotFound, "not here, %s", who(a, c.Request)) })
		onGin(g, a, h)
		return g
	}},
	{"gin group, routes mounted", func(a *lucia.Auth[user], h handlers) http.Handler {
		g := newGin()
		luciagin.Mount(g, a)
		onGin(g.Group("", luciagin.Middleware(a)), a, h)
		return g
	}},
	{"http.TimeoutHandler around gin", func(a *lucia.Auth[user], h handlers) http.Handler {
		g := newGin()
		g.Use(luciagin.Middleware(a))
		onGin(g, a, h)
		return http.TimeoutHandler(g, time.Minute, "")
	}},
}

func TestOrdersOfFrameworksThatWork(t *testing.T) {
	t.Parallel()
	for _, o := range slices.Concat(goodFrameworks, goodEchoV5) {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			auth, log := newAuth(t)
			visit(t, o.build(auth, handlersOf(auth))).tour()
			if log.String() != "" {
				t.Errorf("the log has lines:\n%s", log)
			}
		})
	}
}

// loggedOrder is an order that cannot work, with the text that the log must contain.
type loggedOrder struct {
	order
	line string
}

var loggedFrameworks = []loggedOrder{
	{order{"echo Timeout inside", echoApp(func(a *lucia.Auth[user]) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{luciaecho.Middleware(a), echoTimeout}
	})}, "TimeoutHandler"},
	{order{"gin group", func(a *lucia.Auth[user], h handlers) http.Handler {
		g := newGin()
		onGin(g.Group("", luciagin.Middleware(a)), a, h)
		return g
	}}, "do not reach it"},
	{order{"echo group below a path", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEcho()
		onEcho(e, a, h, "")
		e.GET("/app/page", echo.WrapHandler(h.page), luciaecho.Middleware(a))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page" {
				r.URL.Path = "/app/page"
			}
			e.ServeHTTP(w, r)
		})
	}}, "do not reach it"},
}

func TestOrdersOfFrameworksThatTheLogNames(t *testing.T) {
	t.Parallel()
	for _, o := range slices.Concat(loggedFrameworks, loggedEchoV5) {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			auth, log := newAuth(t)
			v := visit(t, o.build(auth, handlersOf(auth)))
			v.do("POST", "/login")
			v.expire()
			v.do("GET", "/page")
			for end := time.Now().Add(time.Minute); !strings.Contains(log.String(), o.line); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the log does not mention the order:\n%s", log)
				}
			}
			if _, body := v.do("GET", "/page"); !strings.HasPrefix(body, "page of u1") {
				t.Errorf("the next page: %.80q, want that of u1", body)
			}
		})
	}
}
