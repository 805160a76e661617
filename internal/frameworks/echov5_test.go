package frameworks_test

import (
	"log/slog"
	"net/http"
	"time"

	echov5 "github.com/labstack/echo/v5"
	echov5mw "github.com/labstack/echo/v5/middleware"

	"github.com/lucia-go/lucia"
	luciaechov5 "github.com/lucia-go/lucia/adapters/echov5"
)

func newEchoV5() *echov5.Echo {
	e := echov5.New()
	e.Logger = slog.New(slog.DiscardHandler)
	return e
}

// echoV5Routes has the methods that *echo.Echo and *echo.Group of v5 share.
type echoV5Routes interface {
	GET(path string, h echov5.HandlerFunc, m ...echov5.MiddlewareFunc) echov5.RouteInfo
	POST(path string, h echov5.HandlerFunc, m ...echov5.MiddlewareFunc) echov5.RouteInfo
}

func onEchoV5(r echoV5Routes, auth *lucia.Auth[user], h handlers, slash string) {
	r.POST("/login"+slash, echov5.WrapHandler(h.login))
	r.GET("/page"+slash, echov5.WrapHandler(h.page))
	r.GET("/private"+slash, echov5.WrapHandler(h.private), luciaechov5.Require(auth))
}

// echoV5App builds an app with the middleware that use returns, in that order.
func echoV5App(use func(a *lucia.Auth[user]) []echov5.MiddlewareFunc) func(*lucia.Auth[user], handlers) http.Handler {
	return func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		e.Use(use(a)...)
		onEchoV5(e, a, h, "")
		return e
	}
}

// The login form of the tests has no CSRF token of echo.
var echoV5CSRF = echov5mw.CSRFWithConfig(echov5mw.CSRFConfig{Skipper: func(c *echov5.Context) bool { return c.Path() == "/login" }})

// echoV5Timeout is http.TimeoutHandler as a middleware, because v5 has none of its own.
var echoV5Timeout = echov5.WrapMiddleware(func(next http.Handler) http.Handler {
	return http.TimeoutHandler(next, time.Minute, "")
})

var goodEchoV5 = []order{
	{"echo v5, around the others", echoV5App(func(a *lucia.Auth[user]) []echov5.MiddlewareFunc {
		return []echov5.MiddlewareFunc{echov5mw.Recover(), luciaechov5.Middleware(a), echov5mw.Secure(), echov5mw.Gzip(), echoV5CSRF, echov5mw.ContextTimeout(time.Minute)}
	})},
	{"echo v5, inside the others", echoV5App(func(a *lucia.Auth[user]) []echov5.MiddlewareFunc {
		return []echov5.MiddlewareFunc{echov5mw.Gzip(), echov5mw.Secure(), echov5mw.RequestLogger(), echov5mw.Recover(), luciaechov5.Middleware(a)}
	})},
	{"http.TimeoutHandler around echo v5", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		e.Use(luciaechov5.Middleware(a))
		onEchoV5(e, a, h, "")
		return http.TimeoutHandler(e, time.Minute, "")
	}},
	{"echo v5 Pre", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		e.Pre(luciaechov5.Middleware(a))
		e.Use(echoV5CSRF, echov5mw.Gzip())
		onEchoV5(e, a, h, "")
		return e
	}},
	{"echo v5 AddTrailingSlash", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		e.Pre(echov5mw.AddTrailingSlash())
		e.Use(luciaechov5.Middleware(a))
		onEchoV5(e, a, h, "/")
		return e
	}},
	{"echo v5 RemoveTrailingSlash", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		e.Pre(echov5mw.RemoveTrailingSlash())
		e.Use(luciaechov5.Middleware(a))
		onEchoV5(e, a, h, "")
		return e
	}},
	{"echo v5 group, routes mounted", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		luciaechov5.Mount(e, a)
		onEchoV5(e.Group("", luciaechov5.Middleware(a)), a, h, "")
		return e
	}},
	{"echo v5 with HEAD answered by GET's handlers", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := echov5.NewWithConfig(echov5.Config{Router: echov5.NewRouter(echov5.RouterConfig{AutoHandleHEAD: true})})
		e.Logger = slog.New(slog.DiscardHandler)
		e.Use(luciaechov5.Middleware(a))
		onEchoV5(e, a, h, "")
		return e
	}},
	{"echo v5 with the app's own error handler", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		own := echov5.DefaultHTTPErrorHandler(true)
		e.HTTPErrorHandler = func(c *echov5.Context, err error) { own(c, err) }
		e.Use(luciaechov5.Middleware(a))
		onEchoV5(e, a, h, "")
		return e
	}},
}

var loggedEchoV5 = []loggedOrder{
	{order{"echo v5, http.TimeoutHandler inside", echoV5App(func(a *lucia.Auth[user]) []echov5.MiddlewareFunc {
		return []echov5.MiddlewareFunc{luciaechov5.Middleware(a), echoV5Timeout}
	})}, "TimeoutHandler"},
	{order{"echo v5 group below a path", func(a *lucia.Auth[user], h handlers) http.Handler {
		e := newEchoV5()
		onEchoV5(e, a, h, "")
		e.GET("/app/page", echov5.WrapHandler(h.page), luciaechov5.Middleware(a))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page" {
				r.URL.Path = "/app/page"
			}
			e.ServeHTTP(w, r)
		})
	}}, "do not reach it"},
}
