package luciaecho_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	"github.com/lucia-go/lucia/adapters/internal/adaptertest"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

type user struct{}

func newAuth(t testing.TB) *middleware.Auth[user] {
	t.Helper()
	auth, err := middleware.New(middleware.Config[user]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (user, error) { return user{}, nil },
		Dev:      true,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// signIn returns the cookies of a new session.
func signIn(t testing.TB, auth *middleware.Auth[user]) []*http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := auth.SignIn(w, httptest.NewRequest("POST", "/", nil), "u1"); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()
}

// get requests a page of an app and returns status and body.
func get(h http.Handler, target string, cookies ...*http.Cookie) (int, string, http.Header) {
	r := httptest.NewRequest("GET", target, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

// failing is an app whose handlers return errors.
func failing(app adaptertest.ErrorApp) http.Handler {
	e := newEcho()
	if app.OnError != nil {
		e.HTTPErrorHandler = func(err error, c echo.Context) {
			status := 0
			if he := new(echo.HTTPError); errors.As(err, &he) {
				status = he.Code
			}
			app.OnError(c.Response(), err, status)
		}
	}
	e.Use(luciaecho.Middleware(app.Auth))
	for _, route := range app.Routes {
		var use []echo.MiddlewareFunc
		if route.Require {
			use = append(use, luciaecho.Require(app.Auth))
		}
		e.GET(route.Path, func(c echo.Context) error {
			return route.Handler(adaptertest.ErrorCall{
				W: c.Response(), R: c.Request(),
				Error: func(err error) error { return luciaecho.Error(c, err) },
			})
		}, use...)
	}
	return e
}

func TestErrors(t *testing.T) {
	adaptertest.ErrorHandlers{
		Build: failing,
		New: func(status int, message string, cause error) error {
			return echo.NewHTTPError(status, message).SetInternal(cause)
		},
		NotFound: echo.ErrNotFound,
	}.Run(t)
}

// TestGroups adds the middleware to a group and the routes next to it.
func TestGroups(t *testing.T) {
	auth := newAuth(t)
	e := newEcho()
	var order []string
	mark := func(name string) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				order = append(order, name)
				return next(c)
			}
		}
	}
	who := func(c echo.Context) error {
		if s := luciaecho.Session(c, auth); s != nil {
			return c.String(http.StatusOK, s.User.ID)
		}
		return c.String(http.StatusOK, "signed out")
	}
	app := e.Group("/app", luciaecho.Middleware(auth))
	app.GET("", who)
	app.Group("/deep").GET("/er", who)
	e.GET("/outside", who)
	e.GET("/outside/private", who, luciaecho.Require(auth))
	luciaecho.Mount(e.Group("/api/auth", mark("limit")), auth)

	cookies := signIn(t, auth)
	for path, want := range map[string]string{
		"/app": "u1", "/app/deep/er": "u1", "/outside": "signed out", "/outside/private": "u1",
	} {
		if _, body, _ := get(e, path, cookies...); body != want {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
	if status, _, _ := get(e, "/api/auth/session", cookies...); status != 200 {
		t.Errorf("mounted route: %d", status)
	}
	if diff := cmp.Diff([]string{"limit"}, order); diff != "" {
		t.Errorf("the group's middleware: %s", diff)
	}
}

func TestMountRefusesAGroupOffTheBasePath(t *testing.T) {
	defer func() {
		want := "luciaecho: Mount at /v1/refresh, want the group at /api/auth"
		if got := recover(); got != want {
			t.Errorf("panic: %v, want %s", got, want)
		}
	}()
	luciaecho.Mount(newEcho().Group("/v1"), newAuth(t))
}

// TestGetBehindRequireAlone checks that c.Get has the session even if no Middleware ran before
// Require. It also checks that c.Get keeps that session when the request signs out, while Session
// reflects the sign-out.
func TestGetBehindRequireAlone(t *testing.T) {
	auth, other := newAuth(t), newAuth(t)
	e := newEcho()
	e.GET("/", func(c echo.Context) error {
		luciaecho.Session(c, other) // another Auth, which has no session here
		got, _ := c.Get(luciaecho.Key).(*session.Session[user])
		if got == nil || got != luciaecho.Session(c, auth) {
			t.Errorf("c.Get has %v, Session %v", got, luciaecho.Session(c, auth))
		}
		if err := auth.SignOut(c.Response(), c.Request()); err != nil {
			t.Error(err)
		}
		if c.Get(luciaecho.Key) != got || luciaecho.Session(c, auth) != nil {
			t.Errorf("after sign-out c.Get has %v, Session %v", c.Get(luciaecho.Key), luciaecho.Session(c, auth))
		}
		return c.NoContent(http.StatusNoContent)
	}, luciaecho.Require(auth))
	if status, _, _ := get(e, "/", signIn(t, auth)...); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
}
