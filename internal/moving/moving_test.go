package moving_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"
	ginjwt2 "github.com/appleboy/gin-jwt/v2"
	ginjwt "github.com/appleboy/gin-jwt/v3"
	"github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/sessions"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/client"
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
	"github.com/lucia-go/lucia/session"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

// site is an app that a test replaces with another one.
type site struct{ http.Handler }

var ada = url.Values{"username": {"Ada"}, "password": {"secret"}}

func newKit(t *testing.T) *luciatest.Kit[people.Profile] {
	return luciatest.New(t, map[string]people.Profile{"u1": {Name: "Ada"}, "u2": {Name: "Grace"}})
}

// must returns the app, or fails the test.
func must(t *testing.T) func(http.Handler, error) http.Handler {
	return func(app http.Handler, err error) http.Handler {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return app
	}
}

// want checks that a page is at a path and contains the texts.
func want(t *testing.T, page *luciatest.Page, path string, texts ...string) {
	t.Helper()
	if page.URL.Path != path || page.Status >= 400 {
		t.Errorf("the page is %d %s %.300q, want %s", page.Status, page.URL.Path, page.Body, path)
	}
	for _, text := range texts {
		if !strings.Contains(page.Body, text) {
			t.Errorf("%s: %.600q, want %q", page.URL.Path, page.Body, text)
		}
	}
}

// names returns the names of the browser's cookies.
func names(b *luciatest.Browser) (names []string) {
	for _, c := range b.Cookies() {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names
}

// carriedOver checks that the browser has lucia's cookies and none of the old app's, and that the
// user has one session.
func carriedOver(t *testing.T, kit *luciatest.Kit[people.Profile], b *luciatest.Browser, also ...string) {
	t.Helper()
	expected := append([]string{"__Host-access_token", "__Host-encrypt_refresh_token", "__Host-fingerprint_token"}, also...)
	slices.Sort(expected)
	if got := names(b); !slices.Equal(got, expected) {
		t.Errorf("cookies %v, want %v", got, expected)
	}
	if n := sessions1(t, kit); n != 1 {
		t.Errorf("the user has %d sessions, want one", n)
	}
}

func sessions1(t *testing.T, kit *luciatest.Kit[people.Profile]) int {
	t.Helper()
	list, err := kit.Store.List(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// replay opens a page in a browser that has copies of cookies, and returns the response.
func replay(app http.Handler, path string, cookies []*http.Cookie) *http.Response {
	r := httptest.NewRequest("GET", "https://app.example"+path, nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w.Result()
}

// spentOnce checks that copies of the old app's cookies are not accepted again. Shortly after the
// exchange they get a page that asks again.
func spentOnce(t *testing.T, kit *luciatest.Kit[people.Profile], app http.Handler, path string, cookies []*http.Cookie) {
	t.Helper()
	before := sessions1(t, kit)
	answer := replay(app, path, cookies)
	if answer.Header.Get("Refresh") != "1" || len(answer.Cookies()) != 0 {
		t.Errorf("old cookies presented again: status %d, cookies %v, want a page that asks again", answer.StatusCode, answer.Cookies())
	}
	if after := sessions1(t, kit); after != before {
		t.Errorf("old cookies presented again: %d sessions, want %d as before", after, before)
	}
}

// refused checks that cookies lead to the login page.
func refused(t *testing.T, app http.Handler, path string, cookies []*http.Cookie) {
	t.Helper()
	if answer := replay(app, path, cookies); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d, want 303 to the login page", answer.StatusCode)
	}
}

// oldApps returns the apps whose old cookies are exchanged by the next page, before and after.
func oldApps(t *testing.T) map[string]func(*testing.T, lucia.Config[people.Profile]) (before, after http.Handler) {
	key := []byte(strings.Repeat("k", 32))
	manager := scs.New() // starts a goroutine
	cookies, files := sessions.NewCookieStore(key), sessions.NewFilesystemStore(t.TempDir(), key)
	gins := cookie.NewStore(key)
	type config = lucia.Config[people.Profile]
	return map[string]func(*testing.T, config) (before, after http.Handler){
		"scs": func(t *testing.T, c config) (before, after http.Handler) {
			return fromscs.Before(manager), must(t)(fromscs.After(c, manager, new(people.Carts), new(people.Spent)))
		},
		"gorilla, cookies": func(t *testing.T, c config) (before, after http.Handler) {
			return fromgorilla.Before(cookies), must(t)(fromgorilla.After(c, cookies, new(people.Spent)))
		},
		"gorilla, files": func(t *testing.T, c config) (before, after http.Handler) {
			return fromgorilla.Before(files), must(t)(fromgorilla.After(c, files, new(people.Spent)))
		},
		"echo": func(t *testing.T, c config) (before, after http.Handler) {
			return fromechosessions.Before(cookies), must(t)(fromechosessions.After(c, cookies, new(people.Spent)))
		},
		"gin": func(t *testing.T, c config) (before, after http.Handler) {
			return fromginsessions.Before(gins), must(t)(fromginsessions.After(c, gins, new(people.Spent)))
		},
		"echo-jwt": func(t *testing.T, c config) (before, after http.Handler) {
			return fromechojwt.Before(key), must(t)(fromechojwt.After(c, key, new(people.Spent)))
		},
	}
}

// TestTabsThatAreRestoredTogether requests ten pages at once with the old cookies. One request
// begins the only session. The others ask again, with the cookies of that session, and no tab shows
// the login page. Half a minute later the old cookies lead there.
func TestTabsThatAreRestoredTogether(t *testing.T) {
	t.Parallel()
	for name, apps := range oldApps(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kit := newKit(t)
				before, after := apps(t, kit.Config)
				browser := luciatest.NewBrowser(t, before)
				browser.Open("/login").Submit(ada)
				restoredTogether(t, kit, after, browser.Cookies())
				time.Sleep(31 * time.Second)
				refused(t, after, "/account", browser.Cookies())
			})
		})
	}
}

// restoredTogether requests ten pages at once with old cookies.
func restoredTogether(t *testing.T, kit *luciatest.Kit[people.Profile], app http.Handler, old []*http.Cookie) {
	t.Helper()
	var answers [10]*http.Response
	var tabs sync.WaitGroup
	for i := range answers {
		tabs.Go(func() { answers[i] = replay(app, "/account", old) })
	}
	tabs.Wait()
	var signedIn []*http.Cookie
	again := 0
	for _, answer := range answers {
		switch {
		case answer.Header.Get("Refresh") == "1" && len(answer.Cookies()) == 0:
			again++
		case answer.StatusCode == http.StatusOK:
			signedIn = answer.Cookies()
		default:
			t.Errorf("a tab gets %d %s", answer.StatusCode, answer.Header.Get("Location"))
		}
	}
	if again != len(answers)-1 {
		t.Errorf("%d of %d tabs ask again, want all but one", again, len(answers))
	}
	var cookies []*http.Cookie
	for _, c := range signedIn {
		if c.MaxAge >= 0 {
			cookies = append(cookies, c)
		}
	}
	if answer := replay(app, "/account", cookies); answer.StatusCode != http.StatusOK || answer.Header.Get("Refresh") != "" {
		t.Errorf("a tab that asks again gets %d", answer.StatusCode)
	}
	if n := sessions1(t, kit); n != 1 {
		t.Errorf("the user has %d sessions, want one", n)
	}
}

func TestFromSCS(t *testing.T) {
	t.Parallel()
	kit, carts := newKit(t), &people.Carts{}
	old := scs.New()
	old.Cookie.Secure = true
	app := &site{fromscs.Before(old)}
	browser := luciatest.NewBrowser(t, app)
	tab := browser.Open("/")
	want(t, tab.Submit(url.Values{"item": {"pen"}}), "/", "Cart: pen", "Added.")
	want(t, tab.Get("/account"), "/login")
	want(t, tab.Submit(ada), "/account", "Account of Ada")
	cookies := browser.Cookies()

	app.Handler = must(t)(fromscs.After(kit.Config, old, carts, new(people.Spent)))
	want(t, tab.Get("/"), "/", "Hello, Ada", "Cart: pen")
	carriedOver(t, kit, browser)
	spentOnce(t, kit, app, "/account", cookies)
	want(t, tab.Submit(url.Values{"item": {"ink"}}), "/", "Cart: pen,ink", "Added.")
	if page := tab.Get("/"); strings.Contains(page.Body, "Added.") {
		t.Error("the message is shown twice")
	}
	want(t, tab.Submit(url.Values{"out": {"1"}}), "/", "stranger", "Cart: <")

	visitor := luciatest.NewBrowser(t, app).Open("/")
	visitor.Submit(url.Values{"item": {"cup"}})
	want(t, visitor.Submit(url.Values{"item": {"pot"}}), "/", "Cart: cup,pot")
	want(t, visitor.Get("/account"), "/login")
	want(t, visitor.Submit(ada), "/account", "Account of Ada")
	want(t, visitor.Get("/"), "/", "Cart: pen,ink,cup,pot")
}

// TestFormOfAnOldPageIsAccepted submits a form that was open while the new version was deployed.
func TestFormOfAnOldPageIsAccepted(t *testing.T) {
	t.Parallel()
	kit, carts := newKit(t), &people.Carts{}
	old := scs.New()
	app := &site{fromscs.Before(old)}
	tab := luciatest.NewBrowser(t, app).Open("/login")
	want(t, tab.Submit(ada), "/")
	app.Handler = must(t)(fromscs.After(kit.Config, old, carts, new(people.Spent)))
	want(t, tab.Submit(url.Values{"item": {"pen"}}), "/", "Hello, Ada", "Cart: pen", "Added.")
}

// TestOldSessionSurvivesAnOutage checks that an old session is neither lost nor used up while
// lucia's store is down.
func TestOldSessionSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	old := scs.New()
	app := &site{fromscs.Before(old)}
	tab := luciatest.NewBrowser(t, app).Open("/login")
	tab.Submit(ada)
	app.Handler = must(t)(fromscs.After(kit.Config, old, new(people.Carts), new(people.Spent)))
	up := kit.StoreDown()
	want(t, tab.Get("/"), "/", "stranger")
	up()
	want(t, tab.Get("/"), "/", "Hello, Ada")
}

func TestFromGorilla(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]sessions.Store{
		"cookies": sessions.NewCookieStore([]byte(strings.Repeat("k", 32))),
		"files":   sessions.NewFilesystemStore(t.TempDir(), []byte(strings.Repeat("k", 32))),
	} {
		t.Run(name, func(t *testing.T) {
			kit := newKit(t)
			app := &site{fromgorilla.Before(store)}
			browser := luciatest.NewBrowser(t, app)
			tab := browser.Open("/account")
			want(t, tab.Submit(ada), "/", "Hello, Ada", "Welcome back.")
			cookies := browser.Cookies()

			app.Handler = must(t)(fromgorilla.After(kit.Config, store, &people.Spent{}))
			want(t, tab.Get("/account"), "/account", "Account of Ada")
			carriedOver(t, kit, browser)
			spentOnce(t, kit, app, "/account", cookies)
			tab.Get("/")
			want(t, tab.Submit(url.Values{"out": {"1"}}), "/", "stranger")
			want(t, tab.Get("/account"), "/login")
			want(t, tab.Submit(ada), "/account")
			want(t, tab.Get("/"), "/", "Welcome back.")
		})
	}
}

// TestOldCookieSurvivesAnOutage checks that an old cookie, which is accepted once, is not used up
// while lucia's store is down.
func TestOldCookieSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	files, cookies := sessions.NewCookieStore(key), cookie.NewStore(key)
	for name, c := range map[string]struct {
		before http.Handler
		after  func(lucia.Config[people.Profile], *people.Spent) (http.Handler, error)
	}{
		"gorilla": {fromgorilla.Before(files), func(config lucia.Config[people.Profile], spent *people.Spent) (http.Handler, error) {
			return fromgorilla.After(config, files, spent)
		}},
		"gin-contrib": {fromginsessions.Before(cookies), func(config lucia.Config[people.Profile], spent *people.Spent) (http.Handler, error) {
			return fromginsessions.After(config, cookies, spent)
		}},
		"echo-jwt": {fromechojwt.Before(key), func(config lucia.Config[people.Profile], spent *people.Spent) (http.Handler, error) {
			return fromechojwt.After(config, key, spent)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			kit := newKit(t)
			app := &site{c.before}
			tab := luciatest.NewBrowser(t, app).Open("/account")
			tab.Submit(ada)
			app.Handler = must(t)(c.after(kit.Config, new(people.Spent)))
			up := kit.StoreDown()
			want(t, tab.Get("/account"), "/login")
			up()
			if page := tab.Get("/account"); page.URL.Path != "/account" || page.Status != http.StatusOK {
				t.Errorf("after the outage: %d %s, want 200 /account", page.Status, page.URL.Path)
			}
		})
	}
}

func TestFromEchoSessions(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	store := sessions.NewCookieStore([]byte(strings.Repeat("k", 32)))
	app := &site{fromechosessions.Before(store)}
	browser, signedOut := luciatest.NewBrowser(t, app), luciatest.NewBrowser(t, app)
	tab, other := browser.Open("/account"), signedOut.Open("/login")
	want(t, tab.Submit(ada), "/", "Hello, Ada")
	cookies := browser.Cookies()
	want(t, other.Submit(ada), "/", "Hello, Ada")
	want(t, other.Submit(url.Values{"out": {"1"}}), "/", "stranger", "You are signed out.")

	app.Handler = must(t)(fromechosessions.After(kit.Config, store, &people.Spent{}))
	want(t, tab.Get("/account"), "/account", "Account of Ada")
	carriedOver(t, kit, browser)
	spentOnce(t, kit, app, "/account", cookies)
	want(t, other.Get("/account"), "/login") // the old session had the id of a user who was signed out
	if got := names(signedOut); len(got) != 0 {
		t.Errorf("the old session's cookie is not deleted: %v", got)
	}
	tab.Get("/")
	want(t, tab.Submit(url.Values{"out": {"1"}}), "/", "stranger", "You are signed out.")
	want(t, tab.Get("/account"), "/login")
	want(t, tab.Submit(url.Values{"username": {"Ada"}, "password": {"guess"}}), "/login", "Wrong name or password.")
	if page := tab.Get("/"); strings.Contains(page.Body, "Wrong name") {
		t.Error("the message is shown twice")
	}
	tab.Get("/account")
	want(t, tab.Submit(ada), "/account", "Account of Ada")
}

func TestFromGinSessions(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	store := cookie.NewStore([]byte(strings.Repeat("k", 32)))
	app := &site{fromginsessions.Before(store)}
	browser := luciatest.NewBrowser(t, app)
	tab := browser.Open("/account")
	want(t, tab.Submit(ada), "/", "Hello, Ada")
	cookies := browser.Cookies()

	app.Handler = must(t)(fromginsessions.After(kit.Config, store, new(people.Spent)))
	want(t, tab.Get("/account"), "/account", "Account of Ada")
	carriedOver(t, kit, browser)
	spentOnce(t, kit, app, "/account", cookies)
	tab.Get("/")
	want(t, tab.Submit(url.Values{"out": {"1"}}), "/", "stranger")
	want(t, tab.Get("/account"), "/login")
	want(t, tab.Submit(ada), "/account", "Account of Ada")
}

// TestFromGinJWT moves an API whose refresh tokens are in gin-jwt's Redis store, and one whose
// refresh tokens are in the memory of the old process.
func TestFromGinJWT(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"memory", "Redis"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			old, err := fromginjwt.Middleware([]byte(strings.Repeat("k", 32)))
			if err != nil {
				t.Fatal(err)
			}
			if where == "Redis" {
				old.RefreshTokenStore = redisOfGinJWT(t, testenv.Redis(t))
			}
			testFromGinJWT(t, old)
		})
	}
}

func testFromGinJWT(t *testing.T, old *ginjwt.GinJWTMiddleware) {
	kit := newKit(t)
	app := &site{fromginjwt.Before(old)}
	browser := luciatest.NewBrowser(t, app)
	tab := browser.Open("/")
	fetch := func(method, path, body string, status int, text string) {
		t.Helper()
		if page := tab.Fetch(method, path, strings.NewReader(body)); page.Status != status || !strings.Contains(page.Body, text) {
			t.Errorf("%s %s: %d %.200q, want %d %q", method, path, page.Status, page.Body, status, text)
		}
	}
	credentials := `{"username":"Ada","password":"secret"}`
	fetch("POST", "/login", credentials, 200, "access_token")
	fetch("GET", "/api/me", "", 200, `"name":"Ada"`)
	fetch("GET", "/api/users/u2", "", 403, "")
	cookies := browser.Cookies()

	app.Handler = must(t)(fromginjwt.After(kit.Config, old, new(people.Spent)))
	fetch("GET", "/api/me", "", 401, "AUTH_UNAUTHORIZED")
	fetch("POST", "/move", "", 204, "")
	fetch("GET", "/api/me", "", 200, `"name":"Ada"`)
	carriedOver(t, kit, browser)
	fetch("POST", "/move", "", 401, "")
	r := httptest.NewRequest("POST", "https://app.example/move", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	if app.ServeHTTP(w, r); w.Code != 401 || sessions1(t, kit) != 1 {
		t.Errorf("the old refresh token presented again: status %d, want 401 and one session", w.Code)
	}
	fetch("POST", "/login", `{"username":"Ada"}`, 401, "")
	fetch("POST", "/login", credentials, 204, "")
	fetch("GET", "/api/me", "", 200, `"name":"Ada"`)
}

// TestFromGinJWTAccessToken exchanges access tokens of both versions for a session, once each.
func TestFromGinJWTAccessToken(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	old, err := fromginjwt.Middleware(key)
	if err != nil {
		t.Fatal(err)
	}
	access, err := old.TokenGenerator(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	v2, err := ginjwt2.New(&ginjwt2.GinJWTMiddleware{
		Key:         key,
		PayloadFunc: func(id any) ginjwt2.MapClaims { return ginjwt2.MapClaims{"user": id} },
	})
	if err != nil {
		t.Fatal(err)
	}
	words, _, err1 := v2.TokenGenerator("u1")
	number, _, err2 := v2.TokenGenerator(10_000_000)
	unknown, _, err3 := v2.TokenGenerator("u9")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	forged, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user": "u1", "exp": 9e9}).SignedString([]byte("another key"))
	if err != nil {
		t.Fatal(err)
	}
	endless, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user": "u1"}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		want        int
		id          string
	}{
		{"v3", access.AccessToken, 204, "u1"},
		{"v2", words, 204, "u1"},
		{"v2, the id is a number", number, 204, "10000000"},
		{"no such user", unknown, 400, ""},
		{"forged", forged, 401, ""},
		{"without an expiry", endless, 401, ""},
		{"no token", "", 401, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kit := newKit(t)
			kit.SetUser("10000000", people.Profile{Name: "Tim"})
			app := must(t)(fromginjwt.After(kit.Config, old, new(people.Spent)))
			ask := apiClient(t, app)
			if got := ask("POST", "/move-access", c.token); got != c.want {
				t.Fatalf("old token: status %d, want %d", got, c.want)
			}
			if c.id == "" {
				return
			}
			if got := ask("GET", "/api/me", c.token); got != 401 {
				t.Errorf("cookies beside the old token: status %d, want 401", got)
			}
			if got := ask("GET", "/api/me", ""); got != 200 {
				t.Errorf("cookies: status %d, want 200", got)
			}
			if list, err := kit.Store.List(t.Context(), c.id); err != nil || len(list) != 1 {
				t.Errorf("the user has sessions %v, error %v, want one session", list, err)
			}
			if got := apiClient(t, app)("POST", "/move-access", c.token); got != 401 {
				t.Errorf("old token presented again: status %d, want 401", got)
			}
		})
	}
	t.Run("outage", func(t *testing.T) {
		kit := newKit(t)
		ask := apiClient(t, must(t)(fromginjwt.After(kit.Config, old, new(people.Spent))))
		up := kit.StoreDown()
		if got := ask("POST", "/move-access", words); got != 503 {
			t.Errorf("during the outage: status %d, want 503", got)
		}
		up()
		if got := ask("POST", "/move-access", words); got != 204 {
			t.Errorf("after the outage: status %d, want 204", got)
		}
	})
}

// apiClient returns a client that could be written in any language: it has a cookie jar, sends
// JSON, and knows nothing about lucia. Each call returns the status of the response.
func apiClient(t *testing.T, app http.Handler) func(method, path, bearer string) int {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar, Transport: luciatest.Transport(app)}
	return func(method, path, bearer string) int {
		t.Helper()
		r, err := http.NewRequest(method, "https://app.example"+path, strings.NewReader(`{"username":"Ada","password":"secret"}`))
		if err != nil {
			t.Fatal(err)
		}
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
}

// TestGoClient checks what docs/from/jwt.md says about a Go program.
func TestGoClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := newKit(t)
		old, err := fromginjwt.Middleware([]byte(strings.Repeat("k", 32)))
		if err != nil {
			t.Fatal(err)
		}
		app := must(t)(fromginjwt.After(kit.Config, old, new(people.Spent)))
		c, err := client.New[people.Profile](t.Context(), client.Config{
			BaseURL: "https://app.example", Transport: luciatest.Transport(app),
		})
		if err != nil {
			t.Fatal(err)
		}
		signIn := func(password string) (*session.Session[people.Profile], error) {
			return fromginjwt.SignIn(t.Context(), c, "https://app.example/login", fromginjwt.Credentials{Username: "Ada", Password: password})
		}
		if s, err := signIn("wrong"); s != nil || err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("a wrong password: %v, %v, want a 401", s, err)
		}
		if s, err := signIn("secret"); err != nil || s.User.Data.Name != "Ada" {
			t.Fatalf("SignIn = %v, %v, want Ada", s, err)
		}
		for range 3 {
			resp, err := c.HTTPClient().Get("https://app.example/api/me")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("GET /api/me: status %d, want 200", resp.StatusCode)
			}
			kit.PassAccessTTL()
		}
		if err := c.SignOut(t.Context()); err != nil || sessions1(t, kit) != 0 {
			t.Errorf("SignOut = %v, and the user has %d sessions, want none", err, sessions1(t, kit))
		}
	})
}

// TestCookieJar checks what docs/from/jwt.md says about a program with a cookie jar.
func TestCookieJar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := newKit(t)
		old, err := fromginjwt.Middleware([]byte(strings.Repeat("k", 32)))
		if err != nil {
			t.Fatal(err)
		}
		ask := apiClient(t, must(t)(fromginjwt.After(kit.Config, old, new(people.Spent))))
		step := func(method, path string, want int) {
			t.Helper()
			if got := ask(method, path, ""); got != want {
				t.Errorf("%s %s: status %d, want %d", method, path, got, want)
			}
		}
		step("GET", "/api/me", 401)
		step("POST", "/login", 204)
		for range 3 {
			step("GET", "/api/me", 200)
			step("GET", "/api/users/u2", 403)
			kit.PassAccessTTL()
		}
		step("POST", "/api/auth/logout", 401) // without a token it cannot name the session
		step("GET", "/api/me", 200)
		step("POST", "/logout", 204)
		step("GET", "/api/me", 401)
	})
}

func TestFromEchoJWT(t *testing.T) {
	t.Parallel()
	kit, key := newKit(t), []byte(strings.Repeat("k", 32))
	app := &site{fromechojwt.Before(key)}
	browser := luciatest.NewBrowser(t, app)
	tab := browser.Open("/account")
	want(t, tab.Submit(ada), "/account", "Hello, Ada")
	cookies := browser.Cookies()

	app.Handler = must(t)(fromechojwt.After(kit.Config, key, new(people.Spent)))
	want(t, tab.Get("/account"), "/account", "Hello, Ada")
	carriedOver(t, kit, browser)
	spentOnce(t, kit, app, "/account", cookies)
	tab.Submit(url.Values{"out": {"1"}})
	want(t, tab.Get("/account"), "/login")
	want(t, tab.Submit(ada), "/account", "Hello, Ada")
	forged := []*http.Cookie{{Name: "token", Value: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6OTk5OTk5OTk5OX0."}}
	refused(t, app, "/account", forged)
}

// rows is the table refresh_token, in memory.
type rows struct {
	mu     sync.Mutex
	tokens map[string]bool
}

func (r *rows) Exists(_ context.Context, token string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tokens[token], nil
}

func (r *rows) Delete(_ context.Context, token string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tokens, token)
	return nil
}

// TestFromSvelteKit exchanges cookies that lucia-sveltekit 0.9.1 has set.
func TestFromSvelteKit(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("fromsveltekit/testdata/session.json")
	if err != nil {
		t.Fatal(err)
	}
	var old struct {
		Secret         string
		HashedPassword string `json:"hashed_password"`
		RefreshToken   string `json:"refresh_token"`
		Cookies        map[string]string
	}
	if err := json.Unmarshal(file, &old); err != nil {
		t.Fatal(err)
	}
	if !fromsveltekit.Verify("secret", old.HashedPassword) || fromsveltekit.Verify("Secret", old.HashedPassword) {
		t.Error("Verify does not distinguish the password from another one")
	}
	cookies := func(change ...string) (list []*http.Cookie) {
		for name, value := range old.Cookies {
			for i := 0; i+1 < len(change); i += 2 {
				if change[i] == name {
					value = change[i+1]
				}
			}
			if value != "" {
				list = append(list, &http.Cookie{Name: name, Value: value})
			}
		}
		return list
	}
	for name, test := range map[string]struct {
		cookies []*http.Cookie
		secret  string
		row     bool
		later   time.Duration
		want    int
	}{
		"carried over":           {cookies(), old.Secret, true, 0, 200},
		"access token expired":   {cookies("access_token", ""), old.Secret, true, 0, 200},
		"row deleted":            {cookies(), old.Secret, false, 0, 303},
		"another secret":         {cookies(), "another " + old.Secret, true, 0, 303},
		"another fingerprint":    {cookies("fingerprint_token", strings.Repeat("f", 64)), old.Secret, true, 0, 303},
		"no fingerprint":         {cookies("fingerprint_token", ""), old.Secret, true, 0, 303},
		"tampered refresh token": {cookies("encrypt_refresh_token", "00"+old.Cookies["encrypt_refresh_token"][2:]), old.Secret, true, 0, 303},
		"not a refresh token":    {cookies("encrypt_refresh_token", "x"), old.Secret, true, 0, 303},
		"expired":                {cookies(), old.Secret, true, 40 * 365 * 24 * time.Hour, 303},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the clock of the bubble is before the tokens' expiry
				time.Sleep(test.later)
				kit := newKit(t)
				newApp := func(kit *luciatest.Kit[people.Profile]) http.Handler {
					auth, err := lucia.New(kit.Config)
					if err != nil {
						t.Fatal(err)
					}
					mux := http.NewServeMux()
					mux.Handle("GET /account", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Write([]byte("Account of " + auth.Session(r.Context()).User.Data.Name))
					})))
					table := &rows{tokens: map[string]bool{old.RefreshToken: test.row}}
					return nethttp.Wrap(auth, fromsveltekit.CarryOver(auth, test.secret, table, mux))
				}
				app := newApp(kit)
				answer := replay(app, "/account", test.cookies)
				if answer.StatusCode != test.want {
					t.Errorf("status %d, want %d", answer.StatusCode, test.want)
				}
				cleared := 0
				for _, c := range answer.Cookies() {
					if !strings.HasPrefix(c.Name, "__Host-") && c.MaxAge < 0 {
						cleared++
					}
				}
				if cleared != 3 {
					t.Errorf("%d of the old cookies are cleared, want 3", cleared)
				}
				if test.want == 200 {
					another := newKit(t)
					restoredTogether(t, another, newApp(another), test.cookies)
					spentOnce(t, kit, app, "/account", test.cookies)
					time.Sleep(31 * time.Second)
					refused(t, app, "/account", test.cookies)
				}
			})
		})
	}
}
