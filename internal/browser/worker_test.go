package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// loading counts the documents of a tab.
const loading = "sessionStorage.loads = (+sessionStorage.loads || 0) + 1"

// replacedOnce is true in a tab of worker that has opened one page after it, when that page has
// been replaced, and the page in its place has been hidden.
const replacedOnce = "+sessionStorage.loads === 4 && window.ready && session === null && document.documentElement.inert"

// worker signs a user in on a site whose service worker handles all requests.
func worker(t *testing.T, s *site, person *chrometest.Person) *chrometest.Tab {
	t.Helper()
	tab := signIn(t, s, person, "u1", loading)
	tab.Open(s.URL + "/plain") // the policy of this page lets scripts register workers
	tab.Eval(`navigator.serviceWorker.register("/sw.js").then(() =>
		navigator.serviceWorker.controller ?? new Promise((done) => (navigator.serviceWorker.oncontrollerchange = done)))`+".then(() => true)", nil)
	return tab
}

// assertLoads waits for a second, so that an unwanted navigation would show, and asserts how many
// documents the tab has loaded since the test began to count.
func assertLoads(t *testing.T, tab *chrometest.Tab, want int) {
	t.Helper()
	var n int
	tab.Eval("new Promise((later) => setTimeout(later, 1000)).then(() => +sessionStorage.loads)", &n)
	if n != want {
		t.Errorf("the tab has loaded %d documents, want %d", n, want)
	}
}

// The worker serves a page of another user's session from its cache.
func testWorkerServesAnotherUser(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := worker(t, s, person)
	tab.Open(s.URL + "/?fixed")
	tab.Until("window.ready && session.user.user_id === 'u1'")
	other := person.Tab(t, loading)
	other.Open(s.URL + "/login/u2")
	other.Until("window.ready && session.user.user_id === 'u2'")
	tab.Until(replacedOnce)
	tab.Open(s.URL + "/plain")
	tab.Eval("void (sessionStorage.clear())", nil)
	other.Eval("void (sessionStorage.loads = 0)", nil)

	tab.Open(s.URL + "/?fixed")
	tab.Until("window.ready && session === null && document.documentElement.inert")
	assertLoads(t, tab, 2) // one by the person, and one for the other user
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

// The page and a frame in it come from the worker's cache, both of another user's session. Each is
// replaced once. The entry of one in sessionStorage does not replace that of the other.
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
	if loads > 6 { // the page at most twice, and in each of them the frame at most twice
		t.Errorf("the tab has loaded %d documents", loads)
	}
}

// Without network, pages of the former user stay hidden and are not replaced. When the network is
// back, the tab shows a page of the current user.
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

	tab.Open(s.URL + "/?kept") // the cache now has this page of u2
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

// A page of the former session is opened without network. Then the network comes back.
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
	tab.Until("window.ready && session === null && " + who + " === 'no session' && " + visible)
	assertLoads(t, tab, 2)
}
