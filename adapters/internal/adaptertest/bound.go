package adaptertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// testBound checks device-bound sessions, with a browser that binds them and thieves who copy from
// it.
func testBound(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, *boundWorld){
		"binds at sign-in":                      testBindsAtSignIn,
		"binds after a callback":                testBindsAfterCallback,
		"lives on":                              testBoundLivesOn,
		"lost answers":                          testBoundLostAnswers,
		"link from another site":                testBoundLink,
		"scripts":                               testBoundScripts,
		"outage":                                testBoundOutage,
		"sign-out":                              testBoundSignOut,
		"another sign-in":                       testBoundSignInAgain,
		"lost keys":                             testBoundLostKeys,
		"several processes and another secret":  testBoundProcesses,
		"switched off":                          testBoundSwitchedOff,
		"other browsers":                        testBoundOtherBrowsers,
		"jar copied before":                     testThiefBefore,
		"jar copied after":                      testThiefAfter,
		"jar and proofs copied":                 testThiefProofs,
		"proofs of other sessions":              testThiefOtherSession,
		"header stripped":                       testThiefStrips,
		"key of the thief":                      testThiefRegisters,
		"key of the thief, late":                testThiefRegistersLate,
		"forged Secure-Session-Skipped":         testThiefSkips,
		"bearer token copied":                   testThiefBearer,
		"WebSocket with a copied jar":           testThiefSocket,
		"requests of another origin":            testBoundOtherOrigin,
		"what is not a registration or a proof": testBoundGarbage,
		"RequireBound":                          testRequireBound,
		"idle end":                              testBoundIdle,
		"forgotten when the browser closes":     testBoundShort,
	} {
		for _, hardened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hardened %t", name, hardened), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { test(t, newBoundWorld(t, h, hardened)) })
			})
		}
	}
}

const (
	accessTTL = middleware.DefaultAccessTTL
	pastTTL   = accessTTL + time.Minute // leeway and all
	idp       = "https://idp.example/"
)

// boundWorld is an app that binds sessions, what was sent to it, and what happened.
type boundWorld struct {
	*world
	h        Harness
	hardened bool

	mu     sync.Mutex
	events []session.Event
	proofs []string       // sent to the route "bound"
	strip  bool           // a proxy removes the registration
	next   []http.Handler // the processes that answer, in turn

	first     []*http.Cookie // of the last sign-in
	challenge string         // of the last sign-in
	query     string         // of the last proof
}

func newBoundWorld(t *testing.T, h Harness, hardened bool) *boundWorld {
	w := &boundWorld{h: h, hardened: hardened}
	w.world = w.process(t)
	w.next = []http.Handler{w.handler}
	return w
}

// process returns a process of the app, which shares the store of the others.
func (w *boundWorld) process(t *testing.T, changes ...change) *world {
	var p *world
	routes := []Route{
		{Path: "/device", Handler: func(c Call) {
			fmt.Fprintf(c.W, "%v, bound %t", p.auth.Outcome(c.R.Context()), c.Session().Bound())
		}},
		{Path: "/vault", Handler: func(c Call) {
			p.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "treasure")
			}), middleware.RequireBound()).ServeHTTP(c.W, c.R)
		}},
		{Path: "/short", Handler: func(c Call) {
			if _, err := p.auth.SignIn(c.W, c.R, "u1", middleware.Remember(false)); err != nil {
				middleware.WriteError(c.W, err)
			}
		}},
		{Path: "/callback", Handler: func(c Call) {
			if _, err := p.auth.SignIn(c.W, c.R, "u1"); err != nil {
				middleware.WriteError(c.W, err)
				return
			}
			http.Redirect(c.W, c.R, "/device", http.StatusSeeOther)
		}},
	}
	basic := func(c *middleware.Config[Profile]) {
		c.Dev, c.DeviceBound, c.Hardened = false, true, w.hardened
		c.OnEvent = func(e session.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		}
		if w.world != nil {
			c.Store = w.store
		}
	}
	p = buildWorld(t, w.h, App{Routes: routes}, append([]change{basic}, changes...)...)
	return p
}

// RoundTrip is the network of the browsers.
func (w *boundWorld) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "app.example" {
		return luciatest.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<!doctype html><title>Another site</title>")
		})).RoundTrip(r)
	}
	w.mu.Lock()
	if p := r.Header.Get(dbsc.HeaderResponse); p != "" {
		w.proofs, w.query = append(w.proofs, p), "?"+r.URL.RawQuery
	}
	app, strip := w.next[0], w.strip
	w.next = append(w.next[1:], app)
	w.mu.Unlock()
	resp, err := luciatest.Transport(app).RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if offer, ok := dbsc.ParseRegistration(resp.Header.Get(dbsc.HeaderRegistration)); ok {
		w.first, w.challenge = resp.Cookies(), offer.Challenge
	}
	if strip {
		resp.Header.Del(dbsc.HeaderRegistration)
	}
	return resp, nil
}

// browser returns a browser that binds sessions.
func (w *boundWorld) browser() *luciatest.Browser { return w.plain().BindSessions() }

// plain returns a browser that does not.
func (w *boundWorld) plain() *luciatest.Browser {
	return luciatest.NewBrowserAt(w.t, "https://app.example", w)
}

// signIn signs in by a form.
func (w *boundWorld) signIn(b *luciatest.Browser) *luciatest.Tab {
	w.t.Helper()
	tab := b.Open("/page")
	if page := tab.Fetch("POST", "/login?user=u1", nil); page.Status != 200 {
		w.t.Fatalf("sign-in: %d %s", page.Status, page.Body)
	}
	return tab
}

// device checks what a page says of the session.
func (w *boundWorld) device(tab *luciatest.Tab, says string) {
	w.t.Helper()
	want(w.t, "session", tab.Get("/device").Body, says)
}

// inForce lets time pass and a proof arrive, until the store knows that the session is bound.
func (w *boundWorld) inForce(tab *luciatest.Tab) {
	w.t.Helper()
	tab.Get("/device")
	time.Sleep(pastTTL)
	w.device(tab, "fresh, bound true")
	want(w.t, "bound in the store", w.bound(), 1)
}

// bound returns how many sessions the store knows as bound.
func (w *boundWorld) bound() (n int) {
	w.t.Helper()
	live, err := w.store.List(w.t.Context(), "u1")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range live {
		if r.Generation.Bound() {
			n++
		}
	}
	return n
}

// happened returns how often events of a kind were reported.
func (w *boundWorld) happened(kind session.EventKind) (n int) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// costs checks how often requests asked the store.
func (w *boundWorld) costs(what string, n int64, f func()) {
	w.t.Helper()
	before := w.store.calls.Load()
	f()
	want(w.t, "store calls of "+what, w.store.calls.Load()-before, n)
}

// send makes a request of the route "bound" with a browser's cookies.
func (w *boundWorld) send(b *luciatest.Browser, query string, header ...string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequest("POST", "https://app.example/api/auth/bound"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", "https://app.example")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func testBindsAtSignIn(t *testing.T, w *boundWorld) {
	b := w.browser()
	var tab *luciatest.Tab
	w.costs("a sign-in, a registration and the first proof", 1, func() { tab = w.signIn(b) })
	w.costs("the next page", 0, func() { w.device(tab, "fresh, bound true") })
	want(t, "sessions of the browser", len(b.BoundSessions()), 1)
	want(t, "bound in the store before the token has settled", w.bound(), 0)
	want(t, "events", w.happened(session.EventBound), 0)

	time.Sleep(accessTTL - time.Minute) // the browser refreshes beside the page
	w.costs("a page that refreshes", 1, func() {
		w.device(tab, "fresh, bound true")
		b.BoundSessions() // what the browser does beside the page is done
	})
	want(t, "bound in the store", w.bound(), 1)
	want(t, "events", w.happened(session.EventBound), 1)
	want(t, "sign of a store that lost writes", w.happened(session.EventAdopted), 0)
	want(t, "refused proofs", w.happened(session.EventBindingRefused), 0)
}

func testBindsAfterCallback(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := b.Open(idp)
	page := tab.Follow("https://app.example/callback")
	want(t, "path", page.URL.Path, "/device")
	want(t, "page", page.Body, "fresh, bound false") // the registration is beside it
	want(t, "sessions of the browser", len(b.BoundSessions()), 1)
	w.device(tab, "fresh, bound true")
	w.inForce(tab)

	other := w.plain().Open(idp) // a browser that does not bind is not sent around
	page = other.Follow("https://app.example/callback")
	want(t, "page of another browser", page.Body, "fresh, bound false")
	want(t, "Refresh of another browser", page.Header.Get("Refresh"), "")
}

func testBoundLivesOn(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	other := b.Open("/device")
	for range 200 { // more than two days
		w.costs("a page", 1, func() {
			time.Sleep(pastTTL)
			w.device(tab, "fresh, bound true")
			w.device(other, "fresh, bound true")
		})
	}
	time.Sleep(100 * 24 * time.Hour)
	w.device(tab, "fresh, bound true")
	for _, kind := range []session.EventKind{session.EventReuse, session.EventAdopted, session.EventUnbound, session.EventBindingRefused, session.EventLateRepeat} {
		want(t, string(kind), w.happened(kind), 0)
	}
	want(t, "bound", w.happened(session.EventBound), 1)
}

// testBoundLostAnswers loses each of the first answers in turn, and several.
func testBoundLostAnswers(t *testing.T, w *boundWorld) {
	for first := range 6 {
		for lost := 1; lost <= 3; lost++ {
			b := w.browser()
			tab := b.Open("/page")
			tab.Fetch("POST", "/login?user=u1", nil)
			for range first {
				time.Sleep(time.Second)
				tab.Get("/device")
			}
			for range lost {
				b.LoseNextResponse()
			}
			tab.Get("/device")
			for range 2 * lost {
				time.Sleep(time.Second)
				tab.Get("/device")
			}
			for range 4 {
				time.Sleep(pastTTL)
				if page := tab.Get("/private"); page.Status != 200 {
					t.Errorf("%d answers lost after %d pages: %d %s", lost, first, page.Status, page.URL)
				}
			}
		}
	}
	// The registration's own answer is lost.
	b := w.browser()
	tab := b.Open("/page")
	answers := 0
	w.next = []http.Handler{http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/auth/bound" && r.Method == "POST" {
			answers++
			panic(http.ErrAbortHandler)
		}
		w.handler.ServeHTTP(rw, r)
	})}
	tab.Fetch("POST", "/login?user=u1", nil)
	want(t, "registrations", answers, 1)
	for range 3 {
		time.Sleep(pastTTL)
		want(t, "status", tab.Get("/private").Status, 200)
	}
	want(t, "sessions of the browser", len(b.BoundSessions()), 0)
	want(t, "reused", w.happened(session.EventReuse), 0)
}

func testBoundLink(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	for _, from := range []string{idp, "http://app.example/"} {
		time.Sleep(pastTTL)
		other := b.Open(from)
		w.costs("a link of "+from, 1, func() {
			page := other.Follow("https://app.example/private?a=1")
			want(t, "page", page.Body, "u1 fresh")
			want(t, "address", page.URL.RequestURI(), "/private?a=1")
		})
	}
	b.LoseKeys() // the page is repeated once, and not without end
	time.Sleep(pastTTL)
	page := b.Open(idp).Follow("https://app.example/private")
	want(t, "page without the key", page.URL.RequestURI(), "/login?next=%2Fprivate")
}

// testBoundScripts is what the browser module does beside the browser.
func testBoundScripts(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	tab.Get("/page")
	for range 3 {
		time.Sleep(accessTTL - time.Minute)
		w.costs("two refreshes by script", 1, func() {
			for range 2 { // the first is answered with what is there, beside the browser's own
				if err := tab.Refresh(); err != nil {
					t.Errorf("refresh by script: %v", err)
				}
			}
		})
	}
	time.Sleep(pastTTL)
	w.costs("a refresh by script after the end", 1, func() {
		if err := tab.Refresh(); err != nil {
			t.Errorf("refresh by script after the end: %v", err)
		}
	})
	time.Sleep(pastTTL)
	resp, err := b.Client().Get("https://app.example/api/auth/session")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	want(t, "session by script", err == nil && strings.Contains(string(body), `"user_id":"u1"`), true)
	if err := tab.SignOut(); err != nil && !w.hardened {
		t.Errorf("sign-out: %v", err)
	}
	want(t, "reused", w.happened(session.EventReuse), 0)
}

func testBoundOutage(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	time.Sleep(pastTTL)
	w.store.down.Store(true)
	for range 3 {
		page := tab.Get("/private")
		want(t, "status in an outage", page.Status, 503)
		want(t, "cookies in an outage", len(page.Header["Set-Cookie"]), 0)
		want(t, "script in an outage", tab.Fetch("GET", "/private", nil).Status, 503)
		want(t, "session in an outage", tab.Fetch("GET", "/api/auth/session", nil).Status, 503)
		want(t, "sessions of the browser", len(b.BoundSessions()), 1)
		time.Sleep(time.Hour)
	}
	w.store.down.Store(false)
	w.device(tab, "fresh, bound true")
	want(t, "presented without the device", w.happened(session.EventUnbound), 0)
}

func testBoundSignOut(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	time.Sleep(pastTTL)
	page := tab.Get("/page")
	want(t, "status", page.Status, 200)
	if err := tab.SignOut(); err != nil {
		t.Fatal(err)
	}
	want(t, "cookies", len(b.Cookies()), 0)
	w.costs("a page after the sign-out", 0, func() { w.device(tab, "anonymous, bound false") })
	want(t, "sessions of the browser", len(b.BoundSessions()), 0)
}

func testBoundSignInAgain(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	w.signIn(b)
	w.device(tab, "fresh, bound true")
	for range 3 {
		time.Sleep(pastTTL)
		w.device(tab, "fresh, bound true")
	}
	want(t, "sessions of the browser", len(b.BoundSessions()), 1)
	live, err := w.auth.Sessions(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "live sessions", len(live), 1)
	want(t, "reused", w.happened(session.EventReuse), 0)
}

func testBoundLostKeys(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	b.LoseKeys()
	w.device(tab, "fresh, bound true")
	time.Sleep(pastTTL)
	w.costs("a page without the key", 0, func() { w.device(tab, "expired, bound false") })
	want(t, "presented without the device", w.happened(session.EventUnbound), 1)
	w.signIn(b)
	w.inForce(tab)
}

// testBoundProcesses has three processes answer in turn, of which one has a newer secret and one
// knows no other.
func testBoundProcesses(t *testing.T, w *boundWorld) {
	older, newer := []byte(strings.Repeat("s", 32)), []byte(strings.Repeat("n", 32))
	both := w.process(t, func(c *middleware.Config[Profile]) {
		c.Secret, c.PreviousSecrets = newer, [][]byte{older}
	})
	first := w.process(t, func(c *middleware.Config[Profile]) {
		c.Secret, c.PreviousSecrets = older, [][]byte{newer}
	})
	w.next = []http.Handler{w.handler, first.handler}
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	use := func(handlers ...http.Handler) {
		w.next = handlers
		for range 5 {
			time.Sleep(pastTTL)
			w.device(tab, "fresh, bound true")
		}
	}
	use(w.handler, first.handler, both.handler, first.handler)
	use(both.handler)
	use(w.process(t, func(c *middleware.Config[Profile]) { c.Secret = newer }).handler)
	w.next = []http.Handler{w.handler} // does not know the key: another process may
	time.Sleep(pastTTL)
	want(t, "status under an unknown key", tab.Get("/device").Status, 200)
	want(t, "sessions of the browser", len(b.BoundSessions()), 1)
	use(both.handler)
	for _, kind := range []session.EventKind{session.EventReuse, session.EventAdopted, session.EventUnbound, session.EventBindingRefused} {
		want(t, string(kind), w.happened(kind), 0)
	}
}

func testBoundSwitchedOff(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	off := w.process(t, func(c *middleware.Config[Profile]) { c.DeviceBound = false })
	w.next = []http.Handler{off.handler}
	time.Sleep(pastTTL)
	w.device(tab, "fresh, bound true")
	other := w.browser()
	second := w.signIn(other)
	w.device(second, "fresh, bound false")
	want(t, "sessions of another browser", len(other.BoundSessions()), 0)
	resp := w.send(other, "", dbsc.HeaderResponse, "x")
	want(t, "a registration", resp.StatusCode, 401)
}

func testBoundOtherBrowsers(t *testing.T, w *boundWorld) {
	b := w.plain()
	tab := w.signIn(b)
	for range 3 {
		time.Sleep(pastTTL)
		w.costs("a page", 1, func() { want(t, "page", tab.Get("/private").Status, 200) })
	}
	time.Sleep(pastTTL)
	page := b.Open(idp).Follow("https://app.example/private")
	want(t, "page from a link", page.URL.Path, "/private")
}

// early returns a browser with the cookies of the last sign-in, as they were before the binding.
func (w *boundWorld) early() *luciatest.Browser {
	b := w.plain()
	b.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example"}, w.first)
	return b
}

// later returns a browser with the cookies that b has now, and without its keys.
func (w *boundWorld) later(b *luciatest.Browser) *luciatest.Browser {
	thief := w.plain()
	var copied []*http.Cookie
	for _, c := range b.Cookies() {
		copied = append(copied, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: true, HttpOnly: true})
	}
	thief.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example"}, copied)
	return thief
}

// sessionOf returns the identifier of the browser's session.
func (w *boundWorld) sessionOf(b *luciatest.Browser) string {
	w.t.Helper()
	ids := b.BoundSessions()
	if len(ids) != 1 {
		w.t.Fatalf("the browser has the keys of %d sessions", len(ids))
	}
	return ids[0]
}

// found checks that a theft has been found and the user's sessions have ended.
func (w *boundWorld) found(owner *luciatest.Tab) {
	w.t.Helper()
	want(w.t, "reuse", w.happened(session.EventReuse), 1)
	live, err := w.store.List(w.t.Context(), "u1")
	if err != nil || len(live) > 0 {
		w.t.Errorf("live sessions: %d, %v", len(live), err)
	}
	want(w.t, "page of the owner", owner.Get("/private").URL.Path, "/login")
}

func testThiefBefore(t *testing.T, w *boundWorld) {
	tab := w.signIn(w.browser())
	w.device(tab, "fresh, bound true")
	thief := w.early().Open("/device")
	want(t, "thief, before the binding is in force", thief.Page().Body, "fresh, bound false")
	time.Sleep(accessTTL - time.Minute)
	want(t, "thief refreshes in step", thief.Get("/device").Body, "fresh, bound false")
	time.Sleep(2 * time.Minute)
	want(t, "thief refreshes in step", thief.Get("/device").Body, "refreshed, bound false")
	w.device(tab, "fresh, bound true") // in force from here on
	time.Sleep(pastTTL)
	want(t, "thief, after it", thief.Get("/device").Body, "reused, bound false")
	w.found(tab)
}

// testThiefAfter copies the jar again and again, in step with its owner.
func testThiefAfter(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	for range 5 {
		thief := w.later(b).Open("/device")
		want(t, "thief, as long as the access token lives", thief.Page().Body, "fresh, bound true")
		thief.Get("/page")
		time.Sleep(pastTTL)
		w.costs("a thief", 0, func() {
			want(t, "page", thief.Get("/device").Body, "expired, bound false")
			want(t, "private page", thief.Get("/private").URL.Path, "/login")
			want(t, "script", thief.Fetch("GET", "/private", nil).Status, 401)
			want(t, "session", strings.Contains(thief.Fetch("GET", "/api/auth/session", nil).Body, `"_lucia":null`), true)
			thief.Get("/page")
			want(t, "POST refresh", thief.Fetch("POST", "/api/auth/refresh", nil).Status != 200, true)
		})
		w.device(tab, "fresh, bound true")
	}
	want(t, "presented without the device", w.happened(session.EventUnbound) > 0, true)
	want(t, "reuse", w.happened(session.EventReuse), 0)
}

func testThiefProofs(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	id := w.sessionOf(b)
	time.Sleep(pastTTL)
	w.device(tab, "fresh, bound true")
	thief := w.later(b)
	overheard := w.proofs[len(w.proofs)-1]

	w.costs("a thief without a proof", 0, func() {
		resp := w.send(thief, "", dbsc.HeaderID, id)
		want(t, "status", resp.StatusCode, 403)
		challenge, ok := dbsc.ParseChallenge(resp.Header.Get(dbsc.HeaderChallenge))
		want(t, "challenge", ok && challenge.ID == id, true)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for name, proof := range map[string]string{
			"own key":                     dbsc.Sign(key, challenge.Value, false),
			"own key, named in the proof": dbsc.Sign(key, challenge.Value, true),
			"garbled":                     "x.y.z",
			"overheard, other signature":  overheard[:strings.LastIndexByte(overheard, '.')] + ".AAAA",
		} {
			resp := w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, proof)
			want(t, name, resp.StatusCode, 401)
			want(t, name+": cookies", len(resp.Header["Set-Cookie"]), 0)
		}
		for _, old := range w.proofs[:len(w.proofs)-1] {
			resp := w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, old)
			want(t, "an older proof", resp.StatusCode == 200, false)
		}
	})
	// The proof was for the token before this one, so it is of no use even at once.
	want(t, "an overheard proof", w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, overheard).StatusCode == 200, false)
	time.Sleep(3 * time.Minute)
	resp := w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, overheard)
	want(t, "an overheard proof, later", resp.StatusCode, 403)
	want(t, "refused proofs", w.happened(session.EventBindingRefused) > 0, true)
	time.Sleep(pastTTL)
	w.device(tab, "fresh, bound true")
}

// testThiefOtherSession presents a proof, a certificate and an identifier of the thief's own
// session beside the victim's cookies.
func testThiefOtherSession(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	own := w.browser()
	w.signIn(own)
	time.Sleep(pastTTL)
	own.Open("/device")
	certificate, proof := w.query, w.proofs[len(w.proofs)-1]
	thief := w.later(b)
	for _, id := range []string{w.sessionOf(b), w.sessionOf(own)} {
		for _, query := range []string{"", certificate} {
			resp := w.send(thief, query, dbsc.HeaderID, id, dbsc.HeaderResponse, proof)
			want(t, "status of another session's proof is 200", resp.StatusCode == 200, false)
			want(t, "cookies", len(resp.Header["Set-Cookie"]), 0)
		}
	}
	w.device(tab, "fresh, bound true")
}

func testThiefStrips(t *testing.T, w *boundWorld) {
	w.strip = true
	b := w.browser()
	tab := w.signIn(b)
	w.strip = false
	for range 3 {
		time.Sleep(pastTTL)
		want(t, "page", strings.HasSuffix(tab.Get("/device").Body, ", bound false"), true)
	}
	want(t, "bound", w.bound(), 0)
	want(t, "sessions of the browser", len(b.BoundSessions()), 0)
}

// register registers a key of the thief's own with a challenge, and returns the thief's browser
// with the bound cookies.
func (w *boundWorld) register(thief *luciatest.Browser, challenge string) (id string, key *ecdsa.PrivateKey, certificate string, status int) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", "https://app.example/api/auth/bound", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set(dbsc.HeaderResponse, dbsc.Sign(key, challenge, true))
	resp, err := thief.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var in dbsc.Instructions
	if resp.StatusCode == 200 {
		if err := json.NewDecoder(resp.Body).Decode(&in); err != nil {
			w.t.Fatal(err)
		}
	}
	_, query, _ := strings.Cut(in.RefreshURL, "?")
	return in.SessionID, key, "?" + query, resp.StatusCode
}

// prove sends a proof of the thief's key and returns the status.
func (w *boundWorld) prove(thief *luciatest.Browser, id, certificate string, key *ecdsa.PrivateKey) int {
	w.t.Helper()
	challenge, _ := dbsc.ParseChallenge(w.send(thief, certificate, dbsc.HeaderID, id).Header.Get(dbsc.HeaderChallenge))
	return w.send(thief, certificate, dbsc.HeaderID, id, dbsc.HeaderResponse, dbsc.Sign(key, challenge.Value, false)).StatusCode
}

// testThiefRegisters has a thief who copies the cookies and the challenge of a sign-in, and
// registers a key within the minute. Whoever is second to use a bound token is found.
func testThiefRegisters(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	thief := w.early()
	id, key, certificate, status := w.register(thief, w.challenge)
	want(t, "status", status, 200)
	want(t, "identifier", id, w.sessionOf(b))
	want(t, "first proof", w.prove(thief, id, certificate, key), 200)
	want(t, "thief", thief.Open("/device").Page().Body, "fresh, bound true")
	if generationOf(thief) == generationOf(b) {
		t.Skip("the two keys have the same tag, as one pair in two thousand has")
	}
	want(t, "thief with the certificate and the owner's jar", w.prove(w.later(b), id, certificate, key), 401)
	time.Sleep(accessTTL)
	want(t, "thief in force", w.prove(thief, id, certificate, key) == 200, true)
	time.Sleep(time.Minute)
	if page := tab.Get("/private"); page.URL.Path != "/login" { // the owner's generation is the greater one
		want(t, "page of the owner", page.Body, "u1 fresh")
		want(t, "thief, after the owner", w.prove(thief, id, certificate, key), 401)
	}
	w.found(tab)
}

// generationOf returns the generation in a browser's access cookie.
func generationOf(b *luciatest.Browser) (gen string) {
	for _, c := range b.Cookies() {
		if c.Name == "__Host-access_token" {
			payload := strings.Split(c.Value, ".")[1]
			data, _ := base64.RawURLEncoding.DecodeString(payload)
			_, gen, _ = strings.Cut(string(data), `"gen":`)
			gen, _, _ = strings.Cut(gen, ",")
		}
	}
	return gen
}

// testThiefRegistersLate has a thief who copies the cookies and registers later than within a
// minute, or with a challenge that is not of this session.
func testThiefRegistersLate(t *testing.T, w *boundWorld) {
	w.strip = true
	w.signIn(w.browser())
	thief, challenge := w.early(), w.challenge
	other := w.plain()
	w.signIn(other)
	_, _, _, status := w.register(thief, w.challenge)
	want(t, "with the challenge of another session", status, 401)
	_, _, _, status = w.register(w.plain(), challenge)
	want(t, "without cookies", status, 401)
	time.Sleep(61 * time.Second)
	_, _, _, status = w.register(thief, challenge)
	want(t, "after a minute", status, 401)
	page := thief.Open("/api/auth/bound?next=/device") // asks for another challenge
	want(t, "another challenge", page.Page().Header.Get(dbsc.HeaderRegistration), "")
	resp, err := thief.Client().Get("https://app.example/api/auth/bound?next=/device")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want(t, "another challenge", resp.Header.Get(dbsc.HeaderRegistration), "")
}

// testThiefSkips has a thief who claims that the browser could not refresh.
func testThiefSkips(t *testing.T, w *boundWorld) {
	b := w.browser()
	w.inForce(w.signIn(b))
	thief := w.later(b)
	time.Sleep(pastTTL)
	for _, path := range []string{"/private", "/api/auth/session"} {
		r, err := http.NewRequest("GET", "https://app.example"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(dbsc.HeaderSkipped, `unreachable;session_identifier="`+w.sessionOf(b)+`"`)
		w.costs("a thief who skips", 0, func() {
			resp, err := thief.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want(t, "status of "+path, resp.StatusCode, 503)
			want(t, "cookies of "+path, len(resp.Header["Set-Cookie"]), 0)
		})
	}
}

// testThiefBearer has a thief with the tokens of a page and the fingerprint.
func testThiefBearer(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	tab.Get("/page")
	thief := tab.Steal()
	time.Sleep(pastTTL)
	w.costs("a thief with a bearer token", 0, func() {
		if err := thief.Refresh(); err == nil {
			t.Error("a bound bearer token refreshes")
		}
	})
	var keep []*http.Cookie
	for _, c := range b.Cookies() { // without the refresh cookie
		if c.Name == "__Host-fingerprint_token" {
			keep = append(keep, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: true})
		}
	}
	only := w.plain()
	only.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example"}, keep)
	data := tab.Page().Data["_lucia"]
	var tokens struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(data, &tokens); err != nil || (tokens.Refresh == "") != w.hardened {
		t.Fatalf("page data %s: %v", data, err)
	}
	r, err := http.NewRequest("POST", "https://app.example/api/auth/refresh", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.Refresh)
	w.costs("a thief with a bearer token and the fingerprint", 0, func() {
		resp, err := only.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want(t, "status is 200", resp.StatusCode == 200, false)
	})
	w.device(tab, "fresh, bound true")
}

func testThiefSocket(t *testing.T, w *boundWorld) {
	b := w.browser()
	w.inForce(w.signIn(b))
	thief := w.later(b)
	time.Sleep(pastTTL)
	r, err := http.NewRequest("GET", "https://app.example/private", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(websocket); i += 2 {
		r.Header.Set(websocket[i], websocket[i+1])
	}
	w.costs("a socket", 0, func() {
		resp, err := thief.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want(t, "status", resp.StatusCode, 503)
	})
}

func testBoundOtherOrigin(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	id := w.sessionOf(b)
	thief := w.later(b)
	for _, header := range [][]string{{}, {dbsc.HeaderID, id}, {dbsc.HeaderID, id, dbsc.HeaderResponse, "x"}} {
		resp := w.send(thief, "", append(slices.Clip(header), elsewhere...)...)
		want(t, "status from another origin", resp.StatusCode, 403)
		want(t, "challenge from another origin", resp.Header.Get(dbsc.HeaderChallenge), "")
	}
	page := b.Open(idp).Follow("https://app.example/api/auth/bound?next=https://evil.example/")
	want(t, "a link to the route", page.URL.String(), "https://app.example/")
	w.device(tab, "fresh, bound true")
}

func testBoundGarbage(t *testing.T, w *boundWorld) {
	b := w.browser()
	w.signIn(b)
	id := w.sessionOf(b)
	thief := w.later(b)
	w.costs("garbage", 0, func() {
		for _, header := range [][]string{
			{}, {dbsc.HeaderResponse, "x"}, {dbsc.HeaderResponse, strings.Repeat("x", 4000)},
			{dbsc.HeaderID, "x"}, {dbsc.HeaderID, `"` + id}, {dbsc.HeaderID, session.NewID().String()},
			{dbsc.HeaderID, id, dbsc.HeaderResponse, "x"}, {dbsc.HeaderID, id, dbsc.HeaderResponse, "a.b.c"},
		} {
			want(t, fmt.Sprintf("status of %.60q", header), w.send(thief, "?key=x", header...).StatusCode, 401)
		}
		want(t, "quoted", w.send(thief, "", dbsc.HeaderID, `"`+id+`"`).StatusCode, 403)
		want(t, "without cookies", w.send(w.plain(), "", dbsc.HeaderID, id).StatusCode, 401)
	})
}

func testRequireBound(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := b.Open("/page")
	w.costs("a sign-in and the page", 1, func() {
		tab.Fetch("POST", "/login?user=u1", nil)
		want(t, "page of a person who has just signed in", tab.Get("/vault").Body, "treasure")
		want(t, "script", tab.Fetch("GET", "/vault", nil).Body, "treasure")
	})
	other := w.signIn(w.plain())
	for range 2 {
		page := other.Get("/vault")
		want(t, "page of another browser", page.Status, 403)
		want(t, "its words", strings.Contains(page.Body, "<h1>Not with this browser</h1>"), true)
		script := other.Fetch("GET", "/vault", nil)
		want(t, "script of another browser", script.Status, 403)
		want(t, "its code", strings.Contains(script.Body, "AUTH_DEVICE_REQUIRED"), true)
		time.Sleep(2 * time.Minute)
	}
	w.strip = true // the browser could bind, and the session is not bound
	tab = w.signIn(w.browser())
	time.Sleep(2 * time.Minute)
	want(t, "page of a session that is not bound", tab.Get("/vault").Status, 403)
}

// testBoundIdle has the browser's own refreshes extend nothing, and the person's activity extend
// the session.
func testBoundIdle(t *testing.T, w *boundWorld) {
	idle := w.process(t, func(c *middleware.Config[Profile]) { c.IdleTimeout = 2 * time.Hour })
	w.next = []http.Handler{idle.handler}
	b := w.browser()
	tab := w.signIn(b)
	for range 12 { // a person who reads for six hours
		time.Sleep(30 * time.Minute)
		want(t, "page of a reader", strings.HasSuffix(tab.Get("/device").Body, "bound true"), true)
	}
	for range 20 { // a page that asks by itself
		time.Sleep(14 * time.Minute)
		tab.Fetch("GET", "/device", nil)
	}
	want(t, "page after hours without a person", strings.HasSuffix(tab.Get("/device").Body, "bound false"), true)
	want(t, "reused", w.happened(session.EventReuse), 0)
}

// testBoundShort has a session without Max-Age. The browser refreshes its bound cookie all the
// same.
func testBoundShort(t *testing.T, w *boundWorld) {
	tab := w.browser().Open("/page")
	tab.Fetch("POST", "/short", nil)
	tab.Get("/device")
	for range 4 {
		time.Sleep(pastTTL)
		w.device(tab, "fresh, bound true")
	}
	want(t, "bound in the store", w.bound(), 1)
}
