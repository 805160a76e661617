package luciatest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

var credentials = url.Values{"username": {"u1"}, "password": {"secret"}}

func TestRequestIsSignedIn(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	app := newApp(kit.Auth)
	anonymous := httptest.NewRequest("GET", "/profile", nil)
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		body    string
	}{
		"signed out":          {anonymous, 401, "AUTH_UNAUTHORIZED"},
		"by cookie":           {kit.Request("u1", "GET", "/profile", nil), 200, "<h1>ada</h1>"},
		"by cookie, other":    {kit.Request("u2", "GET", "/profile", nil), 200, "<h1>bob</h1>"},
		"by bearer":           {kit.BearerRequest("u2", "GET", "/api/me", nil), 200, "bob"},
		"by cookie to an API": {kit.Request("u2", "GET", "/api/me", nil), 401, "AUTH_"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			app.ServeHTTP(w, c.request)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
				t.Errorf("%d %s, want %d and %q", w.Code, w.Body, c.status, c.body)
			}
		})
	}
}

func TestBrowserSignsInThroughTheForm(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	tab := luciatest.NewBrowser(t, newApp(kit.Auth)).Open("/profile")
	if page := tab.Get("/profile"); page.URL.Path != "/login" || tab.SignedIn() {
		t.Fatalf("a signed-out visitor is redirected to %s, want /login", page.URL)
	}
	wrong := tab.Submit(url.Values{"username": {"u1"}, "password": {"guess"}})
	if wrong.Status != http.StatusUnauthorized || tab.SignedIn() {
		t.Errorf("wrong password: %d, signed in %t", wrong.Status, tab.SignedIn())
	}
	tab.Get("/login")
	page := tab.Submit(credentials)
	if page.Status != http.StatusOK || page.URL.Path != "/profile" || !strings.Contains(page.Body, "<h1>ada</h1>") {
		t.Errorf("%d %s %s, want ada's profile", page.Status, page.URL, page.Body)
	}
	if !tab.SignedIn() || page.Data["_lucia"] == nil {
		t.Error("the page data has no session")
	}
}

func TestSubmitSendsAllFields(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/profile")
	for name, c := range map[string]struct {
		fields url.Values
		want   string
	}{
		"untouched":  {url.Values{"bio": {"new"}}, "ada [new] [blue] [on] [] [] [Save]"},
		"overridden": {url.Values{"colour": {"red"}, "spam": {"on"}}, "ada [first line] [red] [on] [on] [] [Save]"},
	} {
		tab.Get("/profile")
		if got := strings.TrimSpace(tab.Submit(c.fields).Body); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestSubmitFollowsRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users)
		app, sent := newApp(kit.Auth), ""
		tab := kit.SignIn(luciatest.NewBrowser(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent = r.PostFormValue("_lucia")
			app.ServeHTTP(w, r)
		})), "u1").Open("/profile")
		old := string(tab.Page().Data["_lucia"])
		kit.PassAccessTTL()
		if err := tab.Refresh(); err != nil {
			t.Fatal(err)
		}
		if page := tab.Submit(url.Values{"bio": {"late"}}); !strings.Contains(page.Body, "ada [late]") {
			t.Errorf("%d %s", page.Status, page.Body)
		}
		if strings.Contains(old, sent) {
			t.Error("the form has the token from before the refresh")
		}
	})
}

func TestFetchCarriesTheToken(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	browser := luciatest.NewBrowser(t, newApp(kit.Auth))
	if page := browser.Open("/login").Fetch("GET", "/api/me", nil); page.Status != http.StatusUnauthorized {
		t.Errorf("signed out: %d %s", page.Status, page.Body)
	}
	if page := kit.SignIn(browser, "u2").Open("/profile").Fetch("GET", "/api/me", nil); page.Body != "bob" {
		t.Errorf("signed in: %d %s", page.Status, page.Body)
	}
}

func TestPassTTLs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pass func(*luciatest.Kit[profile])
		want string // the page that /profile leads to
	}{
		"now":                {func(*luciatest.Kit[profile]) {}, "/profile"},
		"access token over":  {(*luciatest.Kit[profile]).PassAccessTTL, "/profile"},
		"refresh token over": {(*luciatest.Kit[profile]).PassRefreshTTL, "/login"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kit := luciatest.New(t, users)
				tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/profile")
				c.pass(kit)
				if page := tab.Get("/profile"); page.URL.Path != c.want {
					t.Errorf("the tab shows %s, want %s", page.URL, c.want)
				}
			})
		})
	}
}

func TestExpiredAccessTokenAloneIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users)
		app := newApp(kit.Auth)
		old := kit.BearerRequest("u1", "GET", "/api/me", nil)
		kit.PassAccessTTL()
		w := httptest.NewRecorder()
		app.ServeHTTP(w, old)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%d, want 401", w.Code)
		}
	})
}

func TestTwoTabsRefreshConcurrently(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	a, b := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").TwoTabs("/profile")
	var wg sync.WaitGroup
	for _, tab := range []*luciatest.Tab{a, b} {
		wg.Go(func() {
			if err := tab.Refresh(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, tab := range []*luciatest.Tab{a, b} {
		if got := tab.Fetch("GET", "/api/me", nil); got.Body != "ada" {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	if err := a.SignOut(); err != nil {
		t.Fatal(err)
	}
	if err := b.Refresh(); !errors.Is(err, session.CodeUnauthorized) || b.SignedIn() {
		t.Errorf("refresh after the other tab's sign-out: %v", err)
	}
}

func TestLostAnswerLosesNoSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users)
		browser := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1")
		tab := browser.Open("/profile")
		before := cookieValue(browser, "encrypt_refresh_token")
		browser.LoseNextResponse()
		if err := tab.Refresh(); !errors.Is(err, luciatest.ErrLost) {
			t.Fatalf("%v, want ErrLost", err)
		}
		if n := kit.Store.Calls().Refresh; n != 1 {
			t.Errorf("the app had %d requests before the answer was lost, want 1", n)
		}
		if cookieValue(browser, "encrypt_refresh_token") != before {
			t.Error("the lost answer set a cookie")
		}
		time.Sleep(time.Hour)
		if err := tab.Refresh(); err != nil {
			t.Errorf("an hour later: %v", err)
		}
		browser.LoseNextResponse()
		if page := tab.Get("/profile"); page.Status != 0 || !tab.SignedIn() {
			t.Errorf("a lost page: status %d, signed in %t", page.Status, tab.SignedIn())
		}
		if page := tab.Get("/profile"); page.Status != http.StatusOK {
			t.Errorf("next page: status %d", page.Status)
		}
	})
}

func cookieValue(b *luciatest.Browser, suffix string) string {
	for _, c := range b.Cookies() {
		if strings.HasSuffix(c.Name, suffix) {
			return c.Value
		}
	}
	return ""
}

func TestReuseOfStolenTokensIsDetected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users)
		app := newApp(kit.Auth)
		phone := kit.SignIn(luciatest.NewBrowser(t, app), "u1").Open("/profile")
		tab := kit.SignIn(luciatest.NewBrowser(t, app), "u1").Open("/profile")
		thief := tab.Steal()
		if thief.Fetch("GET", "/api/me", nil).Body != "ada" {
			t.Fatal("the thief's tab has no session")
		}
		for range 3 { // the victim continues
			kit.PassAccessTTL()
			if err := tab.Refresh(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			tab.Fetch("GET", "/api/me", nil)
			synctest.Wait()
		}
		if err := thief.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("thief: %v, want AUTH_UNAUTHORIZED", err)
		}
		if err := phone.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("the victim's other device: %v, want AUTH_UNAUTHORIZED", err)
		}
	})
}

func TestStoreDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users)
		tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/profile")
		kit.Store.Down()
		if page := tab.Get("/profile"); page.Status != http.StatusOK {
			t.Errorf("with a valid access token: %d", page.Status)
		}
		if err := tab.SignOut(); !errors.Is(err, session.CodeDatabaseUpdateFailed) || !tab.SignedIn() {
			t.Errorf("sign-out: %v", err)
		}
		kit.PassAccessTTL()
		if err := tab.Refresh(); !errors.Is(err, session.CodeDatabaseFetchFailed) || !tab.SignedIn() {
			t.Errorf("refresh: %v", err)
		}
		if page := tab.Get("/profile"); page.Status != http.StatusServiceUnavailable {
			t.Errorf("with an expired access token: %d, want 503", page.Status)
		}
		kit.Store.Up()
		if page := tab.Get("/profile"); page.Status != http.StatusOK || !tab.SignedIn() {
			t.Errorf("after the outage: %d", page.Status)
		}
	})
}

func TestSetAndRemoveUser(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/profile")
	kit.SetUser("u1", profile{Username: "ada lovelace"})
	if err := tab.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got := tab.Fetch("GET", "/api/me", nil).Body; got != "ada lovelace" {
		t.Errorf("after SetUser: %s", got)
	}
	kit.RemoveUser("u1")
	if err := tab.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
		t.Errorf("after RemoveUser: %v", err)
	}
	if users["u1"].Username != "ada" {
		t.Error("the caller's map was changed")
	}
}

func TestNoStoreCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users)
		tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/profile")
		time.Sleep(2 * time.Minute) // old enough for a confirmation outside of the request
		kit.NoStoreCall(func() { tab.Get("/profile") })
		synctest.Wait()
		failed := &recordingTest{TB: t}
		strict := luciatest.New[profile](failed, users)
		other := strict.SignIn(luciatest.NewBrowser(t, newApp(strict.Auth)), "u1").Open("/profile")
		strict.NoStoreCall(func() {
			if err := other.Refresh(); err != nil {
				t.Error(err)
			}
		})
		if !failed.failed {
			t.Error("NoStoreCall did not count a refresh")
		}
	})
}

// recordingTest is a test that records whether it has failed.
type recordingTest struct {
	testing.TB
	failed bool
}

func (r *recordingTest) Errorf(string, ...any) { r.failed = true }

func TestHardened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users, func(c *lucia.Config[profile]) { c.Hardened = true })
		tab := luciatest.NewBrowser(t, newApp(kit.Auth)).Open("/login")
		if page := tab.Submit(credentials); !tab.SignedIn() || strings.Contains(page.Body, "access_token") {
			t.Fatalf("signed in %t, page %s", tab.SignedIn(), page.Body)
		}
		kit.PassAccessTTL()
		if err := tab.Refresh(); err != nil {
			t.Error(err)
		}
		if err := tab.SignOut(); err != nil || tab.SignedIn() {
			t.Errorf("sign-out: %v", err)
		}
	})
}

// In hardened mode a form names the session of its page. It is refused if another person has signed
// in since in another tab. The sign-out form works in any case.
func TestHardenedFormOfAnotherSession(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users, func(c *lucia.Config[profile]) { c.Hardened = true })
	browser := luciatest.NewBrowser(t, newApp(kit.Auth))
	kit.SignIn(browser, "u1")
	tab := browser.Open("/profile")
	if page := tab.Submit(url.Values{"bio": {"mine"}}); page.Status != http.StatusOK {
		t.Errorf("a form of the session's own page: %d %s", page.Status, page.Body)
	}
	tab.Get("/profile")
	kit.SignIn(browser, "u2")
	if page := tab.Submit(url.Values{"bio": {"mine"}}); page.Status != http.StatusForbidden {
		t.Errorf("a form of u1's page sent in u2's session: %d %s", page.Status, page.Body)
	}
}

func TestOverANetwork(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(http.Handler) *httptest.Server{
		"http":  httptest.NewServer,
		"https": httptest.NewTLSServer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := luciatest.New(t, users, func(c *lucia.Config[profile]) { c.Dev = name == "http" })
			server := start(newApp(kit.Auth))
			t.Cleanup(server.Close)
			tab := luciatest.NewBrowserAt(t, server.URL, server.Client().Transport).Open("/login")
			if page := tab.Submit(credentials); page.URL.Path != "/profile" || !tab.SignedIn() {
				t.Errorf("%d %s", page.Status, page.URL)
			}
		})
	}
}

func TestAbortedAnswerIsAnError(t *testing.T) {
	t.Parallel()
	abort := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := luciatest.NewBrowser(t, abort).Client().Get("https://app.example/")
	if !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("%v, want ErrAbortHandler", err)
	}
}

// A kit counts the calls of a store that the test provides, and can make it unavailable.
func TestKitCountsCallsOfAnyStore(t *testing.T) {
	own := memstore.New()
	kit := luciatest.New(t, map[string]profile{"u1": {"ada"}}, func(c *lucia.Config[profile]) { c.Store = own })
	browser := luciatest.NewBrowser(t, nethttp.Wrap(kit.Auth, http.NewServeMux()))
	kit.SignIn(browser, "u1")
	if list, err := own.List(t.Context(), "u1"); len(list) != 1 || err != nil {
		t.Errorf("sessions in the test's store: %v, %v", list, err)
	}
	if _, err := kit.Auth.Sessions(t.Context(), "u1"); err != nil || kit.Store.Calls().List != 1 {
		t.Errorf("calls %+v, error %v", kit.Store.Calls(), err)
	}
	kit.Store.Down()
	if _, err := kit.Auth.Sessions(t.Context(), "u1"); !errors.Is(err, luciatest.ErrDown) {
		t.Errorf("down: %v", err)
	}

	shared := luciatest.NewStore()
	for range 2 {
		kit := luciatest.New(t, map[string]profile{"u1": {"ada"}}, func(c *lucia.Config[profile]) { c.Store = shared })
		if kit.Store != shared {
			t.Error("New wraps a Store in another Store")
		}
	}
}

func TestNetworkErrorsOfATabHaveACode(t *testing.T) {
	kit := luciatest.New(t, map[string]profile{"u1": {"ada"}})
	app := http.NewServeMux()
	app.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) { middleware.PageData.Render(r.Context(), w) })
	broken := false
	network := func(req *http.Request) (*http.Response, error) {
		if broken {
			return nil, errors.New("cut")
		}
		return luciatest.Transport(nethttp.Wrap(kit.Auth, app)).RoundTrip(req)
	}
	browser := kit.SignIn(luciatest.NewBrowserAt(t, "https://app.example", roundTripper(network)), "u1")
	tab := browser.Open("/page")
	broken = true
	for what, err := range map[string]error{"Refresh": tab.Refresh(), "SignOut": tab.SignOut()} {
		if !errors.Is(err, session.CodeUnknown) || !tab.SignedIn() {
			t.Errorf("%s: %v, signed in %v", what, err, tab.SignedIn())
		}
	}
	broken = false
	for what, call := range map[string]func() error{"Refresh": tab.Refresh, "SignOut": tab.SignOut} {
		browser.LoseNextResponse()
		if err := call(); !errors.Is(err, luciatest.ErrLost) || errors.Is(err, session.CodeUnknown) {
			t.Errorf("%s with a lost answer: %v, want only %v", what, err, luciatest.ErrLost)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
