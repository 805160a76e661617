package adaptertest

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of PostgreSQL
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite" // the driver of SQLite

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// Hostile attacks an app in the framework of h as a stranger would, on each kind of store. [Run]
// attacks in more detail, and in memory.
func Hostile(t *testing.T, h Harness) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) (session.Store, session.Feed){
		"memory":     openMemory,
		"Redis":      openRedis,
		"SQLite":     openSQLite,
		"PostgreSQL": openPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, feed := open(t)
			v := &victim{h, store, feed}
			for name, attack := range map[string]func(*testing.T, *victim){
				"forged cookies and tokens":   attackForged,
				"token for another service":   attackAudience,
				"cookies after a sign-out":    attackSignedOut,
				"old generation":              attackReuse,
				"ended in another process":    attackElsewhere,
				"user ids that look alike":    attackUserIDs,
				"planted cookies at sign-in":  attackFixation,
				"cookies of a bound session":  attackBound,
				"bound: after a sign-out":     attackBoundSignedOut,
				"bound: old generation":       attackBoundReuse,
				"bound: ended in another":     attackBoundElsewhere,
				"bound: WebSocket":            attackBoundSocket,
				"requests of another origin":  attackOrigin,
				"WebSocket after a sign-out":  attackSocket,
				"more sessions than are kept": attackLimit,
			} {
				t.Run(name, func(t *testing.T) { attack(t, v) })
			}
		})
	}
}

func openMemory(*testing.T) (session.Store, session.Feed) { return memstore.New(), memstore.NewFeed() }

func openRedis(t *testing.T) (session.Store, session.Feed) {
	client := redis.NewClient(&redis.Options{Addr: testenv.Redis(t).Addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	s := redisstore.New(client, redisstore.WithTimeout(unhurried))
	return s, s
}

// unhurried is more time than a call needs on a machine under load.
const unhurried = 20 * time.Second

func openSQLite(t *testing.T) (session.Store, session.Feed) {
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"}}
	return openSQL(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?"+pragmas.Encode(), sqlstore.SQLite)
}

func openPostgres(t *testing.T) (session.Store, session.Feed) {
	return openSQL(t, "pgx", testenv.PostgresURL(testenv.Postgres(t).Addr), sqlstore.Postgres)
}

func openSQL(t *testing.T, driver, url string, dialect sqlstore.Dialect) (session.Store, session.Feed) {
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := sqlstore.New(db, dialect, sqlstore.WithTimeout(unhurried))
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, s
}

// victim is an app that is attacked, on a store that all attacks share.
type victim struct {
	h     Harness
	store session.Store
	feed  session.Feed
}

// process returns a process of the app.
func (v *victim) process(t *testing.T, changes ...change) *world {
	t.Helper()
	var w *world
	token := Route{Path: "/token", Handler: func(c Call) {
		token, err := w.auth.TokenFor(c.R.Context(), "https://other.example", time.Minute)
		if err != nil {
			middleware.WriteError(c.W, err)
			return
		}
		fmt.Fprint(c.W, token)
	}}
	w = buildWorld(t, v.h, App{Routes: []Route{token}}, append([]change{v.shared}, changes...)...)
	t.Cleanup(w.auth.Close)
	return w
}

// shared makes a process use the store that all attacks share.
func (v *victim) shared(c *middleware.Config[Profile]) {
	c.Store.(*countingStore).Store = v.store
	c.Feed, c.Timeout = v.feed, unhurried
	c.Grace, c.Settle = 20*time.Millisecond, 20*time.Millisecond
}

// copy returns a browser of the same process with the same cookies, as a thief has it.
func (b *browser) copy() *browser {
	c := *b
	return &c
}

// asks returns what /who says to a browser whose access cookie has gone.
func (b *browser) asks() string {
	b.access = ""
	_, said := b.do("GET", "/who", "", navigation...)
	return said
}

// free checks that f asks the store for nothing.
func (w *world) free(t *testing.T, f func()) {
	t.Helper()
	before := w.store.calls.Load()
	f()
	want(t, "store calls", w.store.calls.Load()-before, 0)
}

// eventually waits until is returns true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func attackForged(t *testing.T, v *victim) {
	b := v.process(t).browser().signIn("forged")
	b.free(t, func() {
		for _, value := range []string{
			b.access, b.refresh, "x", "a.b.c", b.access[:len(b.access)-1], altered(b.access), b.access + "=",
			altered(b.refresh), strings.Repeat("A", 1<<16), string(b.bearer) + "." + string(b.bearer),
		} {
			forged := b.copy()
			forged.refresh = value
			if value == b.refresh {
				forged.refresh = altered(value)
			}
			if said := forged.asks(); strings.HasPrefix(said, "forged") {
				t.Errorf("refresh cookie %.20q: %s", value, said)
			}
			resp, _ := b.do("POST", "/api/auth/refresh", "", script.and("Authorization", "Bearer "+value)...)
			want(t, fmt.Sprintf("status of the bearer token %.20q", value), resp.StatusCode, 401)
		}
		other := b.copy()
		other.fingerprint = altered(b.fingerprint)
		want(t, "with another fingerprint", other.asks(), "invalid")
	})
}

// altered returns s with another first letter.
func altered(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func attackAudience(t *testing.T, v *victim) {
	b := v.process(t).browser().signIn("audience")
	_, token := b.do("GET", "/token", "", script...)
	want(t, "parts of the token", strings.Count(token, "."), 2)
	b.free(t, func() {
		resp, _ := b.do("GET", "/private", "", script.and("Authorization", "Bearer "+token)...)
		want(t, "as a bearer token", resp.StatusCode, 401)
		resp, _ = b.do("POST", "/api/auth/refresh", "", script.and("Authorization", "Bearer "+token)...)
		want(t, "as a refresh token", resp.StatusCode, 401)
		forged := b.copy()
		forged.access, forged.refresh = token, token
		_, said := forged.do("GET", "/who", "", navigation...)
		want(t, "as the cookies", said, "invalid")
	})
}

func attackSignedOut(t *testing.T, v *victim) {
	b := v.process(t).browser().signIn("out")
	thief, late := b.copy(), b.copy()
	resp, _ := b.do("POST", "/api/auth/logout", "", script.and("Authorization", "Bearer "+string(b.bearer))...)
	want(t, "sign-out", resp.StatusCode, 204)
	_, said := thief.do("GET", "/who", "", navigation...)
	want(t, "cookies", said, "expired")
	want(t, "refresh cookie", late.asks(), "expired")
	resp, _ = late.do("POST", "/api/auth/refresh", "", script.and("Authorization", "Bearer "+string(late.refreshToken))...)
	want(t, "refresh token", resp.StatusCode, 401)
}

func attackSocket(t *testing.T, v *victim) {
	w := v.process(t)
	b := w.browser().signIn("socket")
	thief := b.copy()
	thief.access = ""
	resp, _ := thief.do("GET", "/private", "", websocket.and("Sec-Fetch-Site", "same-origin")...)
	want(t, "while the session lives", resp.StatusCode, 200)
	if err := w.auth.EndSession(t.Context(), "socket", b.id); err != nil {
		t.Fatal(err)
	}
	resp, _ = thief.do("GET", "/private", "", websocket.and("Sec-Fetch-Site", "same-origin")...)
	want(t, "after its end", resp.StatusCode, 401)
}

// attackReuse has a thief present the first generation again and again while its owner goes on.
func attackReuse(t *testing.T, v *victim) {
	w := v.process(t)
	b := w.browser().signIn("reuse")
	phone := w.browser().signIn("reuse")
	thief := b.copy()
	eventually(t, "the thief is found", func() bool {
		if said := b.asks(); !strings.HasPrefix(said, "reuse ") {
			t.Fatalf("the owner is %s before the thief is found", said)
		}
		return thief.copy().asks() == "reused"
	})
	want(t, "the owner", b.asks(), "expired")
	want(t, "the owner's phone", phone.asks(), "expired")
}

func attackElsewhere(t *testing.T, v *victim) {
	here, there := v.process(t), v.process(t)
	b := here.browser().signIn("elsewhere")
	if err := there.auth.RevokeUser(t.Context(), "elsewhere"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the access token is refused", func() bool {
		_, said := b.copy().do("GET", "/who", "", navigation...)
		return said == "expired"
	})
}

func attackUserIDs(t *testing.T, v *victim) {
	w := v.process(t)
	ids := []string{
		"id", "id\x00", "\x00id", "id ", " id", "ID", "id*", "id?", "{id}", "id}", "id:1", `id"`, "id'", "id' OR '1'='1",
		`id\`, "id%", "id_", "id\n", "id\u2028", "id\u00e9", "ide\u0301", strings.Repeat("id", 128),
	}
	browsers := map[string]*browser{}
	for _, id := range ids {
		browsers[id] = w.browser().signIn(id)
	}
	for _, id := range ids[:len(ids)/2] {
		if err := w.auth.RevokeUser(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range ids {
		said := browsers[id].asks()
		if live := said != "expired"; live != (i >= len(ids)/2) {
			t.Errorf("%q is %s", id, said)
		}
	}
}

func attackFixation(t *testing.T, v *victim) {
	w := v.process(t)
	attacker := w.browser().signIn("attacker")
	b := attacker.copy() // the victim's browser, with planted cookies
	resp, _ := b.do("POST", "/login?user=victim", "", submission...)
	want(t, "sign-in", resp.StatusCode, 303)
	want(t, "the victim", strings.HasPrefix(b.asks(), "victim "), true)
	want(t, "the attacker", attacker.asks(), "expired")
}

func attackOrigin(t *testing.T, v *victim) {
	b := v.process(t).browser().signIn("origin")
	b.free(t, func() {
		for _, target := range []string{"/login?user=attacker", "/api/auth/refresh", "/api/auth/logout", "/api/auth/bound", "/again", "/private"} {
			resp, _ := b.do("POST", target, "", elsewhere.and("Authorization", "Bearer "+string(b.bearer))...)
			want(t, "status of "+target, resp.StatusCode, 403)
			want(t, "cookies of "+target, len(resp.Header["Set-Cookie"]), 0)
		}
	})
	_, said := b.do("GET", "/who", "", navigation...)
	want(t, "the session", said, "origin fresh")
}

func attackLimit(t *testing.T, v *victim) {
	w := v.process(t, func(c *middleware.Config[Profile]) { c.MaxSessions = 2 })
	first := w.browser().signIn("limit")
	// Stores count milliseconds, and of equal ones either is the oldest.
	time.Sleep(5 * time.Millisecond)
	for range 3 {
		w.browser().signIn("limit")
	}
	want(t, "the first session", first.asks(), "expired")
	live, err := v.store.List(t.Context(), "limit")
	want(t, "live sessions", len(live), 2)
	want(t, "error", err, nil)
}

// bound returns a process of the app that binds sessions, and a browser with a session of user that
// it binds. The first copy of its cookies, from before the binding, is in w.first.
func (v *victim) bound(t *testing.T, user string, changes ...change) (w *boundWorld, b *luciatest.Browser, tab *luciatest.Tab) {
	t.Helper()
	w = newBoundWorld(t, v.h, false, append([]change{v.shared}, changes...)...)
	t.Cleanup(w.auth.Close)
	w.user = user
	b = w.browser()
	tab = w.signIn(b)
	want(t, "sessions that the browser has bound", len(b.BoundSessions()), 1)
	if page := tab.Get("/device"); !strings.HasSuffix(page.Body, ", bound true") {
		t.Fatalf("the owner's page says %q", page.Body)
	}
	return w, b, tab
}

// withoutAccess returns a browser without keys that has copies of cookies, except for the access
// token.
func (w *boundWorld) withoutAccess(cookies []*http.Cookie) *luciatest.Browser {
	thief := w.plain()
	var copied []*http.Cookie
	for _, c := range cookies {
		if !strings.HasSuffix(c.Name, "access_token") {
			copied = append(copied, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: true, HttpOnly: true})
		}
	}
	want(w.t, "copied cookies", len(copied), 2)
	thief.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example"}, copied)
	return thief
}

// attackBound copies the cookies of a bound session and has no access token.
func attackBound(t *testing.T, v *victim) {
	w, b, tab := v.bound(t, "bound")
	thief := w.withoutAccess(b.Cookies())
	w.free(t, func() {
		stolen := thief.Open("/device")
		want(t, "page", stolen.Page().Body, "expired, bound false")
		want(t, "script", stolen.Fetch("GET", "/private", nil).Status, 401)
		want(t, "refresh by script", stolen.Fetch("POST", "/api/auth/refresh", nil).Status != 200, true)
	})
	w.device(tab, "fresh, bound true")
}

// attackBoundSignedOut has copies of a bound session's cookies, with and without the access token,
// when its owner signs out.
func attackBoundSignedOut(t *testing.T, v *victim) {
	w, b, tab := v.bound(t, "bound-out")
	all, late, early := w.later(b), w.withoutAccess(b.Cookies()), w.withoutAccess(w.first)
	if page := tab.Get("/page"); page.Status != 200 {
		t.Fatalf("the page with the tokens: %d", page.Status)
	}
	if err := tab.SignOut(); err != nil {
		t.Fatal(err)
	}
	for name, thief := range map[string]*luciatest.Browser{
		"all cookies": all, "no access token": late, "cookies from before the binding": early,
	} {
		stolen := thief.Open("/device")
		want(t, name, stolen.Page().Body, "expired, bound false")
		want(t, name+", by script", stolen.Fetch("GET", "/private", nil).Status, 401)
		want(t, name+", refresh by script", stolen.Fetch("POST", "/api/auth/refresh", nil).Status != 200, true)
	}
}

// attackBoundReuse has a thief present the cookies from before the binding again and again while
// the owner goes on.
func attackBoundReuse(t *testing.T, v *victim) {
	w, _, tab := v.bound(t, "bound-reuse", func(c *middleware.Config[Profile]) { c.AccessTTL = 4 * time.Second })
	first := w.first
	eventually(t, "the thief is found", func() bool {
		if page := tab.Get("/device"); !strings.HasSuffix(page.Body, ", bound true") {
			t.Fatalf("the owner's page says %q before the thief is found", page.Body)
		}
		return w.withoutAccess(first).Open("/device").Page().Body == "reused, bound false"
	})
	want(t, "page of the owner", tab.Get("/private").URL.Path, "/login")
	live, err := v.store.List(t.Context(), "bound-reuse")
	want(t, "live sessions", len(live), 0)
	want(t, "error", err, nil)
}

// attackBoundElsewhere ends a bound session in another process. A thief has all of its cookies.
func attackBoundElsewhere(t *testing.T, v *victim) {
	w, b, tab := v.bound(t, "bound-elsewhere")
	there := w.process(t, v.shared)
	t.Cleanup(there.auth.Close)
	if err := there.auth.RevokeUser(t.Context(), "bound-elsewhere"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the access token is refused", func() bool {
		return w.later(b).Open("/device").Page().Body == "expired, bound false"
	})
	want(t, "page of the owner", tab.Get("/private").URL.Path, "/login")
}

// attackBoundSocket opens WebSockets with copies of a bound session's cookies, while it lives and
// after its end.
func attackBoundSocket(t *testing.T, v *victim) {
	w, b, _ := v.bound(t, "bound-socket")
	all, late := w.later(b), w.withoutAccess(b.Cookies())
	status := func(b *luciatest.Browser) int {
		t.Helper()
		r, err := http.NewRequest("GET", "https://app.example/private", nil)
		if err != nil {
			t.Fatal(err)
		}
		header := websocket.and("Sec-Fetch-Site", "same-origin")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := b.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	want(t, "without an access token", status(late), 503) // the browser has to prove its key first
	want(t, "as long as the access token lives", status(all), 200)
	if err := w.auth.RevokeUser(t.Context(), "bound-socket"); err != nil {
		t.Fatal(err)
	}
	want(t, "after the end of the session", status(all), 503)
	want(t, "without an access token, after the end", status(late), 503)
}
