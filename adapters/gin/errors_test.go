package luciagin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	luciagin "github.com/lucia-go/lucia/adapters/gin"
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

// get requests a path of an app and returns status and body.
func get(h http.Handler, target string, cookies ...*http.Cookie) (int, string) {
	r := httptest.NewRequest("GET", target, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestErrorsReachTheContext checks what a middleware around the app, such as a logger, finds in
// c.Errors, and that an aborted chain runs no further handlers.
func TestErrorsReachTheContext(t *testing.T) {
	auth := newAuth(t)
	r := gin.New()
	var seen []error
	r.Use(func(c *gin.Context) {
		c.Next()
		for _, e := range c.Errors {
			seen = append(seen, e.Err)
		}
		if len(c.Errors) > 0 && !c.Writer.Written() {
			t.Errorf("%s: Error reports an error but has not responded", c.FullPath())
		}
	})
	r.Use(luciagin.Middleware(auth))
	handled := func(c *gin.Context) { c.String(http.StatusOK, "handled") }
	coded := fmt.Errorf("dial tcp 10.0.0.1: %w", session.CodeDatabaseUpdateFailed)
	fails := func(err error) gin.HandlerFunc {
		return func(c *gin.Context) { luciagin.Error(c, err) }
	}
	r.GET("/private", luciagin.Require(auth), handled)
	r.GET("/coded", fails(coded), handled)
	r.GET("/none", fails(nil), handled)
	r.NoRoute(luciagin.Require(auth), handled)
	cookies := signIn(t, auth)
	for _, test := range []struct {
		path    string
		cookies []*http.Cookie
		status  int
		body    string
		cause   error
	}{
		{"/private", cookies, 200, "handled", nil},
		{"/private", nil, 401, `{"message":"AUTH_UNAUTHORIZED"}`, session.CodeUnauthorized},
		{"/nowhere", nil, 401, `{"message":"AUTH_UNAUTHORIZED"}`, session.CodeUnauthorized},
		{"/nowhere", cookies, 200, "handled", nil},
		{"/coded", nil, 503, `{"message":"DATABASE_UPDATE_FAILED"}`, coded},
		{"/none", nil, 200, "handled", nil},
		{"/api/auth/refresh", nil, 405, `{"message":"AUTH_INVALID_REQUEST_METHOD"}`, nil},
	} {
		seen = nil
		status, body := get(r, test.path, test.cookies...)
		if status != test.status || body != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.path, status, body, test.status, test.body)
		}
		switch {
		case test.cause == nil && len(seen) > 0:
			t.Errorf("%s: c.Errors has %v", test.path, seen)
		case test.cause != nil && (len(seen) != 1 || !errors.Is(seen[0], test.cause)):
			t.Errorf("%s: c.Errors has %v, want %v", test.path, seen, test.cause)
		}
	}
}

// TestGroups adds the middleware to a group and the routes next to it.
func TestGroups(t *testing.T) {
	auth := newAuth(t)
	r := gin.New()
	var order []string
	limit := func(*gin.Context) { order = append(order, "limit") }
	who := func(c *gin.Context) {
		if s := luciagin.Session(c, auth); s != nil {
			c.String(http.StatusOK, s.User.ID)
			return
		}
		c.String(http.StatusOK, "signed out")
	}
	app := r.Group("/app", luciagin.Middleware(auth))
	app.GET("", who)
	app.Group("/deep").GET("/er", who)
	r.GET("/outside", who)
	r.GET("/outside/private", luciagin.Require(auth), who)
	luciagin.Mount(r.Group("/api/auth", limit), auth)

	cookies := signIn(t, auth)
	for path, want := range map[string]string{
		"/app": "u1", "/app/deep/er": "u1", "/outside": "signed out", "/outside/private": "u1",
	} {
		if _, body := get(r, path, cookies...); body != want {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
	if status, _ := get(r, "/api/auth/session", cookies...); status != 200 {
		t.Errorf("mounted route: %d", status)
	}
	if diff := cmp.Diff([]string{"limit"}, order); diff != "" {
		t.Errorf("the group's middleware: %s", diff)
	}
}

// TestSessionOfTheGinContext checks that code that gets the gin context as a context, such as
// templates, finds the session if gin falls back to the request's context.
func TestSessionOfTheGinContext(t *testing.T) {
	auth := newAuth(t)
	r := gin.New()
	r.ContextWithFallback = true
	r.Use(luciagin.Middleware(auth))
	r.GET("/", func(c *gin.Context) { c.String(http.StatusOK, auth.Session(c).User.ID) })
	if _, body := get(r, "/", signIn(t, auth)...); body != "u1" {
		t.Errorf("session of the gin context: %q", body)
	}
}

func TestMountRefusesAGroupOffTheBasePath(t *testing.T) {
	defer func() {
		want := "luciagin: Mount at /v1, want the group at /api/auth"
		if got := recover(); got != want {
			t.Errorf("panic: %v, want %s", got, want)
		}
	}()
	luciagin.Mount(gin.New().Group("/v1"), newAuth(t))
}

// TestGetBehindRequireAlone checks that c.Get has the session even if no Middleware ran before
// Require. It also checks that c.Get keeps that session when the request signs out, while Session
// reflects the sign-out.
func TestGetBehindRequireAlone(t *testing.T) {
	auth, other := newAuth(t), newAuth(t)
	r := gin.New()
	r.GET("/", luciagin.Require(auth), func(c *gin.Context) {
		luciagin.Session(c, other) // another Auth, which has no session here
		got, _ := c.MustGet(luciagin.Key).(*session.Session[user])
		if got == nil || got != luciagin.Session(c, auth) {
			t.Errorf("c.Get has %v, Session %v", got, luciagin.Session(c, auth))
		}
		if err := auth.SignOut(c.Writer, c.Request); err != nil {
			t.Error(err)
		}
		if c.MustGet(luciagin.Key) != got || luciagin.Session(c, auth) != nil {
			t.Errorf("after sign-out c.Get has %v, Session %v", c.MustGet(luciagin.Key), luciagin.Session(c, auth))
		}
		c.Status(http.StatusNoContent)
	})
	if status, _ := get(r, "/", signIn(t, auth)...); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
}

// In TestDenyCanGoThroughTheAppsMiddleware, Config.Deny returns an error of the app. A middleware
// around the app finds it in c.Errors and responds. If Deny returns the denial itself, the response
// is the same as without Deny.
func TestDenyCanGoThroughTheAppsMiddleware(t *testing.T) {
	own := errors.New("members only")
	auth := newAuthWith(t, func(c *middleware.Config[user]) {
		c.Deny = func(_ http.ResponseWriter, r *http.Request, denial *middleware.Denial) error {
			if r.URL.Path == "/plain" {
				return denial
			}
			return own
		}
	})
	r := gin.New()
	r.Use(func(c *gin.Context) {
		c.Next()
		if e := c.Errors.Last(); e != nil && errors.Is(e, own) && c.FullPath() == "/own" {
			c.Writer.WriteString(fmt.Sprintf("<h1>%v at %s</h1>", e.Err, c.FullPath()))
		}
	})
	never := func(*gin.Context) { t.Error("the handler ran") }
	for _, path := range []string{"/own", "/unanswered", "/plain"} {
		r.GET(path, luciagin.Require(auth), never)
	}
	for _, test := range []struct {
		path   string
		status int
		body   string
	}{
		{"/own", 401, "<h1>members only at /own</h1>"},
		{"/unanswered", 401, ""},
		{"/plain", 401, `{"message":"AUTH_UNAUTHORIZED"}`},
	} {
		if status, body := get(r, test.path); status != test.status || body != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.path, status, body, test.status, test.body)
		}
	}
}
