package e2e_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/luciatest"
)

var (
	printedPassword = regexp.MustCompile(`The password of root is (\S+)`)
	formToken       = regexp.MustCompile(`name="_lucia" value="([^"]+)"`)
)

// startWithAdmin starts an example that has the administrator root, and returns their password.
func startWithAdmin(t *testing.T, app string, flags ...string) (s *server, secret string) {
	t.Helper()
	s = start(t, app, append(flags, "-admin", "root")...)
	poll(t, func() bool { return printedPassword.MatchString(s.logged()) })
	return s, printedPassword.FindStringSubmatch(s.logged())[1]
}

func TestActing(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		s, secret := startWithAdmin(t, app)
		name := newName()
		ada := signUp(t, s, name)
		act := url.Values{"user": {strings.ToUpper(name)}, "reason": {"ticket 12"}}

		// Only the administrator may act, and no one can become the administrator.
		request(t, s, "POST", "/signup", credentials("Root", password)).want(t, http.StatusConflict).noCookies(t)
		request(t, s, "POST", "/act", act).want(t, http.StatusUnauthorized).noCookies(t)
		act.Set("_lucia", sessionOf(t, ada.Page()).AccessToken)
		if p := ada.Fetch("POST", "/act", strings.NewReader(act.Encode())); p.Status < http.StatusBadRequest {
			t.Errorf("a user who is no administrator acts: %d", p.Status)
		}
		in := request(t, s, "POST", "/login", credentials(name, password)).want(t, http.StatusSeeOther)
		page := request(t, s, "GET", "/profile", nil, cookies(in)).want(t, http.StatusOK)
		act.Set("_lucia", formToken.FindStringSubmatch(page.body)[1])
		request(t, s, "POST", "/act", act, cookies(in)).want(t, http.StatusForbidden).noCookies(t)
		if strings.Contains(page.body, `action="/act"`) {
			t.Error("the profile offers to act to a user who is no administrator")
		}

		// Forms of other sites neither begin nor end acting, and a session of one's own has nothing
		// to stop.
		in = request(t, s, "POST", "/login", credentials("root", secret)).want(t, http.StatusSeeOther)
		page = request(t, s, "GET", "/profile", nil, cookies(in)).want(t, http.StatusOK)
		request(t, s, "POST", "/act", act, cookies(in), crossSite).want(t, http.StatusForbidden).noCookies(t)
		act.Set("_lucia", formToken.FindStringSubmatch(page.body)[1])
		request(t, s, "POST", "/act/stop", url.Values{}, cookies(in)).want(t, http.StatusSeeOther).noCookies(t)
		acting := request(t, s, "POST", "/act", act, cookies(in)).want(t, http.StatusSeeOther)
		request(t, s, "POST", "/act/stop", url.Values{}, cookies(acting), crossSite).want(t, http.StatusForbidden).noCookies(t)
		back := request(t, s, "POST", "/act/stop", url.Values{}, cookies(acting)).want(t, http.StatusSeeOther)
		if page := request(t, s, "GET", "/profile", nil, cookies(back)); !strings.Contains(page.body, `action="/act"`) {
			t.Errorf("after the end of acting the profile is not that of the administrator: %d\n%.3000s", page.status, page.body)
		}
		act.Del("_lucia")

		root := luciatest.NewBrowserAt(t, s.URL, nil).Open("/login")
		wantPage(t, root.Submit(credentials("root", secret)), http.StatusOK, "/profile")
		for _, bad := range []url.Values{
			{"user": {newName()}, "reason": {"none"}}, {"user": {"root"}, "reason": {"self"}},
			{"user": {name}, "reason": {" "}}, {"user": {name}, "reason": {strings.Repeat("é", 161)}},
		} {
			wantPage(t, root.Submit(bad), http.StatusBadRequest, "/act")
			root.Get("/profile")
		}
		wantPage(t, root.Submit(act), http.StatusOK, "/profile")
		for _, path := range []string{"/", "/profile", "/devices", "/login", "/no/such"} {
			p := root.Get(path)
			if got := sessionOf(t, p); got == nil || got.User.Username != name || !strings.Contains(p.Body, "Stop acting") {
				t.Errorf("%s while acting is of %+v, or has no banner", path, got)
			}
		}
		devicesOf(t, root.Get("/devices"))
		wantPage(t, root.Submit(url.Values{"others": {"1"}}), http.StatusForbidden, "/devices/end")
		if p := ada.Get("/devices"); !strings.Contains(p.Body, "<strong>root</strong>") || strings.Contains(p.Body, "Stop acting") {
			t.Errorf("the user does not see who acts\n%.3000s", p.Body)
		}
		root.Get("/profile")
		if got := sessionOf(t, root.Follow("/devices")); got == nil {
			t.Fatal("acting has ended")
		}
	})
}

// TestActingInChromium acts as another user and stops, with scripts and without. Of the two apps of
// each template engine one is on a phone and the other on a desktop.
func TestActingInChromium(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apps {
		t.Run(app, func(t *testing.T) {
			s, secret := startWithAdmin(t, app)
			name := newName()
			signUp(t, s, name)
			for _, scripts := range []bool{true, false} {
				testActingPages(quiet{browser.Person(t).Tab(t), t}, s, name, secret, scripts)
			}
		})
	}
}

func testActingPages(tab quiet, s *server, name, secret string, scripts bool) {
	onScreenOf(tab, s.app)
	tab.Scripting(scripts)
	tab.Open(s.URL + "/login")
	tab.send(".stack", [2]string{"username", "root"}, [2]string{"password", secret})
	if scripts && looksLikeNoOther(s.app) {
		looksWell(tab.t, tab.Tab, s, "admin", "/profile")
		onScreenOf(tab, s.app)
	}
	tab.send(`[action="/act"]`, [2]string{"user", name}, [2]string{"reason", "ticket 12"})
	tab.shows(`location.pathname === "/profile" && document.querySelector("h1").innerText === "` + name + `"`)
	tab.shows(`document.querySelector(".acting strong").innerText === "` + name + `"`)
	if scripts && looksLikeNoOther(s.app) {
		looksWell(tab.t, tab.Tab, s, "acting", "/profile")
		onScreenOf(tab, s.app)
	}
	tab.Submit(".acting button")
	tab.shows(`location.pathname === "/profile" && document.querySelector("h1").innerText === "root" && !document.querySelector(".acting")`)
}
