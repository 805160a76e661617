package browser_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// vault is an app over https whose sessions Chromium binds to keys.
type vault struct {
	*httptest.Server
	t       *testing.T
	store   session.Store
	auth    atomic.Pointer[middleware.Auth[profile]]
	app     atomic.Pointer[http.Handler]
	refuses atomic.Bool // the server closes all connections, as if it were down
	strips  atomic.Bool // the answers lose their registration header

	mu     sync.Mutex
	seen   []seen
	events []session.EventKind
}

// seen is a request that the vault has answered.
type seen struct {
	path, proof, id, skipped string
	cookies                  []*http.Cookie
	status                   int
}

// bindTTL is the life of an access token. Chromium refreshes a cookie that has less than two
// minutes left in parallel with each request, so here it does so with every request.
const bindTTL = 4 * time.Second

// expired is how long the access cookie of an idle browser takes to expire.
const expired = bindTTL + time.Second

func newVault(t *testing.T, store session.Store) *vault {
	v := &vault{t: t, store: store}
	v.restart()
	v.Server = httptest.NewTLSServer(v)
	t.Cleanup(v.Close)
	return v
}

// restart starts a new process of the app, with the same secret and store.
func (v *vault) restart() {
	auth, err := middleware.New(middleware.Config[profile]{
		Secret:      []byte("a secret of thirty-two bytes....."),
		Store:       v.store,
		LoadUser:    func(_ context.Context, id string) (profile, error) { return profile{"name of " + id}, nil },
		AccessTTL:   bindTTL,
		Grace:       250 * time.Millisecond,
		Settle:      time.Second,
		DeviceBound: true,
		Logger:      slog.New(slog.DiscardHandler),
		OnEvent: func(e session.Event) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.events = append(v.events, e.Kind)
		},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	mux := http.NewServeMux()
	page := func(w http.ResponseWriter, r *http.Request) {
		who := "no session"
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
	mux.Handle("/device", auth.Require(http.HandlerFunc(page), middleware.RequireBound()))
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
	record := &recorder{ResponseWriter: w, status: 200, strips: v.strips.Load()}
	(*v.app.Load()).ServeHTTP(record, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, seen{
		r.URL.RequestURI(), r.Header.Get(dbsc.HeaderResponse), r.Header.Get(dbsc.HeaderID), r.Header.Get(dbsc.HeaderSkipped),
		r.Cookies(), record.status,
	})
}

// recorder records the status of a response. If strips is set, it removes the registration header.
type recorder struct {
	http.ResponseWriter
	status int
	strips bool
}

func (w *recorder) WriteHeader(status int) {
	if w.strips {
		w.Header().Del(dbsc.HeaderRegistration)
	}
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

// first returns the first request that matches.
func (v *vault) first(match func(seen) bool) (found seen, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if i := slices.IndexFunc(v.seen, match); i >= 0 {
		return v.seen[i], true
	}
	return found, false
}

// forget makes first and last ignore all requests so far.
func (v *vault) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = nil
}

// has reports whether an event has occurred.
func (v *vault) has(kind session.EventKind) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Contains(v.events, kind)
}

// eventually polls until is reports true.
func (v *vault) eventually(what string, is func() bool) {
	v.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.seen {
		v.t.Logf("%d %s proof %t id %q skipped %q, %d cookies", s.status, s.path, s.proof != "", s.id, s.skipped, len(s.cookies))
	}
	v.t.Fatalf("timed out: %s", what)
}

// isBack opens a page until it shows the person as signed in. After several failures Chromium waits
// before it refreshes again, longer after each one. The circuit breaker stays closed, because it
// opens only after failures for three users.
func (v *vault) isBack(tab *chrometest.Tab) {
	v.t.Helper()
	v.eventually("the person is signed in again", func() bool {
		tab.Open(v.at("/private"))
		return heading(tab) == "u1, bound true"
	})
}

// heading returns the heading of a tab's page.
func heading(tab *chrometest.Tab) string {
	return tab.Text(`document.querySelector("h1").textContent`)
}

// shows checks the heading of a tab's page.
func shows(t *testing.T, tab *chrometest.Tab, want string) {
	t.Helper()
	if got := heading(tab); got != want {
		t.Fatalf("the page shows %q, want %q", got, want)
	}
}

// bound reports whether the person has a session that is bound in the store.
func (v *vault) bound() bool {
	v.t.Helper()
	live, err := v.auth.Load().Sessions(v.t.Context(), "u1")
	if err != nil {
		v.t.Fatal(err)
	}
	for _, s := range live {
		if s.Bound {
			return true
		}
	}
	return false
}

// isBound opens pages until the session is bound in the store.
func (v *vault) isBound(tab *chrometest.Tab) {
	v.t.Helper()
	v.eventually("the session is bound in the store", func() bool {
		tab.Open(v.at("/"))
		return v.bound()
	})
	shows(v.t, tab, "u1, bound true")
}

// isRegistration reports whether the request registers a key.
func isRegistration(s seen) bool {
	return s.path == "/api/auth/bound" && s.proof != "" && s.id == "" && s.status == 200
}

// isProof reports whether the request is a proof that was accepted.
func isProof(s seen) bool { return s.proof != "" && s.id != "" && s.status == 200 }

// hasAll reports whether a request has all cookies.
func hasAll(s seen) bool { return len(s.cookies) == 3 }

// copied returns a client with the cookies of a request.
func (v *vault) copied(from seen, ok bool) *http.Client {
	v.t.Helper()
	if !ok {
		v.t.Fatal("there is no request whose cookies to copy")
	}
	client := *v.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = withCookies{client.Transport, from.cookies}
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

// TestChromiumBindsSessions tests bound sessions with Chromium and Redis.
func TestChromiumBindsSessions(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	client := redis.NewClient(&redis.Options{Addr: server.Addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	v := newVault(t, redisstore.New(client))
	dir := t.TempDir()
	b := chrometest.StartBinding(t, dir, chrometest.SPKI(v.Certificate()))
	tab := b.Owner().Tab(t)

	// The answer loses the registration header. The session stays unbound, and the list of sessions
	// shows that.
	v.strips.Store(true)
	tab.Open(v.at("/"))
	tab.Submit("button")
	time.Sleep(expired)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound false")
	if _, ok := v.last(isRegistration); ok || v.bound() {
		t.Error("the browser binds a session without a registration header")
	}
	tab.Eval(`fetch("/device").then((r) => { if (r.status !== 403) throw Error(r.status) })`, nil)
	v.strips.Store(false)

	tab.Open(v.at("/"))
	tab.Submit("button")
	v.eventually("the key is registered", func() bool {
		_, ok := v.last(isRegistration)
		return ok
	})
	v.isBound(tab)

	// The access cookie expires. The browser refreshes it, and the pages of two tabs wait.
	tab2 := b.Owner().Tab(t)
	time.Sleep(expired)
	v.forget()
	tab.Open(v.at("/private"))
	tab2.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")
	shows(t, tab2, "u1, bound true")
	if first, ok := v.first(func(seen) bool { return true }); !ok || first.id == "" || hasAll(first) {
		t.Errorf("the first request after the expiry is %s with %d cookies, want a refresh", first.path, len(first.cookies))
	}

	// The browser refreshes before the expiry, too: its proof comes with a valid access cookie.
	v.forget()
	v.eventually("a proof before the expiry", func() bool {
		tab.Open(v.at("/private"))
		_, ok := v.last(func(s seen) bool { return isProof(s) && hasAll(s) })
		return ok
	})

	// The person follows a link from another site.
	tab2.Open(v.elsewhere())
	time.Sleep(expired)
	tab2.Click("#private")
	tab2.Until(`document.querySelector("h1")?.textContent === "u1, bound true"`)

	// The browser module refreshes, too.
	tab.Open(v.at("/live"))
	time.Sleep(2 * bindTTL)
	tab.Eval(`fetch("/private").then((r) => { if (r.status !== 200) throw Error(r.status) })`, nil)
	tab.Until(`JSON.parse(document.getElementById("lucia-page-data").textContent)._lucia !== null`)

	// Redis is down and comes back.
	server.Kill()
	time.Sleep(expired)
	v.forget()
	tab.Open(v.at("/private"))
	shows(t, tab, "Back in a moment")
	// The reason is server_error, or unreachable while Chromium waits after several failures.
	if _, ok := v.last(func(s seen) bool { return s.path == "/private" && s.status == 503 && s.skipped != "" }); !ok {
		t.Error("no request reports that the browser could not refresh")
	}
	server.Restart()
	v.isBack(tab)

	// A new process takes over, after a time without network.
	v.restart()
	v.refuses.Store(true)
	time.Sleep(expired)
	tab.Eval(`fetch("/").catch(() => 0)`, nil)
	v.refuses.Store(false)
	v.isBack(tab)

	// The browser is restarted.
	b.Close(t)
	b = chrometest.StartBinding(t, dir, chrometest.SPKI(v.Certificate()))
	tab = b.Owner().Tab(t)
	time.Sleep(expired)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")

	// A thief with copied cookies can act until the access token has expired.
	var thief *http.Client
	v.eventually("a thief acts before the access token expires", func() bool {
		tab.Open(v.at("/private"))
		thief = v.copied(v.last(hasAll))
		resp, err := thief.Get(v.URL + "/private")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	time.Sleep(expired)
	v.thief(thief, "GET", "/private", 401, "AUTH_UNAUTHORIZED")
	v.thief(thief, "POST", "/api/auth/bound", 401, "")

	// A thief has copied a proof. It is useless without the cookies and with those of another
	// generation. A proof of another key is refused.
	proof, ok := v.last(isProof)
	if !ok {
		t.Fatal("no proof has been accepted")
	}
	replay := []string{dbsc.HeaderID, proof.id, dbsc.HeaderResponse, proof.proof}
	v.thief(v.copied(seen{}, true), "POST", proof.path, 401, "", replay...)
	v.eventually("the browser has the cookies of another generation", func() bool {
		tab.Open(v.at("/private"))
		next, ok := v.last(isProof)
		return ok && next.proof != proof.proof
	})
	thief = v.copied(v.last(hasAll))
	v.thief(thief, "POST", proof.path, 403, "", replay...)
	resp := v.thief(thief, "POST", proof.path, 403, "", dbsc.HeaderID, proof.id)
	challenge, _ := dbsc.ParseChallenge(resp.Header.Get(dbsc.HeaderChallenge))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v.thief(thief, "POST", proof.path, 401, "", dbsc.HeaderID, proof.id, dbsc.HeaderResponse, dbsc.Sign(key, challenge.Value, false))
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")

	// After a sign-out the browser drops its key. It may ask once more.
	v.forget()
	tab.Eval(`fetch("/api/auth/session").then((r) => r.json()).then((s) => fetch("/api/auth/logout",
		{method: "POST", headers: {Authorization: "Bearer " + s._lucia.access_token}})).then((r) => { if (r.status !== 204) throw Error(r.status) })`, nil)
	tab.Open(v.at("/"))
	shows(t, tab, "no session")
	if asked, ok := v.last(func(s seen) bool { return s.id != "" }); ok && asked.status != 401 && !hasAll(asked) {
		t.Errorf("after the sign-out a refresh is answered with %d", asked.status)
	}
	v.forget()
	tab.Open(v.at("/"))
	shows(t, tab, "no session")
	if _, ok := v.last(func(s seen) bool { return s.id != "" }); ok {
		t.Error("the browser still refreshes after the sign-out")
	}
	for _, kind := range []session.EventKind{session.EventReuse, session.EventAdopted, session.EventBreakerOpened} {
		if v.has(kind) {
			t.Errorf("event %s", kind)
		}
	}
}

// TestChromiumBindsSessionsOfCallbacks checks that a session that begins with the callback of an
// identity provider is bound, too. The use of cookies that were copied before the binding is
// detected, and so is the use of a copied proof.
func TestChromiumBindsSessionsOfCallbacks(t *testing.T) {
	t.Parallel()
	v := newVault(t, memstore.New())
	b := chrometest.StartBinding(t, t.TempDir(), chrometest.SPKI(v.Certificate()))
	tab := b.Owner().Tab(t)
	signIn := func() {
		tab.Open(v.elsewhere())
		tab.Click("#callback")
		tab.Until(`document.querySelector("h1")?.textContent.startsWith("u1")`)
		if at := tab.Text("location.pathname"); at != "/live" {
			t.Errorf("the callback ends at %s", at)
		}
		v.isBound(tab)
	}
	signIn()
	thief := v.copied(v.first(isRegistration))
	time.Sleep(expired)
	tab.Open(v.at("/private"))
	shows(t, tab, "u1, bound true")
	if v.has(session.EventReuse) {
		t.Error("the reuse of an honest browser was reported")
	}
	v.thief(thief, "GET", "/private", 401, "AUTH_UNAUTHORIZED")
	v.eventually("the theft is detected", func() bool { return v.has(session.EventReuse) })

	// All sessions have ended. In the next one, a thief has a proof and its cookies.
	v.mu.Lock()
	v.events = nil
	v.mu.Unlock()
	v.forget()
	signIn()
	proof, ok := v.last(isProof)
	if !ok {
		t.Fatal("no proof has been accepted")
	}
	v.eventually("the browser has rotated twice", func() bool {
		tab.Open(v.at("/private"))
		v.mu.Lock()
		defer v.mu.Unlock()
		later := map[string]bool{}
		for _, s := range v.seen {
			if isProof(s) {
				later[s.proof] = true
			}
			if s.proof == proof.proof {
				clear(later)
			}
		}
		return len(later) >= 2
	})
	if v.has(session.EventReuse) {
		t.Error("the reuse of an honest browser was reported")
	}
	v.thief(v.copied(proof, true), "POST", proof.path, 401, "", dbsc.HeaderID, proof.id, dbsc.HeaderResponse, proof.proof)
	v.eventually("the replay is detected", func() bool { return v.has(session.EventReuse) })

	// In the next session, a thief has the cookies and the challenge with which the browser
	// registered, and registers a key of their own. Its first use is detected.
	v.mu.Lock()
	v.events = nil
	v.mu.Unlock()
	v.forget()
	signIn()
	registration, ok := v.first(isRegistration)
	sent, err := dbsc.ParseProof(registration.proof)
	if !ok || err != nil {
		t.Fatalf("registered: %t, %v", ok, err)
	}
	if v.has(session.EventReuse) {
		t.Error("the reuse of an honest browser was reported")
	}
	thief = v.copied(registration, true)
	if status := v.registerAndProve(thief, registration.path, sent.Challenge); status == 200 {
		// One pair of keys in some two thousand has the same tag. A second one has not.
		v.registerAndProve(thief, registration.path, sent.Challenge)
	}
	v.eventually("the other key is detected", func() bool { return v.has(session.EventReuse) })
}

// registerAndProve has a thief register a key of their own with a copied challenge and use it at
// once. It returns the status of the answer to the proof.
func (v *vault) registerAndProve(thief *http.Client, path, challenge string) int {
	v.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		v.t.Fatal(err)
	}
	post := func(path string, header ...string) *http.Response {
		r, err := http.NewRequest("POST", v.URL+path, nil)
		if err != nil {
			v.t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := thief.Do(r)
		if err != nil {
			v.t.Fatal(err)
		}
		v.t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	registered := post(path, dbsc.HeaderResponse, dbsc.Sign(key, challenge, true))
	var in dbsc.Instructions
	if err := json.NewDecoder(registered.Body).Decode(&in); registered.StatusCode != 200 || err != nil {
		v.t.Fatalf("the registration of another key: %d, %v", registered.StatusCode, err)
	}
	asked := post(in.RefreshURL, dbsc.HeaderID, in.SessionID)
	next, _ := dbsc.ParseChallenge(asked.Header.Get(dbsc.HeaderChallenge))
	return post(in.RefreshURL, dbsc.HeaderID, in.SessionID, dbsc.HeaderResponse, dbsc.Sign(key, next.Value, false)).StatusCode
}
