package contend

import (
	"context"
	"encoding/gob"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	ginsessions "github.com/gin-contrib/sessions"
	ginredis "github.com/gin-contrib/sessions/redis"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/redis/go-redis/v9"
)

// registerUser registers User with gob, which the session libraries use to store values. It may
// be called again.
func registerUser() { gob.Register(User{}) }

func scsMemory(env Env) (*App, error) { return scsApp(env, scs.New()) }

func scsRedis(env Env) (*App, error) {
	client := redis.NewClient(&redis.Options{Addr: env.Redis})
	manager := scs.New()
	manager.Store = goredisstore.New(client)
	app, err := scsApp(env, manager)
	if err != nil {
		return nil, err
	}
	app.Close = func() { client.Close() }
	return app, nil
}

func scsApp(env Env, manager *scs.SessionManager) (*App, error) {
	registerUser()
	mux := newMux(func(r *http.Request) string {
		u, _ := manager.Get(r.Context(), "user").(User)
		return u.Username
	})
	app := &App{Handler: manager.LoadAndSave(mux), Cookies: make([]string, env.Users)}
	for i := range app.Cookies {
		token, err := SignInSCS(manager, i)
		if err != nil {
			return nil, err
		}
		app.Cookies[i] = threeCookies("session", token)
	}
	return app, nil
}

// SignInSCS signs user i in with scs and returns the token.
func SignInSCS(manager *scs.SessionManager, i int) (token string, err error) {
	registerUser()
	ctx, err := manager.Load(context.Background(), "")
	if err != nil {
		return "", err
	}
	manager.Put(ctx, "user", user(i))
	token, _, err = manager.Commit(ctx)
	return token, err
}

func gorillaCookie(env Env) (*App, error) {
	registerUser()
	store := sessions.NewCookieStore(key, key) // signed and encrypted
	mux := newMux(func(r *http.Request) string {
		s, err := store.Get(r, "session")
		if err != nil {
			return ""
		}
		u, _ := s.Values["user"].(User)
		return u.Username
	})
	app := &App{Handler: mux, Cookies: make([]string, env.Users)}
	for i := range app.Cookies {
		value, err := securecookie.EncodeMulti("session", map[any]any{"user": user(i)}, store.Codecs...)
		if err != nil {
			return nil, err
		}
		app.Cookies[i] = threeCookies("session", value)
	}
	return app, nil
}

func ginSessionsRedis(env Env) (*App, error) {
	registerUser()
	const idle = 64 // connections kept
	store, err := ginredis.NewStore(idle, "tcp", env.Redis, "", "", key)
	if err != nil {
		return nil, err
	}
	e := newGin(func(c *gin.Context) string {
		u, _ := ginsessions.Default(c).Get("user").(User)
		return u.Username
	}, ginsessions.Sessions("session", store))
	e.POST("/login/:i", func(c *gin.Context) {
		i, err := strconv.Atoi(c.Param("i"))
		s := ginsessions.Default(c)
		s.Set("user", user(i))
		if err != nil || s.Save() != nil {
			c.Status(http.StatusInternalServerError)
		}
	})
	app := &App{Handler: e, Cookies: make([]string, env.Users)}
	for i := range app.Cookies {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("POST", "/login/"+strconv.Itoa(i), nil))
		value, _, _ := strings.Cut(strings.TrimPrefix(w.Header().Get("Set-Cookie"), "session="), ";")
		app.Cookies[i] = threeCookies("session", value)
	}
	return app, nil
}
