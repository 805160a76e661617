package adaptertest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

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
		b.BoundSessions() // wait for what the browser does beside the page
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

	other := w.plain().Open(idp) // a browser that does not bind is not redirected
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

// testBoundLostAnswers loses each of the first answers in turn, and several at once.
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

// testBoundTwice has a browser register a second key for its session, as after two links that lead
// to the app at once. The answer arrives after that of the first key's first proof, so the browser
// has the second key beside cookies that are bound to the first. No one signs in again.
func testBoundTwice(t *testing.T, w *boundWorld) {
	for _, pause := range []time.Duration{0, 2 * time.Minute, accessTTL + time.Minute} {
		b := w.browser()
		tab := w.signIn(b)
		b.BoundSessions() // the first key is registered, and its first proof is answered
		w.device(tab, "fresh, bound true")
		w.again, w.late = w.challenge, w.first
		tab.Get("/page")
		b.BoundSessions() // the second key is registered
		want(t, "the second registration was sent", w.late == nil, true)
		time.Sleep(pause)
		tab.Get("/device")
		for range 3 {
			w.device(tab, "fresh, bound true")
			time.Sleep(pastTTL)
		}
		w.device(tab, "fresh, bound true")
		want(t, "bound in the store", w.bound(), 1)
		if err := w.auth.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []session.EventKind{session.EventReuse, session.EventAdopted, session.EventUnbound, session.EventBindingRefused} {
		want(t, string(kind), w.happened(kind), 0)
	}
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
	b.LoseKeys() // the page is repeated only once
	time.Sleep(pastTTL)
	page := b.Open(idp).Follow("https://app.example/private")
	want(t, "page without the key", page.URL.RequestURI(), "/login?next=%2Fprivate")
}

// testBoundScripts tests what the browser module does beside the browser.
func testBoundScripts(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	tab.Get("/page")
	for range 3 {
		time.Sleep(accessTTL - time.Minute)
		w.costs("two refreshes by script", 1, func() {
			for range 2 { // the first gets the current tokens while the browser refreshes
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

// testBoundProcesses has three processes that answer in turn. One has a newer secret, and one has
// only that.
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
	w.next = []http.Handler{w.handler} // does not have the key, but another process may
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
		want(t, "its text", strings.Contains(page.Body, "<h1>Not with this browser</h1>"), true)
		script := other.Fetch("GET", "/vault", nil)
		want(t, "script of another browser", script.Status, 403)
		want(t, "its code", strings.Contains(script.Body, "AUTH_DEVICE_REQUIRED"), true)
		time.Sleep(2 * time.Minute)
	}
	w.strip = true // the browser could bind the session but does not
	tab = w.signIn(w.browser())
	time.Sleep(2 * time.Minute)
	want(t, "page of a session that is not bound", tab.Get("/vault").Status, 403)
}

// testBoundIdle checks that the browser's own refreshes extend nothing, and that the person's
// activity extends the session.
func testBoundIdle(t *testing.T, w *boundWorld) {
	idle := w.process(t, func(c *middleware.Config[Profile]) { c.IdleTimeout = 2 * time.Hour })
	w.next = []http.Handler{idle.handler}
	b := w.browser()
	tab := w.signIn(b)
	for range 12 { // a person who reads for six hours
		time.Sleep(30 * time.Minute)
		want(t, "page of a reader", strings.HasSuffix(tab.Get("/device").Body, "bound true"), true)
	}
	for range 20 { // a page that polls
		time.Sleep(14 * time.Minute)
		tab.Fetch("GET", "/device", nil)
	}
	want(t, "page after hours without a person", strings.HasSuffix(tab.Get("/device").Body, "bound false"), true)
	want(t, "reused", w.happened(session.EventReuse), 0)
}

// testBoundShort has a session without Max-Age. The browser refreshes its bound cookie
// nevertheless.
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
