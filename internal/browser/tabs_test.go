package browser_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/session"
)

// fetching is a script that uses each new access token, as pages do, so that the server confirms
// the generation. Tokens that were issued in the current second confirm nothing, because their time
// of issue is in whole seconds.
const fetching = `document.addEventListener("lucia:session", () =>
	setTimeout(() => lucia.luciaFetch("/api/me"), 1000),
)`

// Ten tabs of one person run for four periods, with one rotation in each. Channel and lock limit
// the number of requests, and the rule limits the number of rotations.
func testTenTabs(t *testing.T, b *chrometest.Browser) {
	const (
		rotations = 4
		ttl       = 18 * time.Second
		// The tabs refresh after two thirds of a token's life. The server would rotate earlier:
		// twice grace after the first use of the token.
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
	// On a busy machine some tabs time out while they wait for the lock. The tests in node assert
	// that tabs share requests.
	if alone := int64(len(tabs) * rotations); requests > alone {
		t.Errorf("%d requests to refresh in %d periods, want at most %d, one for each tab", requests, rotations, alone)
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

// assertOneRotationAPeriod asserts that each period has one rotation, and that the first refresh of
// a period rotates. The times are those of the store. period allows for late requests.
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

// A tab that keeps the lock, for instance because it is frozen, delays the refresh of the others.
// They still refresh before the token expires.
func testHeldLock(t *testing.T, b *chrometest.Browser) {
	const lock = "'lucia:/api/auth/'"
	s := newSite(t, 65*time.Second)
	person := b.Person(t)
	holder := person.Tab(t)
	holder.Open(s.URL + "/plain")
	holder.Eval(`new Promise((held) => void navigator.locks.request(`+lock+`, () => {
		held();
		return new Promise(() => {});
	}))`, nil)
	holder.Eval(`void (async () => {
		const pending = async () => (await navigator.locks.query()).pending.some(({ name }) => name === `+lock+`);
		while (!(await pending())) await new Promise((later) => setTimeout(later, 20));
		window.waited = true;
	})()`, nil)
	tab := signIn(t, s, person, "u1", one)
	tab.Until("refreshes.length >= 2")
	holder.Until("window.waited") // otherwise the lock has another name
	var seconds, at float64
	tab.Eval("+document.querySelector('#lucia-page-data').dataset.expiresIn", &seconds)
	if tab.Eval("refreshedAt[1] / 1000", &at); at >= seconds {
		t.Errorf("refreshed %.2f s after the navigation, after the token of %v s had expired", at, seconds)
	}
	var held bool
	if holder.Eval("navigator.locks.query().then(({ held }) => held.some(({ name }) => name === "+lock+"))", &held); !held {
		t.Error("the tab lost the lock")
	}
}

// sleeping is a script that simulates the sleep of a machine: the date advances, and the monotonic
// clock does not. All tabs wake at the same time and get the events of a page that wakes.
const sleeping = `{
	const now = Date.now;
	let slept = 0;
	Date.now = () => now() + slept;
	const wake = () => {
		slept = +localStorage.slept;
		document.dispatchEvent(new Event("visibilitychange"));
		window.dispatchEvent(new Event("focus"));
		window.dispatchEvent(new Event("online"));
		window.woken = true;
	};
	addEventListener("storage", ({ key }) => key === "slept" && wake());
	window.sleep = (ms) => {
		localStorage.slept = ms;
		wake();
	};
}`

// A laptop with five tabs sleeps for a day. Each tab refreshes at most once when it wakes, and the
// server rotates once.
func testSleep(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 15*time.Minute)
	person := b.Person(t)
	tabs := []*chrometest.Tab{signIn(t, s, person, "u1", sleeping)}
	for range 4 {
		tabs = append(tabs, another(t, s, person, sleeping))
	}
	if n := s.refreshes.Load(); n != 0 {
		t.Fatalf("%d refreshes before the sleep", n)
	}
	tabs[0].Eval("sleep(24 * 3_600_000)", nil)
	for _, tab := range tabs {
		tab.Until("woken && generations.size >= 2")
	}
	// A tab that refreshed again would do so within a second.
	tabs[0].Eval("new Promise((later) => setTimeout(later, 3000))", nil)
	requests := s.refreshes.Load()
	t.Logf("%d tabs, %d requests to refresh", len(tabs), requests)
	if requests < 1 || requests > int64(len(tabs)) {
		t.Errorf("%d requests to refresh, want at most one for each tab", requests)
	}
	if n := s.store.count(session.Rotated); n != 1 {
		t.Errorf("%d rotations, want 1", n)
	}
	for i, tab := range tabs {
		if got := tab.Text("session.user.user_id + errors.join()"); got != "u1" {
			t.Errorf("tab %d has %s", i, got)
		}
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
		if got := other.Text("JSON.stringify([errors, [...document.querySelectorAll('[name=_lucia]')].map((f) => f.value).join('')])"); got != `[[],""]` {
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
		t.Errorf("the page shows %s", who)
	}
	if me := tab.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != "u2" {
		t.Errorf("the API answers %q", me)
	}
}
