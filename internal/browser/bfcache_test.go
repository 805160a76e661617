package browser_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// atShow is a script that records how each page of the tab is shown, before the module handles the
// event. The records outlive a reload.
const atShow = `addEventListener("pageshow", ({ persisted }) => {
	const { opacity } = getComputedStyle(document.documentElement);
	const use = document.documentElement.inert ? "inert" : "usable";
	const shown = JSON.parse(sessionStorage.shown ?? "[]");
	shown.push([location.pathname + location.search, persisted, opacity, use].join(" "));
	sessionStorage.shown = JSON.stringify(shown);
});`

// open opens a page that the browser may keep in its back/forward cache, and marks it.
func open(t *testing.T, s *site, tab *chrometest.Tab) {
	t.Helper()
	tab.Open(s.URL + "/?bfcache")
	tab.Until("window.ready && session.user.user_id === 'u1'")
	tab.Eval("void (window.kept = true)", nil)
}

// leave opens such a page and then goes to another page of the site.
func leave(t *testing.T, s *site, tab *chrometest.Tab, to string) {
	t.Helper()
	open(t, s, tab)
	tab.Open(s.URL + to)
}

// assertShown asserts how the last pages of the tab were shown. A page from the cache is hidden
// until the module has checked it.
func assertShown(t *testing.T, tab *chrometest.Tab, want ...string) {
	t.Helper()
	var shown []string
	tab.Eval("JSON.parse(sessionStorage.shown)", &shown)
	if got := shown[max(0, len(shown)-len(want)):]; !slices.Equal(got, want) {
		t.Errorf("pages were shown as %q, want %q", got, want)
	}
}

// assertLookups asserts how often the pages asked the server. A page from the cache asks once,
// however it is shown.
func assertLookups(t *testing.T, s *site, want int64) {
	t.Helper()
	if n := s.lookups.Load(); n != want {
		t.Errorf("%d requests to the session route, want %d", n, want)
	}
}

const (
	fromCache = "/?bfcache true 0 inert"
	replaced  = "/?bfcache false 1 usable"
)

const visible = "getComputedStyle(document.documentElement).opacity === '1' && !document.documentElement.inert"

func testCacheSameSession(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1", atShow)
	leave(t, s, tab, "/plain")
	tab.Back()
	tab.Until("window.kept && location.search === '?bfcache' && " + visible)
	assertShown(t, tab, fromCache)
	tab.Until("refreshes.length > 1") // the server has confirmed the session
	assertLookups(t, s, 1)
	if got := tab.Text("session.user.user_id + errors.join()"); got != "u1" {
		t.Errorf("the page has %s", got)
	}
	other := another(t, s, person)
	other.Eval("lucia.signOut()", nil)
	tab.Until("window.kept && session === null")
}

func testCacheSignedOut(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1", atShow)
	leave(t, s, tab, "/")
	tab.Until("window.ready")
	tab.Eval("lucia.signOut()", nil)
	assertBackToNoSession(t, s, tab)
}

// The page itself ends the session and then goes elsewhere. It must be hidden, too.
func testCacheSignedOutHere(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1", atShow)
	open(t, s, tab)
	tab.Eval("void lucia.signOut('/plain')", nil)
	tab.Until("location.pathname === '/plain'")
	assertBackToNoSession(t, s, tab)
}

// assertBackToNoSession goes back to the page in the cache. It asserts that the page is replaced by
// one without a session and is hidden until then.
func assertBackToNoSession(t *testing.T, s *site, tab *chrometest.Tab) {
	t.Helper()
	tab.Back()
	tab.Until("window.ready && !window.kept && location.search === '?bfcache' && session === null && " + visible)
	assertShown(t, tab, fromCache, replaced)
	assertLookups(t, s, 1)
	if who := tab.Text("document.querySelector('#who').innerText"); who != "no session" {
		t.Errorf("the page shows %s", who)
	}
}

func testCacheAnotherUser(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1", atShow)
	leave(t, s, tab, "/login/u2")
	tab.Until("window.ready && session.user.user_id === 'u2'")
	tab.Back()
	tab.Until("window.ready && !window.kept && location.search === '?bfcache' && session.user.user_id === 'u2'")
	assertShown(t, tab, fromCache, replaced)
	assertLookups(t, s, 1)
}

// The session ends without a message to the pages of this browser. The synchronous check passes,
// and the server's answer replaces the page.
func testCacheEnded(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1", atShow)
	leave(t, s, tab, "/plain")
	if err := s.auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	tab.Back()
	tab.Until("window.ready && !window.kept && session === null && location.search === '?bfcache'")
	assertShown(t, tab, fromCache, replaced)
	assertLookups(t, s, 1)
}
