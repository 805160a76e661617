package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// loading counts the documents of a tab.
const loading = "sessionStorage.loads = (+sessionStorage.loads || 0) + 1"

// worker signs a user in where a service worker passes all requests.
func worker(t *testing.T, s *site, person *chrometest.Person) *chrometest.Tab {
	t.Helper()
	tab := signIn(t, s, person, "u1", loading)
	tab.Open(s.URL + "/plain") // whose policy lets scripts register workers
	tab.Eval(`navigator.serviceWorker.register("/sw.js").then(() =>
		navigator.serviceWorker.controller ?? new Promise((done) => (navigator.serviceWorker.oncontrollerchange = done)))`+".then(() => true)", nil)
	return tab
}

// assertLoads asserts how many documents the tab has had since the test began to
// count, a second later: for what must not come.
func assertLoads(t *testing.T, tab *chrometest.Tab, want int) {
	t.Helper()
	var n int
	tab.Eval("new Promise((later) => setTimeout(later, 1000)).then(() => +sessionStorage.loads)", &n)
	if n != want {
		t.Errorf("the tab has loaded %d documents, want %d", n, want)
	}
}

// The worker serves one page from its cache, which is of another user's session.
func testWorkerServesAnotherUser(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := worker(t, s, person)
	tab.Open(s.URL + "/?fixed")
	tab.Until("window.ready && session.user.user_id === 'u1'")
	other := person.Tab(t, loading)
	other.Open(s.URL + "/login/u2")
	other.Until("window.ready && session.user.user_id === 'u2'")
	tab.Open(s.URL + "/plain")
	tab.Eval("void (sessionStorage.clear())", nil)
	other.Eval("void (sessionStorage.loads = 0)", nil)

	tab.Open(s.URL + "/?fixed")
	tab.Until("window.ready && session === null && document.documentElement.inert")
	assertLoads(t, tab, 2) // by the person, and once for the other user
	if opacity := tab.Text("getComputedStyle(document.documentElement).opacity"); opacity != "0" {
		t.Errorf("the page of another user has opacity %s", opacity)
	}
	assertLoads(t, other, 0)
	if user := other.Text("session.user.user_id"); user != "u2" {
		t.Errorf("the other tab has the session of %s", user)
	}
	tab.Open(s.URL + "/?another")
	tab.Until("window.ready && session.user.user_id === 'u2' && " + visible)
}

// The page and a frame in it come from the worker's cache, both of another user's session.
// Each is replaced once: neither makes the tab forget that the other was.
func testWorkerServesAnotherUserInAFrame(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := worker(t, s, person)
	tab.Open(s.URL + "/?fixed")
	tab.Until("window.ready && session.user.user_id === 'u1'")
	// The page's own script comes after the frame's.
	tab.Eval(`Promise.all([caches.open("pages"), fetch("/").then((page) => page.text())]).then(([pages, html]) => {
		const put = (url, html) => pages.put(url, new Response(html, { headers: { "Content-Type": "text/html" } }));
		const frame = "<iframe src='/?fixed-frame' onload='import(\"/testdata/site/app.js\")'></iframe>";
		return Promise.all([put("/?fixed", html.replaceAll('type="module"', "type=later") + frame), put("/?fixed-frame", html)]);
	}).then(() => true)`, nil)
	other := person.Tab(t, loading)
	other.Open(s.URL + "/login/u2")
	other.Until("window.ready && session.user.user_id === 'u2'")
	tab.Open(s.URL + "/plain")
	tab.Eval("void (sessionStorage.clear())", nil)

	tab.Open(s.URL + "/?fixed")
	tab.Until("window.ready && session === null && document.documentElement.inert")
	var loads int
	tab.Eval("new Promise((later) => setTimeout(later, 1000)).then(() => +sessionStorage.loads)", &loads)
	if loads > 6 { // the page twice, and in each the frame, at most twice
		t.Errorf("the tab has loaded %d documents", loads)
	}
}

// Without network, pages of the former user stay unseen and nothing moves. When the
// network is back, the tab has a page of the present user.
func testWorkerOffline(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := worker(t, s, person)
	tab.Open(s.URL + "/?kept")
	tab.Until("window.ready && session.user.user_id === 'u1'")
	other := person.Tab(t, loading)
	other.Open(s.URL + "/?kept")
	other.Until("window.ready && session.user.user_id === 'u1'")
	tab.Open(s.URL + "/login/u2")
	tab.Until("window.ready && session.user.user_id === 'u2'")
	other.Until("window.ready && session.user.user_id === 'u2'") // replaced by a GET
	tab.Eval("fetch('/plain').then(() => caches.open('pages')).then((c) => Promise.all([c.delete('/'), c.put('/offline', new Response())])).then(() => true)", nil)
	tab.Eval("void (sessionStorage.clear())", nil)
	other.Eval("void (sessionStorage.clear(), window.kept = true)", nil)

	tab.Open(s.URL + "/?kept") // of u2 by now, in the cache
	tab.Until("window.ready && session.user.user_id === 'u2'")
	tab.Until("errors.length")
	assertLoads(t, tab, 1)
	if who := tab.Text(who); who != "u2" {
		t.Errorf("the page is of %s", who)
	}
	tab.Eval("caches.open('pages').then((c) => c.delete('/offline')).then(() => void dispatchEvent(new Event('online')))", nil)
	tab.Until("refreshes.length > 1 && " + visible)
	assertLoads(t, tab, 1)
	other.Until("window.kept")
}

// A page of the former session, without network and with it again.
func testWorkerOfflineAfterSignOut(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := worker(t, s, person)
	tab.Open(s.URL + "/?kept")
	tab.Until("window.ready && session.user.user_id === 'u1'")
	tab.Eval("lucia.signOut()", nil)
	tab.Eval("caches.open('pages').then((c) => c.put('/offline', new Response())).then(() => true)", nil)
	tab.Eval("void (sessionStorage.clear())", nil)
	tab.Open(s.URL + "/?kept")
	tab.Until("window.ready && errors.length")
	assertLoads(t, tab, 1)
	if opacity := tab.Text("getComputedStyle(document.documentElement).opacity"); opacity != "0" {
		t.Errorf("the page of an ended session has opacity %s", opacity)
	}
	tab.Eval("caches.open('pages').then((c) => c.delete('/offline')).then(() => void dispatchEvent(new Event('online')))", nil)
	tab.Until("window.ready && session === null && " + who + " === 'nobody' && " + visible)
	assertLoads(t, tab, 2)
}
