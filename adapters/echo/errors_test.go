package luciaecho_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

type user struct{}

func newAuth(t testing.TB) *middleware.Auth[user] {
	t.Helper()
	return newAuthWith(t, func(*middleware.Config[user]) {})
}

func newAuthWith(t testing.TB, change func(*middleware.Config[user])) *middleware.Auth[user] {
	t.Helper()
	config := middleware.Config[user]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (user, error) { return user{}, nil },
		Dev:      true,
		Logger:   slog.New(slog.DiscardHandler),
	}
	change(&config)
	auth, err := middleware.New(config)
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

// TestErrorsReachTheAppsErrorHandler gives an app an HTTPErrorHandler that writes pages. It gets
// the refusals of Require, the errors of handlers and those from Error, but not the errors of the
// middleware's routes.
func TestErrorsReachTheAppsErrorHandler(t *testing.T) {
	auth := newAuth(t)
	e := newEcho()
	var seen []error
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		seen = append(seen, err)
		code := http.StatusInternalServerError
		if he := new(echo.HTTPError); errors.As(err, &he) {
			code = he.Code
		}
		c.HTML(code, fmt.Sprintf("<h1>%d</h1>", code))
	}
	e.Use(luciaecho.Middleware(auth))
	own := errors.New("the handler's own")
	e.GET("/own", func(echo.Context) error { return own })
	e.GET("/private", func(echo.Context) error { return own }, luciaecho.Require(auth))
	e.GET("/coded", func(c echo.Context) error {
		return luciaecho.Error(c, fmt.Errorf("store: %w", session.CodeDatabaseUpdateFailed))
	})
	e.GET("/uncoded", func(c echo.Context) error { return luciaecho.Error(c, own) })
	e.GET("/none", func(c echo.Context) error { return luciaecho.Error(c, nil) })
	cookies := signIn(t, auth)
	for _, test := range []struct {
		path    string
		cookies []*http.Cookie
		status  int
		body    string
		cause   error
	}{
		{"/own", nil, 500, "<h1>500</h1>", own},
		{"/private", cookies, 500, "<h1>500</h1>", own},
		{"/private", nil, 401, "<h1>401</h1>", session.CodeUnauthorized},
		{"/coded", nil, 503, "<h1>503</h1>", session.CodeDatabaseUpdateFailed},
		{"/uncoded", nil, 500, "<h1>500</h1>", own},
		{"/none", nil, 200, "", nil},
		{"/nowhere", nil, 404, "<h1>404</h1>", echo.ErrNotFound},
		{"/api/auth/refresh", nil, 405, `{"message":"AUTH_INVALID_REQUEST_METHOD"}`, nil},
	} {
		seen = nil
		status, body, header := get(e, test.path, test.cookies...)
		if status != test.status || body != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.path, status, body, test.status, test.body)
		}
		if test.cause == nil {
			if len(seen) != 0 {
				t.Errorf("%s: the error handler saw %v", test.path, seen)
			}
			continue
		}
		if len(seen) != 1 || !errors.Is(seen[0], test.cause) {
			t.Errorf("%s: the error handler saw %v, want %v", test.path, seen, test.cause)
		}
		if got := header.Get("Content-Type"); got != echo.MIMETextHTMLCharsetUTF8 {
			t.Errorf("%s: Content-Type %q", test.path, got)
		}
	}
}

// TestErrorsWithoutAnErrorHandler checks the responses of echo's own error handler.
func TestErrorsWithoutAnErrorHandler(t *testing.T) {
	e := newEcho()
	e.GET("/coded", func(c echo.Context) error {
		return luciaecho.Error(c, fmt.Errorf("dial tcp 10.0.0.1: %w", session.CodeDatabaseUpdateFailed))
	})
	status, body, header := get(e, "/coded")
	if status != 503 || body != `{"message":"DATABASE_UPDATE_FAILED"}`+"\n" {
		t.Errorf("%d %q", status, body)
	}
	if header.Get("Retry-After") == "" || header.Get("Content-Type") != echo.MIMEApplicationJSON {
		t.Errorf("header %v", header)
	}
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

func TestMountRefusesAGroupWherePagesDoNotLook(t *testing.T) {
	defer func() {
		want := "luciaecho: Mount at /v1/refresh, want the group at /api/auth"
		if got := recover(); got != want {
			t.Errorf("panic: %v, want %s", got, want)
		}
	}()
	luciaecho.Mount(newEcho().Group("/v1"), newAuth(t))
}

// TestGetBehindRequireAlone checks that c.Get has the session if no Middleware ran before
// Require, and that it keeps the session that Require let through when the request signs out,
// while Session reflects the sign-out.
func TestGetBehindRequireAlone(t *testing.T) {
	auth, other := newAuth(t), newAuth(t)
	e := newEcho()
	e.GET("/", func(c echo.Context) error {
		luciaecho.Session(c, other) // of another Auth, whose session this is not
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

// TestDenyCanGoThroughTheErrorHandler lets Config.Deny return echo errors, which the app's
// HTTPErrorHandler answers with the framework's context, for people and for scripts. A denial
// that it returns is answered as without Deny.
func TestDenyCanGoThroughTheErrorHandler(t *testing.T) {
	auth := newAuthWith(t, func(c *middleware.Config[user]) {
		c.Deny = func(_ http.ResponseWriter, r *http.Request, denial *middleware.Denial) error {
			if r.URL.Path == "/own" {
				return echo.NewHTTPError(http.StatusForbidden, "members only").SetInternal(denial)
			}
			return denial
		}
	})
	e := newEcho()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		var he *echo.HTTPError
		if !errors.As(err, &he) || !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("%s: the error handler got %v", c.Path(), err)
		}
		c.HTML(he.Code, fmt.Sprintf("<h1>%v at %s</h1>", he.Message, c.Path()))
	}
	never := func(echo.Context) error { t.Error("the handler ran"); return nil }
	e.GET("/own", never, luciaecho.Require(auth))
	e.GET("/plain", never, luciaecho.Require(auth))
	for _, test := range []struct {
		path, accept string
		status       int
		body         string
	}{
		{"/own", "text/html", 403, "<h1>members only at /own</h1>"},
		{"/own", "*/*", 403, "<h1>members only at /own</h1>"},
		{"/plain", "text/html", 303, ""},
		{"/plain", "*/*", 401, "<h1>AUTH_UNAUTHORIZED at /plain</h1>"},
	} {
		r := httptest.NewRequest("GET", test.path, nil)
		r.Header.Set("Accept", test.accept)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("%s as %s: %d %q, want %d %q", test.path, test.accept, w.Code, w.Body, test.status, test.body)
		}
		if got := w.Header().Get("Cache-Control"); got != "private, no-store" {
			t.Errorf("%s as %s: Cache-Control %q", test.path, test.accept, got)
		}
	}
}

// TestErrorAnswersPeopleWithAPage checks that echo's own error handler, which writes JSON for
// everyone, does not get the errors that people are shown.
func TestErrorAnswersPeopleWithAPage(t *testing.T) {
	e := newEcho()
	e.POST("/login", func(c echo.Context) error { return luciaecho.Error(c, session.CodeDatabaseUpdateFailed) })
	r := httptest.NewRequest("POST", "/login", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != 503 || !strings.Contains(w.Body.String(), "<h1>Back in a moment</h1>") || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
