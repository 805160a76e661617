package adaptertest

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// testBound checks device-bound sessions, with a browser that binds them and with thieves who copy
// from it.
func testBound(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, *boundWorld){
		"binds at sign-in":                     testBindsAtSignIn,
		"binds after a callback":               testBindsAfterCallback,
		"lasts":                                testBoundLivesOn,
		"lost answers":                         testBoundLostAnswers,
		"two registrations at once":            testBoundTwice,
		"many keys of a thief":                 testThiefRegistersMany,
		"link from another site":               testBoundLink,
		"scripts":                              testBoundScripts,
		"outage":                               testBoundOutage,
		"sign-out":                             testBoundSignOut,
		"another sign-in":                      testBoundSignInAgain,
		"lost keys":                            testBoundLostKeys,
		"several processes and another secret": testBoundProcesses,
		"switched off":                         testBoundSwitchedOff,
		"other browsers":                       testBoundOtherBrowsers,
		"jar copied before":                    testThiefBefore,
		"jar copied after":                     testThiefAfter,
		"jar and proofs copied":                testThiefProofs,
		"proofs of other sessions":             testThiefOtherSession,
		"header stripped":                      testThiefStrips,
		"key of the thief":                     testThiefRegisters,
		"key of the thief, late":               testThiefRegistersLate,
		"forged Secure-Session-Skipped":        testThiefSkips,
		"bearer token copied":                  testThiefBearer,
		"WebSocket with a copied jar":          testThiefSocket,
		"requests of another origin":           testBoundOtherOrigin,
		"invalid registrations and proofs":     testBoundGarbage,
		"RequireBound":                         testRequireBound,
		"idle timeout":                         testBoundIdle,
		"forgotten when the browser closes":    testBoundShort,
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
	pastTTL   = accessTTL + time.Minute // beyond the leeway
	idp       = "https://idp.example/"
)

// boundWorld is an app that binds sessions, with the requests it got and the events it reported.
type boundWorld struct {
	*world
	h        Harness
	hardened bool
	user     string // who signs in

	mu     sync.Mutex
	events []session.Event
	proofs []string       // sent to the route "bound"
	strip  bool           // a proxy removes the registration
	again  string         // the challenge of a registration that the next answer asks for
	late   []*http.Cookie // of registrations, which were sent before the last cookies arrived
	next   []http.Handler // the processes that answer, in turn

	first     []*http.Cookie // of the last sign-in
	challenge string         // of the last sign-in
	query     string         // of the last proof
}

func newBoundWorld(t *testing.T, h Harness, hardened bool, changes ...change) *boundWorld {
	w := &boundWorld{h: h, hardened: hardened, user: "u1"}
	w.world = w.process(t, changes...)
	w.next = []http.Handler{w.handler}
	return w
}

// process returns a process of the app that shares the store of the others.
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
	if isRegistration := r.Header.Get(dbsc.HeaderResponse) != "" && r.Header.Get(dbsc.HeaderID) == ""; isRegistration && w.late != nil {
		r = r.Clone(r.Context())
		r.Header.Del("Cookie")
		for _, c := range w.late {
			r.AddCookie(c)
		}
		w.late = nil
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
	if w.again != "" {
		resp.Header.Set(dbsc.HeaderRegistration, dbsc.Registration{Path: "/api/auth/bound", Challenge: w.again}.String())
		w.again = ""
	}
	return resp, nil
}

// browser returns a browser that binds sessions.
func (w *boundWorld) browser() *luciatest.Browser { return w.plain().BindSessions() }

// plain returns a browser that does not bind sessions.
func (w *boundWorld) plain() *luciatest.Browser {
	return luciatest.NewBrowserAt(w.t, "https://app.example", w)
}

// signIn signs in by a form.
func (w *boundWorld) signIn(b *luciatest.Browser) *luciatest.Tab {
	w.t.Helper()
	tab := b.Open("/page")
	if page := tab.Fetch("POST", "/login?user="+w.user, nil); page.Status != 200 {
		w.t.Fatalf("sign-in: %d %s", page.Status, page.Body)
	}
	return tab
}

// device checks what the page /device shows of the session.
func (w *boundWorld) device(tab *luciatest.Tab, says string) {
	w.t.Helper()
	want(w.t, "session", tab.Get("/device").Body, says)
}

// inForce lets time pass and a proof arrive, until the store has the session as bound.
func (w *boundWorld) inForce(tab *luciatest.Tab) {
	w.t.Helper()
	tab.Get("/device")
	time.Sleep(pastTTL)
	w.device(tab, "fresh, bound true")
	want(w.t, "bound in the store", w.bound(), 1)
}

// bound returns how many sessions are bound in the store.
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

// costs checks how many store calls f causes.
func (w *boundWorld) costs(what string, n int64, f func()) {
	w.t.Helper()
	before := w.store.calls.Load()
	f()
	want(w.t, "store calls of "+what, w.store.calls.Load()-before, n)
}

// send sends a request to the route "bound" with a browser's cookies.
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
