package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// order opens a page, places an order by form, and leaves the tab on the answer.
func order(t *testing.T, s *site, tab *chrometest.Tab) {
	t.Helper()
	tab.Eval("void document.querySelector('#order').submit()", nil)
	tab.Until("location.pathname === '/order' && window.ready && session.user.user_id === 'u1'")
	tab.Eval(`void (window.kept = true, window.details = [],
		document.addEventListener("lucia:session", ({ detail }) => details.push(detail)))`, nil)
}

// assertMarked asserts that the tab still shows the answer to the order, that the page is stale,
// and that the order was placed once.
func assertMarked(t *testing.T, s *site, tab *chrometest.Tab) {
	t.Helper()
	tab.Until("window.kept && session === null && details.at(-1).stale")
	tab.Eval("new Promise((later) => setTimeout(later, 1000))", nil) // so that an unwanted request would show
	var ok bool
	if tab.Eval("window.kept && document.documentElement.inert && [...document.querySelectorAll('[name=_lucia]')].every((f) => !f.value)", &ok); !ok {
		t.Error("the page is not stale, or was replaced")
	}
	if n := s.orders.Load(); n != 1 {
		t.Errorf("%d orders, want 1 (a GET counts as 100)", n)
	}
}

// without is a script for a tab without messages from others.
const without = "delete window.BroadcastChannel"

func testAnswerOtherUser(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	order(t, s, tab)
	signIn(t, s, person, "u2")
	assertMarked(t, s, tab)
}

func testAnswerRefresh(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1", without)
	order(t, s, tab)
	signIn(t, s, person, "u2")
	if code := tab.Text("code(lucia.refreshTokens())"); code != "AUTH_UNAUTHORIZED" {
		t.Errorf("the refresh ended with %q", code)
	}
	assertMarked(t, s, tab)
}

func testAnswerFocus(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1", without)
	order(t, s, tab)
	signIn(t, s, person, "u2")
	tab.Eval("void window.dispatchEvent(new Event('focus'))", nil)
	assertMarked(t, s, tab)
}

// Chromium does not keep the answer to a form in its back/forward cache. Other browsers may. So the
// test dispatches the events of a page from that cache.
func testAnswerFromCache(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	order(t, s, tab)
	tab.Eval("void dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))", nil)
	signIn(t, s, person, "u2")
	tab.Eval("void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))", nil)
	assertMarked(t, s, tab)
	if opacity := tab.Text("getComputedStyle(document.documentElement).opacity"); opacity != "0" {
		t.Errorf("the page of another user has opacity %s", opacity)
	}
}

// The page's user is back and continues.
func testAnswerUserReturns(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	order(t, s, tab)
	signIn(t, s, person, "u2")
	assertMarked(t, s, tab)
	signIn(t, s, person, "u1")
	tab.Until("window.kept && session.user.user_id === 'u1' && !document.documentElement.inert && !details.at(-1).stale")
	tab.Eval("void document.querySelector('#order').submit()", nil)
	tab.Until("!window.kept && location.pathname === '/order' && window.ready")
	if n := s.orders.Load(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
}

// The same user signs out and in again in another tab, or only in again, while they write. Text,
// focus, scroll position and the open dialog stay, and the saved text is theirs.
func testDraft(t *testing.T, b *chrometest.Browser) {
	for _, out := range []string{"signed out before", "signed in again"} {
		t.Run(out, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, time.Minute)
			person := b.Person(t)
			tab := signIn(t, s, person, "u1")
			tab.Open(s.URL + "/draft")
			tab.Until("window.ready && session")
			tab.Eval("void (window.kept = true, scrollTo(0, 500), document.querySelector('dialog').showModal())", nil)
			tab.Type("textarea", "a long text")
			tab.Eval("void (window.old = session.access_token, window.top = scrollY)", nil)

			other := another(t, s, person)
			if out == "signed out before" {
				other.Eval("lucia.signOut()", nil)
				tab.Until("window.kept && session === null")
			}
			other.Open(s.URL + "/login/u1")
			tab.Until("window.kept && session && session.access_token !== old")

			const here = `JSON.stringify([document.querySelector("textarea").value, document.activeElement.name,
				document.querySelector("dialog").open, scrollY > 0, document.documentElement.inert])`
			if got, want := tab.Text(here), `["a long text","text",true,true,false]`; got != want {
				t.Errorf("the page has %s, want %s", got, want)
			}
			tab.Submit("dialog button")
			tab.Until("location.pathname === '/save'")
			if got := tab.Text("document.body.innerText"); got != "u1: a long text" {
				t.Errorf("saved %q", got)
			}
		})
	}
}

// Another user signs in while a person writes. The text is not saved for that user.
func testDraftOfAnother(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1", without)
	tab.Open(s.URL + "/draft")
	tab.Until("window.ready && session")
	tab.Eval("void (document.querySelector('textarea').value = 'of u1')", nil)
	signIn(t, s, person, "u2")
	// The tab got no message, so the server must refuse the form.
	tab.Eval("void document.querySelector('textarea').form.submit()", nil)
	tab.Until("location.pathname === '/save'")
	if got := tab.Text("document.body.innerText"); got != `{"message":"AUTH_INVALID_REQUEST"}` && got != `{"message":"AUTH_INVALID_ACCESS_TOKEN"}` {
		t.Errorf("the answer is %s", got)
	}
}

// A signed-out page notices a sign-in in another tab and is not replaced.
func testVisitorNotices(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := person.Tab(t, without)
	tab.Open(s.URL)
	tab.Until("window.ready")
	tab.Eval("void (window.kept = true)", nil)
	signIn(t, s, person, "u1")
	tab.Eval("void document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))", nil)
	tab.Until("window.kept && session?.user.user_id === 'u1'")
	if who := tab.Text("document.querySelector('#who').innerText"); who != "no session" {
		t.Errorf("the page was replaced and shows %s", who)
	}
}

// After a sign-in by script the tab works like any other: it refreshes, and a sign-out elsewhere
// reaches it and the visitor's tab. For the sign-out tokens last a minute. With shorter ones a
// refresh could find the end first, which is reported as an error.
func testScriptSignIn(t *testing.T, b *chrometest.Browser) {
	begin := func(ttl time.Duration) (s *site, person *chrometest.Person, tab, visitor *chrometest.Tab) {
		s = newSite(t, ttl)
		person = b.Person(t)
		tab, visitor = person.Tab(t), person.Tab(t)
		for _, each := range []*chrometest.Tab{tab, visitor} {
			each.Open(s.URL)
			each.Until("window.ready")
		}
		if user := tab.Text("fetch('/login/u1', { method: 'POST' }).then(() => lucia.loadSession()).then((s) => s.user.user_id)"); user != "u1" {
			t.Errorf("loadSession resolves to the session of %s", user)
		}
		visitor.Until("session?.user.user_id === 'u1'")
		return s, person, tab, visitor
	}
	_, _, tab, _ := begin(3 * time.Second)
	tab.Eval("void (window.begun = generations.size)", nil)
	tab.Until("generations.size > begun && !errors.length")

	s, person, tab, visitor := begin(time.Minute)
	another(t, s, person).Eval("lucia.signOut()", nil)
	tab.Until("session === null && !errors.length")
	visitor.Until("session === null && !errors.length")
}

// The user's data change in one tab, and the other tab gets them.
func testReloadReachesOtherTabs(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Hour)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	other := another(t, s, person)
	other.Eval("void (window.kept = true)", nil)
	tab.Until(anotherSecond)
	tab.Eval("void document.querySelector('#rename').submit()", nil)
	tab.Until("window.ready && session.user.name.endsWith('!')")
	other.Until("window.kept && session.user.name.endsWith('!')")
}
