package contend

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// Profile is what lucia's apps know of a user beside the id.
type Profile struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Role     string `json:"role"`
}

// NewAuth returns lucia over a store, with its defaults but for what change
// changes; nil changes nothing.
func NewAuth(store session.Store, change func(*lucia.Config[Profile])) (*lucia.Auth[Profile], error) {
	config := lucia.Config[Profile]{
		Secret: key,
		Store:  store,
		LoadUser: func(_ context.Context, id string) (Profile, error) {
			u := withID(id)
			return Profile{Username: u.Username, Email: u.Email, Role: u.Role}, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	return lucia.New(config)
}

// SignIn begins a session and returns what its browser sends once it has been
// refreshed, as a session in use has been.
func SignIn(auth *lucia.Auth[Profile], userID string) (cookies string, err error) {
	s, header, err := BeginSession(auth, userID)
	if err != nil {
		return "", err
	}
	r := httptest.NewRequest("POST", "/api/auth/refresh", http.NoBody)
	r.Header = http.Header{"Authorization": {"Bearer " + string(s.RefreshToken)}, "Cookie": {header}, "Sec-Fetch-Site": {"same-origin"}}
	w := httptest.NewRecorder()
	auth.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return "", fmt.Errorf("refresh: status %d: %s", w.Code, w.Body)
	}
	return cookieHeader(header, w), nil
}

// BeginSession begins a session and returns it and the Cookie header of its browser.
func BeginSession(auth *lucia.Auth[Profile], userID string) (s *lucia.Session[Profile], cookies string, err error) {
	w := httptest.NewRecorder()
	s, err = auth.SignIn(w, httptest.NewRequest("POST", "/login", http.NoBody), userID)
	return s, cookieHeader("", w), err
}

// cookieHeader returns the Cookie header that a browser sends after the answer w, if it
// sent header before.
func cookieHeader(header string, w *httptest.ResponseRecorder) string {
	had, _ := http.ParseCookie(header) // of no cookies: an error and none
	var pairs []string
	set := w.Result().Cookies()
	for _, c := range had {
		if !slices.ContainsFunc(set, func(s *http.Cookie) bool { return s.Name == c.Name }) {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	for _, c := range set {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// NewInUse returns lucia some time after its start: somebody has signed out, and
// what browsers have is settled. tokenCache is its Config.TokenCache.
func NewInUse(store session.Store, tokenCache int) (*lucia.Auth[Profile], error) {
	auth, err := NewAuth(store, func(c *lucia.Config[Profile]) { c.TokenCache, c.Settle = tokenCache, -1 })
	if err != nil {
		return nil, err
	}
	return auth, auth.RevokeUser(context.Background(), "somebody")
}

func luciaApp(env Env, tokenCache int, handler func(*lucia.Auth[Profile]) http.Handler) (*App, error) {
	auth, err := NewInUse(memstore.New(), tokenCache)
	if err != nil {
		return nil, err
	}
	app := &App{Handler: handler(auth), Cookies: make([]string, env.Users)}
	for i := range app.Cookies {
		if app.Cookies[i], err = SignIn(auth, ID(i)); err != nil {
			return nil, err
		}
	}
	return app, nil
}

func nameOf(s *lucia.Session[Profile]) string {
	if s == nil {
		return ""
	}
	return s.User.Data.Username
}

func onHTTP(auth *lucia.Auth[Profile]) http.Handler {
	return nethttp.Wrap(auth, newMux(func(r *http.Request) string { return nameOf(auth.Session(r.Context())) }))
}

func luciaHTTP(env Env) (*App, error)       { return luciaApp(env, 0, onHTTP) }
func luciaFirstSight(env Env) (*App, error) { return luciaApp(env, -1, onHTTP) }

func luciaEcho(env Env) (*App, error) {
	return luciaApp(env, 0, func(auth *lucia.Auth[Profile]) http.Handler {
		return newEcho(func(c echo.Context) string { return nameOf(luciaecho.Session(c, auth)) }, luciaecho.Middleware(auth))
	})
}

func luciaGin(env Env) (*App, error) {
	return luciaApp(env, 0, func(auth *lucia.Auth[Profile]) http.Handler {
		return newGin(func(c *gin.Context) string { return nameOf(luciagin.Session(c, auth)) }, luciagin.Middleware(auth))
	})
}

func luciaHTTPRequire(env Env) (*App, error) {
	return luciaApp(env, 0, func(auth *lucia.Auth[Profile]) http.Handler {
		return nethttp.Wrap(auth, auth.Require(newMux(func(r *http.Request) string { return nameOf(auth.Session(r.Context())) })))
	})
}

func luciaEchoRequire(env Env) (*App, error) {
	return luciaApp(env, 0, func(auth *lucia.Auth[Profile]) http.Handler {
		return newEcho(func(c echo.Context) string { return nameOf(luciaecho.Session(c, auth)) }, luciaecho.Middleware(auth), luciaecho.Require(auth))
	})
}

func luciaGinRequire(env Env) (*App, error) {
	return luciaApp(env, 0, func(auth *lucia.Auth[Profile]) http.Handler {
		return newGin(func(c *gin.Context) string { return nameOf(luciagin.Session(c, auth)) }, luciagin.Middleware(auth), luciagin.Require(auth))
	})
}

// Anonymous returns lucia on net/http before a page that greets everybody alike.
// skip is its Config.Skip.
func Anonymous(skip func(*http.Request) bool) (http.Handler, error) {
	auth, err := NewAuth(memstore.New(), func(c *lucia.Config[Profile]) { c.Skip = skip })
	if err != nil {
		return nil, err
	}
	return nethttp.Wrap(auth, http.HandlerFunc(Hello)), nil
}

// Hello greets everybody alike.
func Hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
