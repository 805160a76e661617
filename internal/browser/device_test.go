package browser_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// vault is an app over https whose sessions Chromium binds to keys.
type vault struct {
	*httptest.Server
	t       *testing.T
	store   *countingStore
	auth    atomic.Pointer[middleware.Auth[profile]]
	app     atomic.Pointer[http.Handler]
	refuses atomic.Bool // the server accepts no requests, as if it were down

	mu    sync.Mutex
	seen  []seen
	ended []session.EventKind
}

// seen is a request that the vault has answered.
type seen struct {
	path, proof, id, skipped string
	cookies                  []*http.Cookie
	status                   int
}

// bindTTL is the life of an access token. Chromium refreshes a cookie with less than two minutes
// left beside each request, so with these each request does.
const bindTTL = 6 * time.Second

func newVault(t *testing.T) *vault {
	v := &vault{t: t, store: &countingStore{Store: memstore.New()}}
	v.restart()
	v.Server = httptest.NewTLSServer(v)
	t.Cleanup(v.Close)
	return v
}

// restart makes a new process take over, which has nothing but the secret and the store.
func (v *vault) restart() {
	auth, err := middleware.New(middleware.Config[profile]{
		Secret:      []byte("a secret of thirty-two bytes....."),
		Store:       v.store,
		LoadUser:    func(_ context.Context, id string) (profile, error) { return profile{"name of " + id}, nil },
		AccessTTL:   bindTTL,
		Grace:       100 * time.Millisecond,
		Settle:      500 * time.Millisecond,
		DeviceBound: true,
		Logger:      slog.New(slog.DiscardHandler),
		OnEvent: func(e session.Event) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.ended = append(v.ended, e.Kind)
		},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	mux := http.NewServeMux()
	page := func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if s := auth.Session(r.Context()); s != nil {
			who = fmt.Sprintf("%s, bound %t", s.User.ID, s.Bound())
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>Vault</title><h1>%s</h1><form method="post" action="/login"><button>Sign in</button></form>`, who)
		if r.URL.Path == "/live" {
			middleware.PageData.Render(r.Context(), w)
		}
		fmt.Fprintf(w, `<a id="over" href="https://%s/private">Over there</a>`, strings.Replace(strings.Replace(r.Host, "localhost", "OTHER", 1), "127.0.0.1", "localhost", 1))
	}
	mux.HandleFunc("/", page)
	mux.Handle("/private", auth.Require(http.HandlerFunc(page)))
	signIn := func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, "u1"); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/live", http.StatusSeeOther)
	}
	mux.HandleFunc("POST /login", signIn)
	mux.HandleFunc("GET /callback", signIn)
	app := auth.Handler(mux)
	v.auth.Store(auth)
	v.app.Store(&app)
}

// ServeHTTP implements http.Handler.
func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if v.refuses.Load() {
		panic(http.ErrAbortHandler)
	}
	if strings.HasPrefix(r.Host, "127.") { // another site
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		host := strings.Replace(r.Host, "127.0.0.1", "localhost", 1)
		fmt.Fprintf(w, `<!doctype html><title>Another site</title><a id="private" href="https://%s/private">a</a><a id="callback" href="https://%s/callback">b</a>`, host, host)
		return
	}
	record := &statusWriter{ResponseWriter: w, status: 200}
	(*v.app.Load()).ServeHTTP(record, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, seen{
		r.URL.RequestURI(), r.Header.Get(dbsc.HeaderResponse), r.Header.Get(dbsc.HeaderID), r.Header.Get(dbsc.HeaderSkipped),
		r.Cookies(), record.status,
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// at returns the URL of a page of the app.
func (v *vault) at(path string) string {
	return strings.Replace(v.URL, "127.0.0.1", "localhost", 1) + path
}

// elsewhere returns the URL of a page of another site.
func (v *vault) elsewhere() string { return v.URL + "/" }

// last returns the last request that matches.
func (v *vault) last(match func(seen) bool) (found seen, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.seen {
		if match(s) {
			found, ok = s, true
		}
	}
	return found, ok
}

func (v *vault) eventually(what string, is func() bool) {
	v.t.Helper()
	for range 1000 {
		if is() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.seen {
		v.t.Logf("%d %s proof %t id %q skipped %q, %d cookies", s.status, s.path, s.proof != "", s.id, s.skipped, len(s.cookies))
	}
	v.t.Fatalf("never: %s", what)
}

// shows checks the heading of a tab's page.
func shows(t *testing.T, tab *chrometest.Tab, want string) {
	t.Helper()
	if got := tab.Text(`document.querySelector("h1").textContent`); got != want {
		t.Fatalf("the page shows %q, want %q", got, want)
	}
}

// isBound opens pages until the session is bound in the store.
func (v *vault) isBound(tab *chrometest.Tab) {
	v.t.Helper()
	v.eventually("the session is bound in the store", func() bool {
		tab.Open(v.at("/"))
		live, err := v.store.List(v.t.Context(), "u1")
		if err != nil {
			v.t.Fatal(err)
		}
		for _, r := range live {
			if r.Generation.Bound() {
				return true
			}
		}
		time.Sleep(200 * time.Millisecond)
		return false
	})
	shows(v.t, tab, "u1, bound true")
}

// copied returns a client with the cookies of the last request that had them all.
func (v *vault) copied() *http.Client {
	v.t.Helper()
	last, ok := v.last(func(s seen) bool { return len(s.cookies) == 3 })
	if !ok {
		v.t.Fatal("no request has three cookies")
	}
	client := *v.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = withCookies{client.Transport, last.cookies}
	return &client
}

type withCookies struct {
	http.RoundTripper
	cookies []*http.Cookie
}

func (c withCookies) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, cookie := range c.cookies {
		r.AddCookie(cookie)
	}
	u, err := url.Parse(r.URL.String())
	if err != nil {
		return nil, err
	}
	r.Host = strings.Replace(u.Host, "127.0.0.1", "localhost", 1)
	return c.RoundTripper.RoundTrip(r)
}

// thief checks the answer to a thief's request.
func (v *vault) thief(c *http.Client, method, path string, status int, body string, header ...string) *http.Response {
	v.t.Helper()
	r, err := http.NewRequest(method, v.URL+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(data), body) {
		v.t.Errorf("thief: %s %s: %d %.200s, want %d and %q (%v)", method, path, resp.StatusCode, data, status, body, err)
	}
	if n := len(resp.Header["Set-Cookie"]); n > 0 && status != http.StatusSeeOther {
		v.t.Errorf("thief: %s %s sets %d cookies", method, path, n)
	}
	return resp
}

// What a browser that binds sessions does with the library, in Chromium.
func TestChromiumBindsSessions(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	dir := t.TempDir()
	b := chrometest.StartBinding(t, dir, chrometest.SPKI(v.Certificate()))
	tab := b.Owner().Tab(t)
	tab.Open(v.at("/"))
	tab.Submit("button")
	v.eventually("the key is registered", func() bool {
		_, ok := v.last(func(s seen) bool { return s.path == "/api/auth/bound" && s.status == 200 })
		return ok
	})
	v.isBound(tab)

	// The browser refreshes across an expiry, and the page waits for it.
	time.Sleep(bindTTL + time.Second)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")
	tab2 := b.Owner().Tab(t)
	time.Sleep(bindTTL + time.Second)
	tab.Open(v.at("/private"))
	tab2.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")
	shows(t, tab2, "u1, bound true")

	// A link from another site.
	tab2.Open(v.elsewhere())
	time.Sleep(bindTTL + time.Second)
	tab2.Click("#private")
	tab2.Until(`document.querySelector("h1")?.textContent === "u1, bound true"`)

	// The browser module beside the browser.
	tab.Open(v.at("/live"))
	time.Sleep(2 * bindTTL)
	tab.Eval(`fetch("/private").then((r) => { if (r.status !== 200) throw Error(r.status) })`, nil)
	tab.Until(`JSON.parse(document.getElementById("lucia-page-data").textContent)._lucia !== null`)

	// The store is down, and works again.
	v.store.down.Store(true)
	time.Sleep(bindTTL + time.Second)
	tab.Open(v.at("/private"))
	if got := tab.Text("document.body.textContent"); !strings.Contains(got, "Back in a moment") {
		t.Errorf("in an outage the page shows %q", got)
	}
	if skipped, ok := v.last(func(s seen) bool { return s.skipped != "" }); !ok {
		t.Error("no request says that the browser could not refresh")
	} else if !strings.Contains(skipped.skipped, "server_error") {
		t.Errorf("Secure-Session-Skipped: %s", skipped.skipped)
	}
	v.store.down.Store(false)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")

	// Another process takes over, and the network is away for a while.
	v.restart()
	v.refuses.Store(true)
	time.Sleep(bindTTL + time.Second)
	tab.Eval(`fetch("/").catch(() => 0)`, nil)
	v.refuses.Store(false)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")

	// The browser is closed and opened again.
	b.Close(t)
	b = chrometest.StartBinding(t, dir, chrometest.SPKI(v.Certificate()))
	tab = b.Owner().Tab(t)
	time.Sleep(bindTTL + time.Second)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")

	// A thief with the jar, who keeps in step.
	thief := v.copied()
	v.thief(thief, "GET", "/private", 200, "u1, bound true")
	time.Sleep(bindTTL + time.Second)
	v.thief(thief, "GET", "/private", 401, "AUTH_UNAUTHORIZED")
	v.thief(thief, "POST", "/api/auth/bound", 401, "")
	proof, ok := v.last(func(s seen) bool { return s.proof != "" && s.id != "" && s.status == 200 })
	if !ok {
		t.Fatal("no proof has been accepted")
	}
	resp := v.thief(thief, "POST", proof.path, 403, "", dbsc.HeaderID, proof.id)
	challenge, _ := dbsc.ParseChallenge(resp.Header.Get(dbsc.HeaderChallenge))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v.thief(thief, "POST", proof.path, 401, "", dbsc.HeaderID, proof.id, dbsc.HeaderResponse, dbsc.Sign(key, challenge.Value, false))
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")

	// Sign-out, after which the browser gives up its part of the session.
	tab.Eval(`fetch("/api/auth/session").then((r) => r.json()).then((s) => fetch("/api/auth/logout",
		{method: "POST", headers: {Authorization: "Bearer " + s._lucia.access_token}})).then((r) => { if (r.status !== 204) throw Error(r.status) })`, nil)
	tab.Open(v.at("/"))
	shows(t, tab, "nobody")
	v.eventually("the browser asks once more and is refused", func() bool {
		_, ok := v.last(func(s seen) bool { return s.id != "" && s.status == 401 })
		return ok
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, kind := range v.ended {
		if kind == session.EventReuse || kind == session.EventAdopted {
			t.Errorf("event %s", kind)
		}
	}
}

// A session that begins with the callback of an identity provider is bound too; and a jar that is
// copied before the binding is found by its use after it.
func TestChromiumBindsSessionsOfCallbacks(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	b := chrometest.StartBinding(t, t.TempDir(), chrometest.SPKI(v.Certificate()))
	tab := b.Owner().Tab(t)
	tab.Open(v.elsewhere())
	tab.Click("#callback")
	tab.Until(`document.querySelector("h1")?.textContent.startsWith("u1")`)
	if at := tab.Text("location.pathname"); at != "/live" {
		t.Errorf("the callback ends at %s", at)
	}
	thief := v.copied()
	v.isBound(tab)
	time.Sleep(bindTTL + time.Second)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")
	v.thief(thief, "GET", "/private", 401, "AUTH_UNAUTHORIZED")
	v.eventually("the theft is found", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, kind := range v.ended {
			if kind == session.EventReuse {
				return true
			}
		}
		return false
	})
}
