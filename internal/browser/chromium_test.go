package browser_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/browser"
	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/session"
)

// TestChromium tests the module in a real browser, with a server that uses this library. The tests
// share one Chromium, in which each has a profile of its own. Every page has a strict content
// security policy with Trusted Types. A console error, an uncaught error or an unhandled rejection
// on any page fails its test.
func TestChromium(t *testing.T) {
	t.Parallel()
	chromium := chrometest.Start(t)
	for name, test := range map[string]func(*testing.T, *chrometest.Browser){
		"silent refresh of a 65 s token":                 testSilentRefresh,
		"a date that is wrong":                           testWrongDate,
		"ten tabs":                                       testTenTabs,
		"five tabs asleep for a day":                     testSleep,
		"a tab that keeps the lock":                      testHeldLock,
		"a tab without channel and locks":                testTabAlone,
		"network off across expiry":                      testOffline,
		"a burst of 5xx":                                 testServerErrors,
		"sign-out reaches other tabs":                    testSignOutEverywhere,
		"sign-out by form reaches other tabs":            testFormSignOut,
		"another user signs in":                          testUserSwitch,
		"sign-out during a refresh":                      testSignOutDuringRefresh,
		"a session that ends":                            testSessionEnds,
		"every error under its name":                     testErrors,
		"the store":                                      testStore,
		"luciaFetch":                                     testFetch,
		"form fields follow the store":                   testFormFields,
		"hardened mode":                                  testHardened,
		"auto.js beside the module under its plain URL":  testAuto,
		"the module from another path":                   testBundled,
		"integrity":                                      testIntegrity,
		"page data":                                      testPageData,
		"a page without page data":                       testNoPageData,
		"an answer to a form, another user in a message": testAnswerOtherUser,
		"an answer to a form, a refresh":                 testAnswerRefresh,
		"an answer to a form, focused":                   testAnswerFocus,
		"an answer to a form, bfcache":                   testAnswerFromCache,
		"an answer to a form, its user returns":          testAnswerUserReturns,
		"a draft, signed in again elsewhere":             testDraft,
		"a draft, another user":                          testDraftOfAnother,
		"a visitor notices a sign-in elsewhere":          testVisitorNotices,
		"sign-in by script":                              testScriptSignIn,
		"user data reloaded in another tab":              testReloadReachesOtherTabs,
		"a worker serves a page of another user":         testWorkerServesAnotherUser,
		"a worker serves a frame of another user":        testWorkerServesAnotherUserInAFrame,
		"a worker without network":                       testWorkerOffline,
		"a worker without network, after sign-out":       testWorkerOfflineAfterSignOut,
		"pages ahead of time":                            testAhead,
		"tokens stay in the origin":                      testTokensStayInTheOrigin,
		"DOM clobbering":                                 testClobbering,
		"injected page data":                             testInjectedPageData,
		"a base of another origin":                       testForeignBase,
		"a late answer of the old session":               testLateAnswer,
		"bundled with esbuild":                           testEsbuildRecipe,
		"bundled with Vite":                              testViteRecipe,
		"policies":                                       testPolicies,
		"cookies blocked":                                testCookiesBlocked,
		"cookies kept":                                   testCookiesKept,
		"storage blocked":                                testStorageBlocked,
		"activity and the idle end":                      testActivity,
		"activity during a refresh":                      testActivityDuringRefresh,
		"no idle end":                                    testNoIdleEnd,
		"bfcache, the same session":                      testCacheSameSession,
		"bfcache, signed out":                            testCacheSignedOut,
		"bfcache, signed out by the page itself":         testCacheSignedOutHere,
		"bfcache, another user":                          testCacheAnotherUser,
		"bfcache, ended on the server":                   testCacheEnded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, chromium)
		})
	}
}

// who is the user that a page of the site shows.
const who = "document.querySelector('#who').innerText"

// signIn opens a tab of the person, signed in as user.
func signIn(t *testing.T, s *site, p *chrometest.Person, user string, scripts ...string) *chrometest.Tab {
	t.Helper()
	tab := p.Tab(t, scripts...)
	tab.Open(s.URL + "/login/" + user)
	tab.Until("window.ready && session.user.user_id === '" + user + "'")
	return tab
}

// another opens another tab of a signed-in person.
func another(t *testing.T, s *site, p *chrometest.Person, scripts ...string) *chrometest.Tab {
	t.Helper()
	tab := p.Tab(t, scripts...)
	tab.Open(s.URL)
	tab.Until("window.ready && session")
	return tab
}

// one is a script that makes app.js stop silent refresh after the first refresh, so that a test on
// a slow machine counts the same number.
const one = "window.enough = 2"

func testSilentRefresh(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 65*time.Second)
	tab := signIn(t, s, b.Person(t), "u1", one)
	assertOnTime(t, tab)
	if name := tab.Text("session.user.name"); name != "Zoë ~>? u1" {
		t.Errorf("the user is %q after the refresh", name)
	}
	if n := s.store.count(session.Rotated); n != 1 {
		t.Errorf("%d rotations, want 1", n)
	}
	if errors := tab.Text("errors.join()"); errors != "" {
		t.Errorf("onError was called: %s", errors)
	}
}

// assertOnTime asserts that the first refresh of a 65 s token comes neither before it is due nor
// after the token's end. (The tests in node assert the moment.) The module and this check measure
// from two clocks that differ by milliseconds, hence the slack of 50 ms.
func assertOnTime(t *testing.T, tab *chrometest.Tab) {
	t.Helper()
	var seconds, at float64
	tab.Eval("+document.querySelector('#lucia-page-data').dataset.expiresIn", &seconds)
	if seconds <= 0 || seconds > 65 {
		t.Errorf("the page says that the token lives %v s", seconds)
	}
	due := seconds - 60
	if seconds <= 60 { // a slow machine
		due = seconds * 2 / 3
	}
	tab.Until("refreshes.length >= 2")
	tab.Eval("refreshedAt[1] / 1000", &at)
	if at < due-0.05 || at >= seconds {
		t.Errorf("refreshed %.2f s after the navigation, want between %v s and %v s", at, due, seconds)
	}
}

func testWrongDate(t *testing.T, b *chrometest.Browser) {
	const hour, year = 3_600_000, 365 * 24 * 3_600_000
	for _, by := range []int64{-year, -hour, hour, year} {
		t.Run(fmt.Sprintf("by %d h", by/hour), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 65*time.Second)
			tab := signIn(t, s, b.Person(t), "u1", one, fmt.Sprintf("{ const now = Date.now; Date.now = () => now() + %d }", by))
			assertOnTime(t, tab)
			if n := s.refreshes.Load(); n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
		})
	}
}

func testOffline(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 3*time.Second)
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Offline(true)
	tab.Until("performance.now() > 4000 && errors.length")
	if user := tab.Text("session.user.user_id"); user != "u1" {
		t.Errorf("the store has %q", user)
	}
	if errors := tab.Text("errors.join()"); errors != "UNKNOWN" {
		t.Errorf("onError got %s, want UNKNOWN once", errors)
	}
	tab.Eval("void (window.old = session.access_token)", nil)
	tab.Offline(false)
	tab.Until("session.access_token !== old")
	if me := tab.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != "u1" {
		t.Errorf("the API answers %q", me)
	}
}

// There are two outages, of the store and of a proxy, with one refresh between them.
func testServerErrors(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 4*time.Second)
	s.store.down.Store(true) // refreshes fail from the first one on
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Until("errors.join() === 'DATABASE_FETCH_FAILED'")
	tab.Eval("void (window.old = session.access_token)", nil)
	broken := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusBadGateway) }
	between := func(w http.ResponseWriter, r *http.Request, route http.Handler) {
		s.store.down.Store(false)
		s.refresh.Store(&broken)
		route.ServeHTTP(w, r)
	}
	s.refresh.Store(&between)
	tab.Until("session.access_token !== old && errors.join() === 'DATABASE_FETCH_FAILED,UNKNOWN'")
	if n := s.store.count(session.Rotated); n != 1 {
		t.Errorf("%d rotations, want 1", n)
	}
	const asked = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/refresh')).length"
	tab.Eval("void (window.asked = "+asked+")", nil)
	tab.Until(asked + " > window.asked") // another failed attempt
	tab.Eval("void (window.old = session.access_token)", nil)
	s.refresh.Store(nil)
	tab.Until("session.access_token !== old")
	if errors := tab.Text("errors.join()"); errors != "DATABASE_FETCH_FAILED,UNKNOWN" {
		t.Errorf("onError got %s, want each once", errors)
	}
}

func testSignOutDuringRefresh(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	arrived, release := make(chan bool), make(chan bool)
	held := func(w http.ResponseWriter, r *http.Request, route http.Handler) {
		answer := httptest.NewRecorder()
		route.ServeHTTP(answer, r)
		arrived <- true
		<-release
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = answer.Body.WriteTo(w)
	}
	s.refresh.Store(&held)
	tab := signIn(t, s, b.Person(t), "u1", patient)
	tab.Eval("void (window.refresh = code(lucia.refreshTokens()))", nil)
	<-arrived
	tab.Eval("lucia.signOut()", nil)
	release <- true
	if code := tab.Text("refresh"); code != "AUTH_UNAUTHORIZED" {
		t.Errorf("the refresh ended with %q", code)
	}
	if got := tab.Text("JSON.stringify([session, errors, localStorage.length])"); got != "[null,[],0]" {
		t.Errorf("session, errors and stored are %s", got)
	}
	s.refresh.Store(nil)
	tab.Open(s.URL)
	if who := tab.Text("document.querySelector('#who').innerText"); who != "no session" {
		t.Errorf("the late answer restored %s", who)
	}
}

func testSessionEnds(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 3*time.Second)
	tab := signIn(t, s, b.Person(t), "u1")
	if err := s.auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	tab.Until("errors.length && session === null")
	refreshes := s.refreshes.Load()
	tab.Until("performance.now() > 5000")
	if errors := tab.Text("errors.join()"); errors != "AUTH_UNAUTHORIZED" {
		t.Errorf("onError got %s, want AUTH_UNAUTHORIZED once", errors)
	}
	if n := s.refreshes.Load(); n != refreshes {
		t.Errorf("%d refreshes after the end", n-refreshes)
	}
}

// The errors of silent refresh are in the tests above: DATABASE_FETCH_FAILED and UNKNOWN in
// testServerErrors, AUTH_UNAUTHORIZED in testSessionEnds.
func testErrors(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Eval("stop()", nil) // otherwise its attempts would share requests with the test's
	broken := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusBadGateway) }
	for _, c := range []struct {
		name, call, want string
		arrange, restore func()
	}{
		{"refreshTokens, an invalid token", "lucia.refreshTokens('garbage')", "AUTH_UNAUTHORIZED", nil, nil},
		{
			"refreshTokens, store down", "lucia.refreshTokens(session.refresh_token)", "DATABASE_FETCH_FAILED",
			func() { s.store.down.Store(true) }, func() { s.store.down.Store(false) },
		},
		{
			"refreshTokens, proxy down", "lucia.refreshTokens(session.refresh_token)", "UNKNOWN",
			func() { s.refresh.Store(&broken) }, func() { s.refresh.Store(nil) },
		},
		{
			"signOut, store down", "lucia.signOut('/plain')", "DATABASE_UPDATE_FAILED",
			func() { s.store.down.Store(true) }, func() { s.store.down.Store(false) },
		},
		{
			"signOut, no network", "lucia.signOut('/plain')", "UNKNOWN",
			func() { tab.Offline(true) }, func() { tab.Offline(false) },
		},
		{"nothing has ended the session", "lucia.refreshTokens(session.refresh_token)", "", nil, nil},
		{"signOut", "lucia.signOut()", "", nil, nil},
		{"signOut, signed out", "lucia.signOut()", "AUTH_NOT_AUTHENTICATED", nil, nil},
		{"refreshTokens, signed out", "lucia.refreshTokens()", "AUTH_UNAUTHORIZED", nil, nil},
	} {
		if c.arrange != nil {
			c.arrange()
		}
		if got := tab.Text("code(" + c.call + ")"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if c.restore != nil {
			c.restore()
		}
	}
	if path := tab.Text("location.pathname"); path != "/" {
		t.Errorf("a failed sign-out went to %s", path)
	}
	// There is no session, which is what a sign-out is for.
	tab.Eval("void lucia.signOut('/plain')", nil)
	tab.Until("location.pathname === '/plain'")
}

func testFetch(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	var mu sync.Mutex
	var got []string // requests to another origin
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.URL.Path+r.Header.Get("Authorization")+r.Header.Get("Access-Control-Request-Headers"))
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization")
	}))
	defer elsewhere.Close()
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Open(s.URL + "/quiet?elsewhere=" + elsewhere.URL)
	tab.Until("window.ready")

	fetch := func(path string) string {
		return tab.Text("lucia.luciaFetch('" + path + "').then(async (r) => r.status + ' ' + (await r.text()))")
	}
	if answer := fetch("/api/me"); answer != "200 u1" {
		t.Errorf("the API answers %q", answer)
	}
	if n := s.refreshes.Load(); n != 0 {
		t.Errorf("%d refreshes for a valid token", n)
	}
	// The API refuses the token of the sign-in, because it requires the second generation.
	if answer := fetch("/api/me?generation=2"); answer != "200 u1" {
		t.Errorf("the API answers %q", answer)
	}
	if n := s.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	if answer := fetch("/api/me?generation=9"); !strings.HasPrefix(answer, "401 ") {
		t.Errorf("the API answers %q", answer)
	}
	if n := s.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want none so soon after the last one", n-1)
	}
	fetch(elsewhere.URL + "/direct")
	fetch("/away?to=" + elsewhere.URL + "/redirected")
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"/direct", "/redirected"}; !slices.Equal(got, want) {
		t.Errorf("another origin got %q, want %q", got, want)
	}
}

// anotherSecond is true if an access token that is issued now would differ, since its time of issue
// is in whole seconds.
const anotherSecond = "Date.now() / 1000 > 1 + JSON.parse(atob(session.access_token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).iat"

func testFormFields(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1")
	const inStep = "[...document.querySelectorAll('[name=_lucia]')].every((f) => f.value === session.access_token)"
	tab.Eval("void (window.old = session.access_token)", nil)
	tab.Until(anotherSecond)
	tab.Eval("lucia.refreshTokens()", nil)
	var ok bool
	if tab.Eval("session.access_token !== old && "+inStep, &ok); !ok {
		t.Error("the hidden fields do not hold the new token")
	}
	tab.Eval("void document.querySelector('button').click()", nil)
	tab.Until("location.pathname === '/form' && document.body.innerText === 'form of u1'")
}

func testHardened(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 3*time.Second, hardened)
	tab := signIn(t, s, b.Person(t), "u1")
	if keys := tab.Text("Object.keys(session).join()"); keys != "user" {
		t.Errorf("the page has %s", keys)
	}
	tab.Until("refreshes.length >= 3")
	if got := tab.Text("JSON.stringify([session, errors])"); got != `[{"user":{"user_id":"u1","name":"Zoë ~>? u1"}},[]]` {
		t.Errorf("session and errors are %s", got)
	}
	if got := tab.Text("lucia.refreshTokens().then(JSON.stringify)"); got != "{}" {
		t.Errorf("refreshTokens returns %s", got)
	}
	const named = "[...document.querySelectorAll('[name=_lucia]')].map((f) => f.value === document.querySelector('#lucia-page-data').dataset.session).join()"
	if got := tab.Text(named); got == "" || strings.Contains(got, "false") {
		t.Errorf("the hidden fields name the page's session: %q", got)
	}

	// With shorter tokens, the other tab's refresh could find the end of the session first.
	s = newSite(t, time.Minute, hardened)
	person := b.Person(t)
	tab, other := signIn(t, s, person, "u1"), another(t, s, person)
	tab.Eval("lucia.signOut()", nil)
	other.Until("session === null && !errors.length")
	if got := other.Text(named); got == "" || strings.Contains(got, "false") {
		t.Errorf("after the sign-out the hidden fields name the page's session: %q", got)
	}
	tab.Open(s.URL)
	tab.Until("window.ready && session === null")
}

// An app's template prints the script tag, and its own script imports the module under the plain
// URL. Both use one instance.
func testAuto(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 3*time.Second)
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Open(s.URL + "/auto")
	requests := s.refreshes.Load()
	tab.Eval(`import("/api/auth/client.js").then((lucia) => {
		window.changes = [];
		lucia.getSession().subscribe((session) => changes.push(session.access_token));
		window.stop = lucia.handleSilentRefresh();
	})`, nil)
	tab.Until("changes.length >= 3")
	var scripts []string
	tab.Eval("performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('client.js'))", &scripts)
	if len(scripts) != 2 {
		t.Errorf("the page loaded %v, want both URLs", scripts)
	}
	var same bool
	tab.Eval("Promise.all(['/api/auth/client.js', '/api/auth/client.js?v="+browser.Client().Version+"'].map((url) => import(url)))"+
		".then(([a, b]) => a.getSession() === b.getSession())", &same)
	if !same {
		t.Error("the two URLs have separate instances")
	}
	// The first value does not come from a refresh, and one refresh may be in progress.
	requests = s.refreshes.Load() - requests
	var changes int64
	if tab.Eval("changes.length", &changes); requests > changes {
		t.Errorf("%d refreshes for %d values of the store, want one a period", requests, changes)
	}
}

// The page is the same for all visitors and may come from a shared cache.
func testNoPageData(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 3*time.Second)
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Open(s.URL + "/static")
	tab.Until("window.ready && session && refreshes.length >= 3")
	if got := tab.Text("session.user.user_id + errors.join()"); got != "u1" {
		t.Errorf("the page has %s", got)
	}
	tab.Eval("lucia.signOut()", nil)
	tab.Open(s.URL + "/static")
	tab.Until("window.ready && session === null")
}

func testBundled(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Open(s.URL + "/bundled")
	tab.Until("window.ready")
	tab.Eval("lucia.refreshTokens().then(() => lucia.signOut())", nil)
	if n := s.store.count(session.Rotated); n != 1 {
		t.Errorf("%d rotations, want 1", n)
	}
	tab.Until("session === null")
}

func testPageData(t *testing.T, b *chrometest.Browser) {
	var cases []struct {
		Name      string
		HTML      string
		Session   json.RawMessage
		SessionID *string `json:"session_id"`
		ExpiresIn int     `json:"expires_in"`
	}
	data, err := os.ReadFile("../../internal/wire/testdata/page.json")
	if err == nil {
		err = json.Unmarshal(data, &cases)
	}
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	s := newSite(t, time.Minute)
	pages := http.NewServeMux()
	pages.Handle("/", s.Config.Handler)
	for i, c := range cases {
		pages.HandleFunc(fmt.Sprintf("GET /golden/%d", i), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `%s<script type="module" src="/testdata/site/app.js"></script>`, c.HTML)
		})
	}
	server := httptest.NewServer(pages)
	defer server.Close()
	tab := b.Person(t).Tab(t)
	for i, c := range cases {
		tab.Open(fmt.Sprintf("%s/golden/%d", server.URL, i))
		tab.Until("window.ready")
		var same bool
		if tab.Eval(fmt.Sprintf("JSON.stringify(session) === JSON.stringify(%s)", c.Session), &same); !same {
			t.Errorf("%s: the session is %s", c.Name, tab.Text("JSON.stringify(session)"))
		}
		want := "null"
		if c.SessionID != nil {
			want = *c.SessionID
		}
		if got := tab.Text("'' + localStorage.getItem('lucia:/api/auth/')"); got != want {
			t.Errorf("%s: the session id is %s, want %s", c.Name, got, want)
		}
		var expires float64 // seconds after the navigation
		tab.Eval("refreshes[0] && refreshes[0] + refreshedAt[0] / 1000", &expires)
		if want := float64(c.ExpiresIn); expires < want-1 || expires > want+1 {
			t.Errorf("%s: expires in %v s, want %v", c.Name, expires, want)
		}
	}
}
