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
	echov5 "github.com/labstack/echo/v5"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciaechov5 "github.com/lucia-go/lucia/adapters/echov5"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// Profile is what lucia's apps know of a user in addition to the id.
type Profile struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Role     string `json:"role"`
}

// NewAuth returns lucia with a store and its defaults. change, if not nil, modifies the
// configuration.
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

// SignIn begins a session, refreshes it once, as sessions in use have been, and returns the
// cookies of its browser.
func SignIn(auth *lucia.Auth[Profile], userID string) (cookies string, err error) {
	s, header, err := BeginSession(auth, userID)
	if err != nil {
		return "", err
	}
	r := httptest.NewRequest("POST", "/api/auth/refresh", http.NoBody)
	r.Header = http.Header{"Cookie": {header}, "Sec-Fetch-Site": {"same-origin"}}
	if s.RefreshToken != "" { // hardened mode hides it
		r.Header.Set("Authorization", "Bearer "+string(s.RefreshToken))
	}
	w := httptest.NewRecorder()
	auth.RoutesHandler().ServeHTTP(w, r)
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

// cookieHeader returns the Cookie header that a browser sends after it has sent header and received
// the answer w.
func cookieHeader(header string, w *httptest.ResponseRecorder) string {
	had, _ := http.ParseCookie(header) // it fails if there are none
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

// NewInUse returns lucia in the state of an app in use: a user has signed out, and the other users'
// tokens are settled. tokenCache is its Config.TokenCache.
func NewInUse(store session.Store, tokenCache int) (*lucia.Auth[Profile], error) {
	return newInUse(store, func(c *lucia.Config[Profile]) { c.TokenCache = tokenCache })
}

func newInUse(store session.Store, change func(*lucia.Config[Profile])) (*lucia.Auth[Profile], error) {
	auth, err := NewAuth(store, func(c *lucia.Config[Profile]) {
		c.Settle = -1
		change(c)
	})
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
	return signedIn(env, auth, handler(auth))
}

// signedIn returns the app in which the users are signed in.
func signedIn(env Env, auth *lucia.Auth[Profile], handler http.Handler) (app *App, err error) {
	app = &App{Handler: handler, Cookies: make([]string, env.Users)}
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

func luciaEchoV5(env Env) (*App, error) {
	return luciaApp(env, 0, func(auth *lucia.Auth[Profile]) http.Handler {
		return newEchoV5(func(c *echov5.Context) string { return nameOf(luciaechov5.Session(c, auth)) }, luciaechov5.Middleware(auth))
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

// Anonymous returns lucia on net/http in front of a page that is the same for all visitors. skip
// is its Config.Skip.
func Anonymous(skip func(*http.Request) bool) (http.Handler, error) {
	auth, err := NewAuth(memstore.New(), func(c *lucia.Config[Profile]) { c.Skip = skip })
	if err != nil {
		return nil, err
	}
	return nethttp.Wrap(auth, http.HandlerFunc(Hello)), nil
}

// Hello is a page that is the same for all visitors.
func Hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
