package libraries_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// scenario is a test that runs with each library.
type scenario struct {
	name string
	// only lists the libraries that have the feature. "" means all of them.
	only string
	// hardened reports that the scenario also runs with a server in hardened mode.
	hardened bool
	run      func(t *testing.T, b *chrometest.Browser, lib library)
}

var scenarios = []scenario{
	{name: "a link", hardened: true, run: testLibraryLink},
	{name: "forms", hardened: true, run: testLibraryForms},
	{name: "a part of the page", run: testLibraryPart},
	{name: "an overlay", only: "unpoly-3", run: testLibraryOverlay},
	{name: "a stream", only: "turbo-7 turbo-8", run: testLibraryStream},
	{name: "morphing", only: "turbo-8 htmx-4.0", run: testLibraryMorph},
	{name: "back and forward", hardened: true, run: testLibraryBack},
	{name: "back and forward with new tokens", run: testLibraryBackRefreshed},
	{name: "no history in storage", only: "htmx-1.9 htmx-2.0 htmx-4.0", run: testLibraryNoHistory},
	{name: "sign-out by form", hardened: true, run: testLibrarySignOutForm},
	{name: "sign-out by form in a part of the page", hardened: true, run: testLibrarySignOutPart},
	{name: "sign-out by script", run: testLibrarySignOutScript},
	{name: "sign-out in another tab", hardened: true, run: testLibrarySignOutElsewhere},
	{name: "a link that was prefetched before sign-out", only: "turbo-8", run: testLibraryPrefetch},
	{name: "another person signs in", run: testLibrarySwitch},
	{name: "another person signs in, without a message", run: testLibrarySwitchWithoutMessage},
	{name: "expiry in an open tab", run: testLibraryExpiry},
	{name: "expiry in a tab that slept", run: testLibraryExpiryAsleep},
	{name: "a refresh by the server", run: testLibraryRefreshedByServer},
	{name: "the end of the session, then a link", hardened: true, run: testLibraryEndLink},
	{name: "the end of the session, then a form", run: testLibraryEndForm},
	{name: "the end of the session, then a part of the page", hardened: true, run: testLibraryEndPart},
	{name: "the end of the session, then a form in a part of the page", run: testLibraryEndPartForm},
	{name: "the end of the session, then an overlay", only: "unpoly-3", run: testLibraryEndOverlay},
}

// assertMe asserts that the API accepts the store's token as user's.
func (v *visitor) assertMe(user string) {
	v.t.Helper()
	if me := v.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != user {
		v.t.Errorf("the API answers %q, want %q", me, user)
	}
}

// assertQuiet asserts that silent refresh has reported no error.
func (v *visitor) assertQuiet() {
	v.t.Helper()
	if errors := v.Text("errors.join()"); errors != "" {
		v.t.Errorf("onError got %s", errors)
	}
}

// assertDone asserts the texts that users have sent with forms.
func (app *libraryApp) assertDone(t *testing.T, want ...deed) {
	t.Helper()
	if got := app.done(); !slices.Equal(got, want) {
		t.Errorf("done: %v, want %v", got, want)
	}
}

// refused discards the console errors with which htmx reports an answer with a status 4xx. Other
// faults of the page fail the test.
func (v *visitor) refused() {
	v.t.Helper()
	for _, fault := range v.Faults() {
		if !strings.Contains(fault, "Response Status Error Code 4") && !strings.Contains(fault, "htmx:responseError") {
			v.t.Errorf("the page has a fault: %s", fault)
		}
	}
}

// assertNoTokens asserts that the tab's storage has no token.
func (v *visitor) assertNoTokens() {
	v.t.Helper()
	// All tokens are JWTs, which begin with {" in base64url.
	for _, storage := range []string{"localStorage", "sessionStorage"} {
		var keys []string
		v.Eval("Object.keys("+storage+").filter((key) => "+storage+"[key].includes('eyJ'))", &keys)
		if len(keys) > 0 {
			v.t.Errorf("%s has tokens under %q", storage, keys)
		}
	}
	if v.app.lib.kind == "turbo" {
		// A page that Turbo has restored is the snapshot itself until the person leaves it.
		var snapshots map[string]string
		v.Eval(`(({ snapshotCache: { snapshots } }) => Object.fromEntries(Object.entries(snapshots)
			.filter(([, { element }]) => !element.isConnected)
			.map(([url, { element }]) => [url, element.outerHTML.match(/.{0,80}eyJ/s)?.[0] ?? ""])))(Turbo.session.view)`, &snapshots)
		if len(snapshots) == 0 {
			v.t.Error("Turbo keeps no snapshot, so this tests nothing")
		}
		for url, before := range snapshots {
			if before != "" {
				v.t.Errorf("Turbo's snapshot of %s has a token after %q", url, before)
			}
		}
	}
}

// Signing in by form is the first page that the library swaps in, so the store must change from
// signed out to signed in.
func testLibraryLink(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := visit(t, app, b.Person(t), "/")
	v.on("home", "no session")
	v.mark()
	v.Click("#to-login")
	v.on("login", "no session")
	v.signIn("u1")
	v.on("a", "u1")
	v.assertMe("u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.Click("#to-home")
	v.on("home", "u1")
	v.kept()
	v.assertMe("u1")
	v.assertQuiet()
	if n := app.refreshes.Load(); n != 0 {
		t.Errorf("%d refreshes for pages with valid tokens", n)
	}
}

func testLibraryForms(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.fill("#search", "q", "oil")
	v.on("found oil", "u1")
	v.Until("location.search === '?q=oil'")
	v.fill("#save", "text", "one")
	v.on("saved", "u1")
	v.fill("#save", "text", " ") // refused with 422
	v.Until("document.querySelector('#error')?.innerText === 'Say something.' && " + lib.idle() + " && " + fieldsFollow)
	v.refused()
	v.fill("#save", "text", "two")
	v.on("saved", "u1")
	v.Click("#to-a")
	v.on("a", "u1")
	v.Click("#next")
	v.shows("1", "u1")
	v.fill("#add", "text", "part")
	v.shows("part", "u1")
	v.assertHardened()
	v.kept()
	app.assertDone(t, deed{"u1", "one"}, deed{"u1", "two"}, deed{"u1", "part"})
	v.assertMe("u1")
	v.assertQuiet()
}

// assertHardened asserts that neither the page nor the store has a token if the server is in
// hardened mode.
func (v *visitor) assertHardened() {
	v.t.Helper()
	if !v.app.lib.hardened {
		return
	}
	if found := v.Text(`(document.documentElement.outerHTML + JSON.stringify(session)).match(/.{0,80}eyJ/s)?.[0] ?? ""`); found != "" {
		v.t.Errorf("the page has a token after %q", found)
	}
}

// shows waits until the page shows that part of user.
func (v *visitor) shows(part, user string) {
	v.t.Helper()
	v.Until(fmt.Sprintf("document.querySelector('#part-text')?.innerText === 'part %s of %s' && %s", part, user, v.app.lib.idle()))
}

func testLibraryPart(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.Click("#next")
	v.shows("1", "u1")
	v.fill("#add", "text", "first")
	v.shows("first", "u1")
	v.Eval("void (window.old = session.access_token)", nil)
	v.Until(anotherSecond)
	v.Eval("lucia.refreshTokens()", nil)
	v.Until("session.access_token !== old && " + fieldsFollow) // the part's field, too
	v.fill("#add", "text", "second")
	v.shows("second", "u1")
	v.Click("#next")
	v.shows("1", "u1")
	v.on("a", "u1")
	v.kept()
	app.assertDone(t, deed{"u1", "first"}, deed{"u1", "second"})
	v.assertQuiet()
}

func testLibraryOverlay(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.Click("#open")
	v.Until("document.querySelector('up-modal #part-text')?.innerText === 'part 1 of u1' && " + fieldsFollow)
	v.fill("up-modal #add", "text", "over")
	v.Until("document.querySelector('up-modal #part-text')?.innerText === 'part over of u1' && " + fieldsFollow)
	v.Eval("up.layer.dismiss()", nil)
	v.on("a", "u1")
	v.kept()
	app.assertDone(t, deed{"u1", "over"})
	v.assertQuiet()
}

func testLibraryStream(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.Click("#stream button")
	v.Until("document.querySelector('#note p').innerText === 'note streamed' && " + lib.idle() + " && " + fieldsFollow)
	v.Until(anotherSecond)
	v.Eval("lucia.refreshTokens()", nil)
	v.Until(fieldsFollow)
	v.fill("#annotate", "text", "noted")
	v.on("saved", "u1")
	v.kept()
	app.assertDone(t, deed{"u1", "noted"})
	v.assertQuiet()
}

// Morphing changes the page data in place.
func testLibraryMorph(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting, func(app *libraryApp) { app.morph = true })
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.forget()
	v.Eval("void (window.field = document.querySelector('#save [name=_lucia]'))", nil)
	v.fill("#save", "text", "stay")
	v.Until("session.access_token !== old")
	v.on("a", "u1")
	v.Until("document.querySelector('#save [name=_lucia]') === field") // the element survives only morphing
	v.kept()
	v.Click("#to-b")
	v.on("b", "u1")
	v.assertMe("u1")
	app.assertDone(t, deed{"u1", "stay"})
}

func testLibraryBack(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.Click("#to-b")
	v.on("b", "u1")
	v.Click("#to-home")
	v.on("home", "u1")
	v.assertNoTokens()
	v.Back()
	v.on("b", "u1")
	v.Back()
	v.on("a", "u1")
	v.assertMe("u1")
	v.Eval("void history.forward()", nil)
	v.on("b", "u1")
	v.kept()
	v.assertNoTokens()
	v.fill("#save", "text", "after all")
	v.on("saved", "u1")
	app.assertDone(t, deed{"u1", "after all"})
	v.assertQuiet()
}

// The page in the library's history belongs to the current session and has older tokens.
func testLibraryBackRefreshed(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.mark()
	v.Eval("void (window.old = session.access_token)", nil)
	v.Until(anotherSecond)
	v.Eval("lucia.refreshTokens()", nil)
	v.Eval("lucia.getSession().subscribe((s) => { if (s?.access_token === old) window.reverted = true })", nil)
	v.Back()
	v.on("a", "u1")
	v.kept()
	v.fill("#save", "text", "still mine")
	v.on("saved", "u1")
	v.Until("session.access_token !== old && !window.reverted")
	app.assertDone(t, deed{"u1", "still mine"})
	v.assertQuiet()
}

func testLibraryNoHistory(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting, func(app *libraryApp) { app.noHistory = true })
	v := signedIn(t, app, b.Person(t), "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.Back()
	v.on("a", "u1")
	v.assertNoTokens()
}

func testLibrarySignOutForm(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.Click("#logout button")
	v.on("home", "no session")
	v.assertNoSessionOnBack()
}

// A form in a part of the page signs out the whole page.
func testLibrarySignOutPart(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.Click("#out button")
	if lib.kind == "unpoly" { // shows the part of the next page that it finds
		v.Until("session === null && " + fieldsFollow)
	} else {
		v.on("home", "no session")
	}
	v.refused()
}

func testLibrarySignOutScript(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.Click("#to-home")
	v.on("home", "u1")
	if lib.kind == "unpoly" {
		v.Until("up.cache.currentSize > 0")
	}
	v.Eval("lucia.signOut()", nil)
	v.Until("session === null && " + fieldsFollow)
	if lib.kind == "unpoly" { // the app empties the cache
		v.Until("up.cache.currentSize === 0")
	}
	v.assertNoSessionOnBack()
}

// assertNoSessionOnBack goes back to page b and then to page a, of which there
// is a session no more: what is shown is the login page, and no store brings the
// session back on the way.
func (v *visitor) assertNoSessionOnBack() {
	v.t.Helper()
	v.Eval("lucia.getSession().subscribe((s) => { if (s) sessionStorage.revived = true })", nil)
	for range 2 {
		v.Back()
		v.on("login", "no session")
		v.refused()
	}
	if revived := v.Text("'' + sessionStorage.revived"); revived != "undefined" {
		v.t.Error("an old page restored the session")
	}
}

func testLibrarySignOutElsewhere(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	person := b.Person(t)
	v := signedIn(t, app, person, "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.Click("#to-home")
	v.on("home", "u1")
	v.mark()
	other := visit(t, app, person, "/a")
	other.Eval("lucia.signOut()", nil)
	v.Until("session === null && " + fieldsFollow)
	v.kept()
	v.assertQuiet()
	v.assertNoSessionOnBack()

	// The link leads to a page that the library has in its cache.
	v = signedIn(t, app, person, "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.Click("#to-home")
	v.on("home", "u1")
	other.Open(app.URL + "/a")
	other.on("a", "u1")
	other.Eval("lucia.signOut()", nil)
	v.Until("session === null && " + fieldsFollow)
	v.Click("#to-b")
	v.on("login", "no session")
	v.signIn("u2")
	v.on("b", "u2")
}

// Turbo 8 requests a page when the pointer rests on its link.
func testLibraryPrefetch(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	person := b.Person(t)
	v := signedIn(t, app, person, "u1")
	other := visit(t, app, person, "/a")
	v.Eval("addEventListener('turbo:before-fetch-response', ({ target }) => (window.prefetched = target.id))", nil)
	v.Eval("void document.querySelector('#to-b').dispatchEvent(new MouseEvent('mouseenter'))", nil)
	v.Until("window.prefetched === 'to-b'")
	other.Eval("lucia.signOut()", nil)
	v.Until("session === null")
	v.Eval("void document.querySelector('#to-b').click()", nil)
	v.on("login", "no session")
}

// The tab navigates to the other person's page once, so that they see no page that the library has
// kept. The tab where they signed in does not navigate.
func testLibrarySwitch(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	person := b.Person(t)
	v := signedIn(t, app, person, "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	before := v.documents()
	other := visit(t, app, person, "/login")
	other.signIn("u2")
	other.on("a", "u2")
	there := other.documents()
	v.on("b", "u2")
	v.assertMe("u2")
	v.Until(anotherSecond)
	other.Eval("lucia.refreshTokens()", nil) // which reaches both tabs
	token := other.Text("session.access_token")
	v.Until("session.access_token === '" + token + "'")
	if n := v.documents() - before; n != 1 {
		t.Errorf("the tab navigated %d times, want once", n)
	}
	if n := other.documents() - there; n != 0 {
		t.Errorf("the other tab navigated %d times", n)
	}
	v.Back()
	v.on("a", "u2")
	v.fill("#save", "text", "mine")
	v.on("saved", "u2")
	app.assertDone(t, deed{"u2", "mine"})
}

// isolated is a script for a tab without messages from others, as in a browser without channels and
// storage, or before a message arrives.
const isolated = "delete window.BroadcastChannel; Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked') } })"

// The text that a person has typed is not saved for another person, however the library sends it.
// The next page belongs to the current user.
func testLibrarySwitchWithoutMessage(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	person := b.Person(t)
	v := signedIn(t, app, person, "u1", isolated)
	v.Click("#to-b")
	v.on("b", "u1")
	other := visit(t, app, person, "/login")
	other.signIn("u2")
	other.on("a", "u2")
	v.fill("#save", "text", "of u1")
	v.Until("performance.getEntriesByType('resource').some((e) => e.name.endsWith('/save') && e.responseEnd) && " + lib.idle())
	v.refused()
	app.assertDone(t)
	v.Until(lib.idle() + " && document.querySelector('#to-a')")
	v.Click("#to-a")
	v.on("a", "u2")
	v.Back()
	v.Until("document.querySelector('h1').innerText !== 'a' && document.querySelector('#who').innerText === 'u2' && session.user.user_id === 'u2' && " + lib.idle() + " && " + fieldsFollow)
	app.assertDone(t)
}

// Silent refresh replaces the tokens while a person fills in forms.
func testLibraryExpiry(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, 3*time.Second)
	v := signedIn(t, app, b.Person(t), "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	v.mark()
	v.Type("#save [name=text]", "typed before")
	v.Type("#add [name=text]", "in the part")
	v.Eval("void (window.begun = refreshes.length)", nil)
	v.Until("refreshes.length > begun + 1")
	v.Click("#add button")
	v.shows("in the part", "u1")
	if text := v.Text("document.querySelector('#save [name=text]').value"); text != "typed before" {
		t.Errorf("the text in the form is %q", text)
	}
	v.Click("#save button")
	v.on("saved", "u1")
	v.kept()
	app.assertDone(t, deed{"u1", "in the part"}, deed{"u1", "typed before"})
	v.Eval("void (window.begun = refreshes.length)", nil)
	v.Until("refreshes.length > begun + 1") // silent refresh continues on this page
	v.assertMe("u1")
	v.assertQuiet()
}

// forget deletes the access token's cookie, so that the server refreshes the session at the
// library's next request. The page and its silent refresh do not notice.
func (v *visitor) forget() {
	v.t.Helper()
	v.Eval("void (window.old = session.access_token)", nil)
	v.Until(anotherSecond)
	v.Eval("fetch('/forget')", nil)
}

// sleep waits until the access token has expired, without silent refresh, as on a machine that
// sleeps.
func (v *visitor) sleep() {
	v.t.Helper()
	v.Eval("stop()", nil)
	v.Eval("void (window.old = session.access_token)", nil)
	v.Until("Date.now() / 1000 > JSON.parse(atob(old.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).exp")
}

// A form with an expired token is not lost.
func testLibraryExpiryAsleep(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, 3*time.Second)
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.sleep()
	// The machine wakes, and the person's request may come before the refresh.
	v.Eval("void lucia.handleSilentRefresh((error) => errors.push(error.message))", nil)
	v.fill("#save", "text", "late")
	v.on("saved", "u1")
	v.kept()
	v.Until("session.access_token !== old")
	v.assertMe("u1")
	app.assertDone(t, deed{"u1", "late"})
	v.assertQuiet()
}

// The server refreshes the session at a request of the library. The store adopts the tokens of a
// page. It need not adopt those of a part.
func testLibraryRefreshedByServer(t *testing.T, b *chrometest.Browser, lib library) {
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.mark()
	v.forget()
	v.Click("#to-b")
	v.on("b", "u1")
	v.Until("session.access_token !== old && " + fieldsFollow)
	v.forget()
	v.Click("#next")
	v.shows("1", "u1")
	v.fill("#add", "text", "late")
	v.shows("late", "u1")
	v.Until(anotherSecond)
	v.Eval("lucia.refreshTokens()", nil)
	v.assertMe("u1")
	v.fill("#save", "text", "later")
	v.on("saved", "u1")
	v.kept()
	app.assertDone(t, deed{"u1", "late"}, deed{"u1", "later"})
	v.assertQuiet()
}

// ended signs in, opens page b and ends the session without a message to the browser's tabs.
func ended(t *testing.T, b *chrometest.Browser, lib library) (*libraryApp, *visitor) {
	t.Helper()
	app := newLibraryApp(t, lib, lasting)
	v := signedIn(t, app, b.Person(t), "u1")
	v.Click("#to-b")
	v.on("b", "u1")
	if err := app.auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	return app, v
}

// assertBackIn asserts that the person gets to the login page, and after signing in to the page
// with that heading.
func (v *visitor) assertBackIn(heading string) {
	v.t.Helper()
	v.on("login", "no session")
	v.refused()
	v.signIn("u1")
	v.on(heading, "u1")
	v.assertMe("u1")
	v.assertQuiet()
	v.fill("#save", "text", "stay")
	v.on("a", "u1")
	v.app.assertDone(v.t, deed{"u1", "stay"})
}

func testLibraryEndLink(t *testing.T, b *chrometest.Browser, lib library) {
	_, v := ended(t, b, lib)
	v.Click("#to-saved") // this page is not in a cache
	v.assertBackIn("saved")
}

func testLibraryEndForm(t *testing.T, b *chrometest.Browser, lib library) {
	_, v := ended(t, b, lib)
	v.fill("#save", "text", "too late")
	v.assertBackIn("b")
}

// Unpoly requests complete pages for parts.
func testLibraryEndPart(t *testing.T, b *chrometest.Browser, lib library) {
	_, v := ended(t, b, lib)
	v.Click("#next")
	if lib.kind == "unpoly" {
		v.assertBackIn("part")
	} else {
		v.assertBackIn("b")
	}
}

func testLibraryEndPartForm(t *testing.T, b *chrometest.Browser, lib library) {
	_, v := ended(t, b, lib)
	v.fill("#add", "text", "too late")
	v.assertBackIn("b")
}

// The overlay belongs to an ended session. After the login page, wherever it is shown, the person
// gets back.
func testLibraryEndOverlay(t *testing.T, b *chrometest.Browser, lib library) {
	_, v := ended(t, b, lib)
	v.Click("#open")
	v.Until("document.querySelector('#login') && " + lib.idle())
	v.signIn("u1")
	v.Until("document.querySelector('#login') === null && session?.user.user_id === 'u1' && document.querySelector('#who').innerText === 'u1' && " + lib.idle() + " && " + fieldsFollow)
	v.assertMe("u1")
	v.assertQuiet()
}
