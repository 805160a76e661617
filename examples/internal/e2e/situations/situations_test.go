package situations_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// TestSituations tests other tabs, other people at the same browser, and pages from caches.
func TestSituations(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	profile := t.TempDir()
	chrometest.BlockCookies(t, profile)
	blocking := chrometest.StartOn(t, profile)
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) {
			s := inFrontOf(t, apptest.Start(t, app))
			for _, c := range []struct {
				name string
				test func(*testing.T, *chrometest.Browser, *front)
			}{
				{"a draft, signed out and in again in another tab", testDraft},
				{"a refused profile, another person signs in", testRefusedProfile},
				{"a refused sign-in, other people sign in", testRefusedSignIn},
				{"a refused sign-up, other people sign in", testRefusedSignUp},
				{"sign-out in one tab, then by script in the other", testSignOutTwice(false)},
				{"sign-out in one tab, then by form in the other", testSignOutTwice(true)},
				{"Back after sign-out", testBackAfterSignOut},
				{"a page prefetched before sign-out", testAheadOfSignOut("prefetch")},
				{"a page prerendered before sign-out", testAheadOfSignOut("prerender")},
			} {
				t.Run(c.name, func(t *testing.T) { c.test(t, browser, s) })
			}
			t.Run("cookies blocked", func(t *testing.T) { testCookiesBlocked(t, blocking, s) })
		})
	}
}

// front is a proxy in front of an example. It counts requests. A page with a query makes the
// browser request the profile ahead of time.
type front struct {
	*apptest.Server
	mu     sync.Mutex
	counts map[string]int // by method and path, and "ahead" for requests ahead of time
}

func inFrontOf(t *testing.T, s *apptest.Server) *front {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{counts: map[string]int{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	proxied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.counts[r.Method+" "+r.URL.Path]++
		if strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch") {
			f.counts["ahead"]++
		}
		f.mu.Unlock()
		if how, ok := strings.CutPrefix(r.URL.Path, "/rules/"); ok {
			w.Header().Set("Content-Type", "application/speculationrules+json")
			fmt.Fprintf(w, `{%q:[{"source":"list","urls":["/profile"],"eagerness":"immediate"}]}`, how)
			return
		}
		if how := r.URL.Query().Get("ahead"); how != "" {
			w.Header().Set("Speculation-Rules", `"/rules/`+how+`"`)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(proxied.Close)
	f.Server = s.At(proxied.URL)
	return f
}

func (f *front) count(of string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[of]
}

// keep marks the document, so that a test notices when it is replaced.
func keep(tab *chrometest.Tab) { tab.Eval("void (window.kept = true)", nil) }

func signOut(tab *chrometest.Tab, s *front) {
	tab.Open(s.URL + "/")
	tab.Until(apptest.Scripted)
	tab.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
	tab.Until(`location.pathname === "/" && document.querySelector('a[href="/login"]')`)
}

func logIn(tab *chrometest.Tab, s *front, name string) {
	tab.Open(s.URL + "/login")
	apptest.Fill(tab, [2]string{"username", name}, [2]string{"password", apptest.Password})
	tab.Until(`location.pathname === "/profile" && ` + apptest.Scripted)
}

// A person types a text, signs out and in again in another tab, and then saves the text. The text
// is still there, and it is saved once, as theirs.
func testDraft(t *testing.T, browser *chrometest.Browser, s *front) {
	person := browser.Person(t)
	tab, other := person.Tab(t), person.Tab(t)
	name := apptest.NewName()
	apptest.SignUpIn(tab, s.Server, name)
	keep(tab)
	tab.Type("#bio", "A long text")
	saved := s.count("POST /profile")
	signOut(other, s)
	tab.Until(`kept && !document.querySelector("#gone").hidden && document.querySelector("#bio").form.querySelector("button").disabled`)
	logIn(other, s, name)
	tab.Until(`kept && document.querySelector("#gone").hidden && !document.querySelector("[data-sign-out]").hidden`)
	if text := tab.Text(`document.querySelector("#bio").value`); text != "A long text" {
		t.Errorf("the field has %q", text)
	}
	tab.Click(`form[action="/profile"] button`)
	tab.Until(`!window.kept && document.querySelector(".bio")?.innerText === "A long text"`)
	if who := tab.Text(`document.querySelector("h1").innerText`); who != name {
		t.Errorf("saved as %q, want %q", who, name)
	}
	if n := s.count("POST /profile") - saved; n != 1 {
		t.Errorf("saved %d times", n)
	}
}

// stale is an expression that is true if the page was not replaced, is stale and tells the person.
const stale = `window.kept && document.documentElement.inert && document.querySelector("#stale").open`

// A page that answers a form is stale while another person is signed in. It works again when its
// person is back.
func testRefusedProfile(t *testing.T, browser *chrometest.Browser, s *front) {
	person := browser.Person(t)
	tab, other := person.Tab(t), person.Tab(t)
	name, another := apptest.NewName(), apptest.NewName()
	apptest.SignUpIn(tab, s.Server, name)
	saved := s.count("POST /profile")
	tab.Eval(`document.querySelector("#bio").maxLength = 1000`, nil)
	apptest.Fill(tab, [2]string{"bio", strings.Repeat("long ", 100)})
	tab.Until(`document.querySelector("main .problem:not([hidden])") && ` + apptest.Scripted)
	keep(tab)
	apptest.SignUpIn(other, s.Server, another)
	tab.Until(stale)
	if n := s.count("POST /profile") - saved; n != 1 {
		t.Errorf("sent %d times", n)
	}
	logIn(other, s, name)
	tab.Until(`kept && !document.documentElement.inert && !document.querySelector("#stale").open`)
	apptest.Fill(tab, [2]string{"bio", "Short"})
	tab.Until(`document.querySelector(".bio")?.innerText === "Short" && ` + apptest.Scripted)
	if who := tab.Text(`document.querySelector("h1").innerText`); who != name {
		t.Errorf("saved as %q, want %q", who, name)
	}
	if n := s.count("POST /profile") - saved; n != 2 {
		t.Errorf("sent %d times", n)
	}
}

func testRefusedSignIn(t *testing.T, browser *chrometest.Browser, s *front) {
	testRefusedVisitor(t, browser, s, "/login", apptest.NewName())
}

func testRefusedSignUp(t *testing.T, browser *chrometest.Browser, s *front) {
	name := apptest.NewName()
	apptest.Request(t, s.Server, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
	testRefusedVisitor(t, browser, s, "/signup", name)
}

// A signed-out page that answers a form adopts the session of the first person who signs in in
// another tab, and is stale for the second. Its form is not sent again.
func testRefusedVisitor(t *testing.T, browser *chrometest.Browser, s *front, path, name string) {
	person := browser.Person(t)
	tab, other := person.Tab(t), person.Tab(t)
	tab.Open(s.URL + path)
	apptest.Fill(tab, [2]string{"username", name}, [2]string{"password", "wrong"})
	tab.Until(`document.querySelector("main .problem:not([hidden])")`)
	tab.Until(`import("/api/auth/client.js").then(({ getSession }) => getSession().subscribe((s) => (window.who = s?.user.username ?? "no session")))`)
	keep(tab)
	first, second := apptest.NewName(), apptest.NewName()
	apptest.SignUpIn(other, s.Server, first)
	tab.Until(`kept && who === "` + first + `" && !document.querySelector("#stale").open`)
	sent := s.count("POST " + path)
	logs := s.count("POST /signup")
	apptest.SignUpIn(other, s.Server, second)
	tab.Until(stale + ` && who === "no session"`)
	logs = s.count("POST /signup") - logs
	tab.Click("#stale a")
	tab.Until(`!window.kept && location.pathname === "` + path + `" && document.querySelector("#password")`)
	want := 0
	if path == "/signup" {
		want = 1 // one form of the other tab
	}
	if n := s.count("POST "+path) - sent; n != want || logs != 1 {
		t.Errorf("the form was sent %d times again", n-want)
	}
}

// A second sign-out, in a tab that does not know of the first, leads to a page.
func testSignOutTwice(form bool) func(*testing.T, *chrometest.Browser, *front) {
	return func(t *testing.T, browser *chrometest.Browser, s *front) {
		person := browser.Person(t)
		tab, other := person.Tab(t, "delete window.BroadcastChannel"), person.Tab(t)
		apptest.SignUpIn(tab, s.Server, apptest.NewName())
		keep(tab)
		signOut(other, s)
		if form {
			tab.Eval(`document.querySelector("[data-sign-out]").submit()`, nil)
		} else {
			tab.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
		}
		tab.Until(`!window.kept && location.pathname === "/" && document.querySelector('a[href="/login"]')`)
	}
}

func testBackAfterSignOut(t *testing.T, browser *chrometest.Browser, s *front) {
	tab := browser.Person(t).Tab(t)
	name := apptest.NewName()
	apptest.SignUpIn(tab, s.Server, name)
	tab.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
	tab.Until(`location.pathname === "/" && document.querySelector('a[href="/login"]')`)
	tab.Back()
	tab.Until(`location.pathname === "/login" && document.querySelector("#password")`)
	if strings.Contains(tab.Text("document.documentElement.outerHTML"), name) {
		t.Error("the page names the person who has signed out")
	}
}

// A page that the browser requested before the sign-out is not shown after it.
func testAheadOfSignOut(how string) func(*testing.T, *chrometest.Browser, *front) {
	return func(t *testing.T, browser *chrometest.Browser, s *front) {
		person := browser.Person(t)
		tab, other := person.Tab(t), person.Tab(t)
		apptest.SignUpIn(tab, s.Server, apptest.NewName())
		ahead := s.count("ahead")
		tab.Open(s.URL + "/?ahead=" + how)
		tab.Until(apptest.Scripted)
		apptest.Poll(t, func() bool { return s.count("ahead") > ahead })
		signOut(other, s)
		keep(tab)
		// The test clicks the page's own link, whether or not the page knows of the sign-out.
		tab.Eval(`document.querySelector('main a[href="/profile"]').click()`, nil)
		tab.Until(`!window.kept && location.pathname === "/login" && document.querySelector("#password")`)
	}
}

// If the browser blocks cookies, the login page explains why it is shown again.
func testCookiesBlocked(t *testing.T, browser *chrometest.Browser, s *front) {
	tab := browser.Owner().Tab(t)
	name := apptest.NewName()
	apptest.Request(t, s.Server, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
	tab.Open(s.URL + "/login")
	tab.Until(`!document.querySelector("#cookies").hidden`) // before they try
	apptest.Fill(tab, [2]string{"username", name}, [2]string{"password", apptest.Password})
	tab.Until(`location.pathname + location.search === "/login?next=%2Fprofile" && !document.querySelector("#cookies").hidden`)
}
