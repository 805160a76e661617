package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/session"
)

// Ten tabs of one person, for four periods. The rule makes one rotation of
// whatever they send; channel and lock keep them from sending much.
func testTenTabs(t *testing.T, b *chrometest.Browser) {
	const (
		periods = 4
		period  = 4 * time.Second // two thirds of the token's life
	)
	s := newSite(t, period*3/2)
	person := b.Person(t)
	tabs := []*chrometest.Tab{signIn(t, s, person, "u1")}
	for range 9 {
		tabs = append(tabs, another(t, s, person))
	}
	begin, rotated, requests := time.Now(), s.store.count(session.Rotated), s.refreshes.Load()
	tabs[0].Eval("void (window.begin = performance.now())", nil)
	tabs[0].Until("performance.now() > begin + 16000")
	rotated, requests = s.store.count(session.Rotated)-rotated, s.refreshes.Load()-requests
	passed := int(time.Since(begin)/period) + 1 // a busy machine looks late
	t.Logf("%d tabs, %d periods: %d rotations, %d requests to refresh", len(tabs), periods, rotated, requests)
	if rotated < 1 || rotated > passed {
		t.Errorf("%d rotations in %d periods", rotated, passed)
	}
	// On a busy machine tabs wait for the lock in vain now and then.
	if alone := int64(len(tabs) * passed); requests < 2 || requests > alone/2 {
		t.Errorf("%d requests to refresh in %d periods, by tabs that do not share it were %d", requests, passed, alone)
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
