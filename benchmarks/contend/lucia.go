package contend

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
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

// NewAuth returns lucia with its defaults over a store. tokenCache is its
// Config.TokenCache.
func NewAuth(store session.Store, tokenCache int) (*lucia.Auth[Profile], error) {
	return lucia.New(lucia.Config[Profile]{
		Secret: key,
		Store:  store,
		LoadUser: func(_ context.Context, id string) (Profile, error) {
			i, err := strconv.Atoi(strings.TrimPrefix(id, "user-"))
			u := user(i - 1_000_000)
			return Profile{Username: u.Username, Email: u.Email, Role: u.Role}, err
		},
		TokenCache: tokenCache,
		Logger:     slog.New(slog.DiscardHandler),
	})
}

// CookieHeader is what a browser sends of a session from then on.
func CookieHeader(s *session.SignedIn[Profile]) string {
	return "__Host-access_token=" + string(s.Session.AccessToken) +
		"; __Host-encrypt_refresh_token=" + string(s.RefreshCookie) +
		"; __Host-fingerprint_token=" + string(s.Fingerprint)
}

func luciaApp(env Env, tokenCache int, handler func(*lucia.Auth[Profile]) http.Handler) (*App, error) {
	auth, err := NewAuth(memstore.New(), tokenCache)
	if err != nil {
		return nil, err
	}
	app := &App{Handler: handler(auth), Cookies: make([]string, env.Users)}
	for i := range app.Cookies {
		s, err := auth.Manager().SignIn(context.Background(), ID(i))
		if err != nil {
			return nil, err
		}
		app.Cookies[i] = CookieHeader(s)
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

// Anonymous returns lucia on net/http before a page that greets everybody alike.
func Anonymous() (http.Handler, error) {
	auth, err := NewAuth(memstore.New(), 0)
	if err != nil {
		return nil, err
	}
	return nethttp.Wrap(auth, http.HandlerFunc(Hello)), nil
}

// Hello greets everybody alike.
func Hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
