package browser_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/session"
)

// fetching uses each new access token, as pages do; so the server learns that
// the browser has the generation. It believes that of tokens which are not of
// this second, since their time of issue is in whole ones.
const fetching = `document.addEventListener("lucia:session", () =>
	setTimeout(() => lucia.luciaFetch("/api/me"), 1000),
)`

// Ten tabs of one person, for four rotations: one a period. Channel and lock keep
// the tabs from sending much, and of what they send the rule makes no more.
func testTenTabs(t *testing.T, b *chrometest.Browser) {
	const (
		rotations = 4
		ttl       = 18 * time.Second
		// The tabs refresh when two thirds of a token's life are over. The server alone
		// would rotate 2 grace after its first use, which is sooner.
		period = ttl / 2
	)
	s := newSite(t, ttl)
	person := b.Person(t)
	tabs := []*chrometest.Tab{signIn(t, s, person, "u1", fetching)}
	for range 9 {
		tabs = append(tabs, another(t, s, person, fetching))
	}
	requests := s.refreshes.Load()
	tabs[0].Eval("void (window.begun = generations.size)", nil)
	for i := range rotations {
		tabs[0].Until(fmt.Sprintf("generations.size > begun + %d", i))
	}
	requests = s.refreshes.Load() - requests
	assertOneRotationAPeriod(t, s.store.decisions(), period)
	t.Logf("%d tabs, %d rotations, %d requests to refresh", len(tabs), rotations, requests)
	// On a busy machine tabs wait for the lock in vain now and then.
	if alone := int64(len(tabs) * rotations); requests > alone/2 {
		t.Errorf("%d requests to refresh in %d periods, by tabs that do not share it were %d", requests, rotations, alone)
	}
	if n := s.store.count(session.Reused); n != 0 {
		t.Errorf("%d reused", n)
	}
	for i, tab := range tabs {
		if got := tab.Text("session.user.user_id + errors.join()"); got != "u1" {
			t.Errorf("tab %d has %s", i, got)
		}
		if me := tab.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != "u1" {
			t.Errorf("tab %d: the API answers %q", i, me)
		}
	}
}

// assertOneRotationAPeriod asserts that within a period of a rotation there is
// no other, and that the first refresh after it is one. The times are those of
// the store; period allows for requests that are late.
func assertOneRotationAPeriod(t *testing.T, decisions []decision, period time.Duration) {
	t.Helper()
	var last time.Time
	for i, d := range decisions {
		since := d.at.Sub(last)
		switch rotated := d.outcome == session.Rotated; {
		case rotated && since < period:
			t.Errorf("decision %d: rotated %v after the last rotation, two in a period of %v", i, since, period)
		case !rotated && since >= period:
			t.Errorf("decision %d: %v %v after the last rotation, none in a period of %v", i, d.outcome, since, period)
		}
		if d.outcome == session.Rotated {
			last = d.at
		}
	}
}

func testTabAlone(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 6*time.Second)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	alone := another(t, s, person, "delete window.BroadcastChannel; delete Navigator.prototype.locks")
	if got := alone.Text("typeof BroadcastChannel + typeof navigator.locks"); got != "undefinedundefined" {
		t.Fatalf("the tab has %s", got)
	}
	alone.Until("refreshes.length >= 5 && generations.size >= 3")
	for name, tab := range map[string]*chrometest.Tab{"other": tab, "alone": alone} {
		if got := tab.Text("session.user.user_id + errors.join()"); got != "u1" {
			t.Errorf("the %s tab has %s", name, got)
		}
	}
	if n := s.store.count(session.Reused); n != 0 {
		t.Errorf("%d reused", n)
	}
}

func testSignOutEverywhere(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	others := []*chrometest.Tab{another(t, s, person), another(t, s, person)}
	tab.Eval("void lucia.signOut('/plain')", nil)
	tab.Until("location.pathname === '/plain'")
	for _, other := range others {
		other.Until("session === null")
		if got := other.Text("JSON.stringify([errors, [...document.querySelectorAll('[name=_lucia]')].map((f) => f.value)])"); got != `[[],["",""]]` {
			t.Errorf("errors and fields are %s", got)
		}
	}
	if n := s.refreshes.Load(); n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

func testFormSignOut(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	other := another(t, s, person)
	tab.Eval("void document.querySelector('#logout').submit()", nil)
	tab.Until("window.ready && session === null")
	other.Until("session === null && !errors.length")
}

func testUserSwitch(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	tab.Eval("void (window.stale = true)", nil)
	signIn(t, s, person, "u2")
	tab.Until("window.ready && !window.stale && session.user.user_id === 'u2'")
	if who := tab.Text("document.querySelector('#who').innerText"); who != "u2" {
		t.Errorf("the page is of %s", who)
	}
	if me := tab.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != "u2" {
		t.Errorf("the API answers %q", me)
	}
}
