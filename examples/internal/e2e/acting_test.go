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

var printedPassword = regexp.MustCompile(`The password of root is (\S+)`)

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
		act.Set("_lucia", regexp.MustCompile(`name="_lucia" value="([^"]+)"`).FindStringSubmatch(page.body)[1])
		request(t, s, "POST", "/act", act, cookies(in)).want(t, http.StatusForbidden).noCookies(t)
		act.Del("_lucia")
		if strings.Contains(page.body, `action="/act"`) {
			t.Error("the profile offers to act to a user who is no administrator")
		}

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

// TestActingInChromium acts as another user and stops, on a phone without scripts and on a desktop
// with them.
func TestActingInChromium(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apps {
		for _, scripts := range []bool{true, false} {
			t.Run(app+map[bool]string{true: " with scripts", false: " without scripts"}[scripts], func(t *testing.T) {
				s, secret := startWithAdmin(t, app)
				name := newName()
				signUp(t, s, name)
				tab := quiet{browser.Person(t).Tab(t), t}
				tab.Scripting(scripts)
				tab.Open(s.URL + "/login")
				tab.send(".stack", [2]string{"username", "root"}, [2]string{"password", secret})
				looksWell(t, tab.Tab, s, "admin", "/profile")
				tab.send(`[action="/act"]`, [2]string{"user", name}, [2]string{"reason", "ticket 12"})
				tab.shows(`location.pathname === "/profile" && document.querySelector("h1").innerText === "` + name + `"`)
				looksWell(t, tab.Tab, s, "acting", "/profile")
				if scripts {
					tab.Screen(1280, 800, false)
				} else {
					tab.Screen(390, 800, true)
				}
				tab.Submit(".acting button")
				tab.shows(`location.pathname === "/profile" && document.querySelector("h1").innerText === "root" && !document.querySelector(".acting")`)
			})
		}
	}
}
