package moving_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/appleboy/gin-jwt/v3/store"
	"github.com/gin-contrib/sessions/cookie"
	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/sessions"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/internal/moving/fromechojwt"
	"github.com/lucia-go/lucia/internal/moving/fromechosessions"
	"github.com/lucia-go/lucia/internal/moving/fromginjwt"
	"github.com/lucia-go/lucia/internal/moving/fromginsessions"
	"github.com/lucia-go/lucia/internal/moving/fromgorilla"
	"github.com/lucia-go/lucia/internal/moving/fromscs"
	"github.com/lucia-go/lucia/internal/moving/fromsveltekit"
	"github.com/lucia-go/lucia/internal/moving/people"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
)

// signedInBefore returns the cookies of a browser that has signed in to an old app.
func signedInBefore(t *testing.T, app http.Handler) []*http.Cookie {
	t.Helper()
	browser := luciatest.NewBrowser(t, app)
	browser.Open("/login").Submit(ada)
	if len(browser.Cookies()) == 0 {
		t.Fatal("the old app has set no cookie")
	}
	return browser.Cookies()
}

// newApp returns the new app. LoadUser is part of config.
type newApp func(config lucia.Config[people.Profile]) (http.Handler, error)

// page returns a request for a page with cookies.
func page(path string, cookies []*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example"+path, nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

// oldSessions returns each app that accepts old sessions, and a request that presents one.
func oldSessions(t *testing.T) map[string]func(t *testing.T) (newApp, *http.Request) {
	key := []byte(strings.Repeat("k", 32))
	type profiles = lucia.Config[people.Profile]
	ginJWT := func(present func(refreshCookie, refresh, access string) *http.Request) func(*testing.T) (newApp, *http.Request) {
		return func(t *testing.T) (newApp, *http.Request) {
			old, err := fromginjwt.Middleware(key)
			if err != nil {
				t.Fatal(err)
			}
			pair, err := old.TokenGenerator(t.Context(), "u1")
			if err != nil {
				t.Fatal(err)
			}
			return func(config profiles) (http.Handler, error) {
				return fromginjwt.After(config, old, new(people.Spent))
			}, present(old.RefreshTokenCookieName, pair.RefreshToken, pair.AccessToken)
		}
	}
	return map[string]func(t *testing.T) (newApp, *http.Request){
		"scs": func(t *testing.T) (newApp, *http.Request) {
			old := scs.New()
			return func(config profiles) (http.Handler, error) {
				return fromscs.After(config, old, &people.Carts{}, new(people.Spent))
			}, page("/", signedInBefore(t, fromscs.Before(old)))
		},
		"gorilla": func(t *testing.T) (newApp, *http.Request) {
			old := sessions.NewCookieStore(key)
			return func(config profiles) (http.Handler, error) {
				return fromgorilla.After(config, old, new(people.Spent))
			}, page("/", signedInBefore(t, fromgorilla.Before(old)))
		},
		"gorilla, files": func(t *testing.T) (newApp, *http.Request) {
			old := sessions.NewFilesystemStore(t.TempDir(), key)
			return func(config profiles) (http.Handler, error) {
				return fromgorilla.After(config, old, new(people.Spent))
			}, page("/", signedInBefore(t, fromgorilla.Before(old)))
		},
		"echo-contrib": func(t *testing.T) (newApp, *http.Request) {
			old := sessions.NewCookieStore(key)
			return func(config profiles) (http.Handler, error) {
				return fromechosessions.After(config, old, new(people.Spent))
			}, page("/", signedInBefore(t, fromechosessions.Before(old)))
		},
		"gin-contrib": func(t *testing.T) (newApp, *http.Request) {
			old := cookie.NewStore(key)
			return func(config profiles) (http.Handler, error) {
				return fromginsessions.After(config, old, new(people.Spent))
			}, page("/", signedInBefore(t, fromginsessions.Before(old)))
		},
		"echo-jwt": func(t *testing.T) (newApp, *http.Request) {
			return func(config profiles) (http.Handler, error) {
				return fromechojwt.After(config, key, new(people.Spent))
			}, page("/login", signedInBefore(t, fromechojwt.Before(key)))
		},
		"gin-jwt, refresh token": ginJWT(func(refreshCookie, refresh, _ string) *http.Request {
			r := httptest.NewRequest("POST", "https://app.example/move", nil)
			r.AddCookie(&http.Cookie{Name: refreshCookie, Value: refresh})
			return r
		}),
		"gin-jwt, access token": ginJWT(func(_, _, access string) *http.Request {
			r := httptest.NewRequest("POST", "https://app.example/move-access", nil)
			r.Header.Set("Authorization", "Bearer "+access)
			return r
		}),
		"lucia-sveltekit": func(t *testing.T) (newApp, *http.Request) {
			cookies, secret, token := kitSession(t)
			return func(config profiles) (http.Handler, error) {
				auth, err := lucia.New(config)
				if err != nil {
					return nil, err
				}
				table := &rows{tokens: map[string]bool{token: true}}
				return nethttp.Wrap(auth, fromsveltekit.CarryOver(auth, secret, table, http.NewServeMux())), nil
			}, page("/", cookies)
		},
	}
}

// kitSession returns the cookies of a session of lucia-sveltekit 0.9.1 for the user u1, the app's
// secret and the session's refresh token.
func kitSession(t *testing.T) (cookies []*http.Cookie, secret, token string) {
	t.Helper()
	file, err := os.ReadFile("fromsveltekit/testdata/session.json")
	if err != nil {
		t.Fatal(err)
	}
	var old struct {
		Secret       string
		RefreshToken string `json:"refresh_token"`
		Cookies      map[string]string
	}
	if err := json.Unmarshal(file, &old); err != nil {
		t.Fatal(err)
	}
	for name, value := range old.Cookies {
		cookies = append(cookies, &http.Cookie{Name: name, Value: value})
	}
	return cookies, old.Secret, old.RefreshToken
}

// signsIn reports whether the response to a request sets an access token.
func signsIn(app http.Handler, r *http.Request) bool {
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r.Clone(r.Context()))
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-access_token" && c.MaxAge >= 0 {
			return true
		}
	}
	return false
}

// TestOldSessionCountsOnce presents one old session twice at the same time: the second request
// arrives while the first one is inside SignIn. If that SignIn fails, a later request is accepted.
func TestOldSessionCountsOnce(t *testing.T) {
	t.Parallel()
	for name, begin := range oldSessions(t) {
		for _, fails := range []bool{false, true} {
			if fails {
				name += ", failed sign-in"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				build, request := begin(t)
				kit := newKit(t)
				var calls atomic.Int32
				inside, release := make(chan struct{}), make(chan struct{})
				config, load := kit.Config, kit.Config.LoadUser
				config.LoadUser = func(ctx context.Context, id string) (people.Profile, error) {
					if calls.Add(1) == 1 {
						close(inside)
						<-release
						if fails {
							return people.Profile{}, errors.New("the users' database is down")
						}
					}
					return load(ctx, id)
				}
				app := must(t)(build(config))
				first := make(chan bool)
				go func() { first <- signsIn(app, request) }()
				select {
				case <-inside:
				case <-first:
					t.Fatal("the old session is not accepted")
				}
				if signsIn(app, request) {
					t.Error("the second request signs in while the first one does")
				}
				close(release)
				if got := <-first; got == fails {
					t.Errorf("the first request signs in: %t, want %t", got, !fails)
				}
				if got := signsIn(app, request); got != fails {
					t.Errorf("the third request signs in: %t, want %t", got, fails)
				}
				if n := sessions1(t, kit); n != 1 {
					t.Errorf("one old session has become %d sessions, want one", n)
				}
			})
		}
	}
}

// TestOldTokenHasOneSpelling changes bits of an old token that base64 decoders ignore. The token is
// still accepted only once.
func TestOldTokenHasOneSpelling(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "u1", "user": "u1", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	respelt := token[:last] + string(digits[strings.IndexByte(digits, token[last])^1])
	signature := func(token string) string {
		decoded, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
		if err != nil {
			t.Fatal(err)
		}
		return string(decoded)
	}
	if respelt == token || signature(respelt) != signature(token) {
		t.Fatal("the other spelling decodes to another signature")
	}
	kit := newKit(t)
	app := must(t)(fromechojwt.After(kit.Config, key, new(people.Spent)))
	with := func(token string) *http.Request { return page("/login", []*http.Cookie{{Name: "token", Value: token}}) }
	if !signsIn(app, with(token)) {
		t.Fatal("the old token is not accepted")
	}
	if signsIn(app, with(respelt)) {
		t.Error("the same token in another spelling is accepted")
	}
}

// TestStoredUserOfGinJWT exchanges refresh tokens with what an Authenticator may return, from
// gin-jwt's memory and from its Redis store, where it is decoded JSON.
func TestStoredUserOfGinJWT(t *testing.T) {
	t.Parallel()
	type user struct{ ID string }
	server := testenv.Redis(t)
	for name, c := range map[string]struct {
		user any
		want int
	}{
		"string":  {"u1", 204},
		"number":  {10_000_000, 401},
		"struct":  {user{"u1"}, 401},
		"pointer": {&user{"u1"}, 401},
		"map":     {map[string]any{"id": "u1"}, 401},
		"nil":     {nil, 401},
		"unknown": {"u9", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, err := fromginjwt.Middleware([]byte(strings.Repeat("k", 32)))
			if err != nil {
				t.Fatal(err)
			}
			app := must(t)(fromginjwt.After(newKit(t).Config, old, new(people.Spent)))
			move := func(which string) {
				t.Helper()
				if err := old.RefreshTokenStore.Set(t.Context(), name, c.user, time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest("POST", "https://app.example/move", nil)
				r.AddCookie(&http.Cookie{Name: old.RefreshTokenCookieName, Value: name})
				w := httptest.NewRecorder()
				if app.ServeHTTP(w, r); w.Code != c.want {
					t.Errorf("%s: status %d, want %d: %s", which, w.Code, c.want, w.Body)
				}
			}
			move("memory")
			old.RefreshTokenStore = redisOfGinJWT(t, server)
			app = must(t)(fromginjwt.After(newKit(t).Config, old, new(people.Spent)))
			move("Redis")
		})
	}
	t.Run("outage", func(t *testing.T) {
		t.Parallel()
		old, err := fromginjwt.Middleware([]byte(strings.Repeat("k", 32)))
		if err != nil {
			t.Fatal(err)
		}
		server := testenv.Redis(t)
		old.RefreshTokenStore = redisOfGinJWT(t, server)
		app := must(t)(fromginjwt.After(newKit(t).Config, old, new(people.Spent)))
		server.Kill()
		r := httptest.NewRequest("POST", "https://app.example/move", nil)
		r.AddCookie(&http.Cookie{Name: old.RefreshTokenCookieName, Value: "old"})
		w := httptest.NewRecorder()
		if app.ServeHTTP(w, r); w.Code != 503 {
			t.Errorf("gin-jwt's store is down: status %d, want 503", w.Code)
		}
	})
}

// redisOfGinJWT returns gin-jwt's own store in a Redis server.
func redisOfGinJWT(t *testing.T, server *testenv.RedisServer) *store.RedisRefreshTokenStore {
	t.Helper()
	config := store.DefaultRedisConfig()
	config.Addr, config.CacheSize = server.Addr, 1<<20
	redis, err := store.NewRedisRefreshTokenStore(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	return redis
}
