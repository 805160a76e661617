package e2e_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/luciatest"
)

var formToken = regexp.MustCompile(`name="_lucia" value="([^"]+)"`)

// TestActing acts as another user: who may, what it shows, and how it ends.
func TestActing(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		s, secret := apptest.StartWithAdmin(t, app)
		name := apptest.NewName()
		ada := apptest.SignUp(t, s, name)
		act := url.Values{"user": {strings.ToUpper(name)}, "reason": {"ticket 12"}}

		// Only the administrator may act, and no one can become the administrator.
		apptest.Request(t, s, "POST", "/signup", apptest.Credentials("Root", apptest.Password)).Want(t, http.StatusConflict).NoCookies(t)
		apptest.Request(t, s, "POST", "/act", act).Want(t, http.StatusUnauthorized).NoCookies(t)
		act.Set("_lucia", apptest.SessionOf(t, ada.Page()).AccessToken)
		if p := ada.Fetch("POST", "/act", strings.NewReader(act.Encode())); p.Status < http.StatusBadRequest {
			t.Errorf("a user who is no administrator acts: %d", p.Status)
		}
		in := apptest.Request(t, s, "POST", "/login", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
		page := apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
		act.Set("_lucia", formToken.FindStringSubmatch(page.Body)[1])
		apptest.Request(t, s, "POST", "/act", act, apptest.Cookies(in)).Want(t, http.StatusForbidden).NoCookies(t)
		if strings.Contains(page.Body, `action="/act"`) {
			t.Error("the profile offers to act to a user who is no administrator")
		}

		// Forms of other sites neither begin nor end acting, and a session of one's own has nothing
		// to stop.
		in = apptest.Request(t, s, "POST", "/login", apptest.Credentials("root", secret)).Want(t, http.StatusSeeOther)
		page = apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
		apptest.Request(t, s, "POST", "/act", act, apptest.Cookies(in), apptest.CrossSite).Want(t, http.StatusForbidden).NoCookies(t)
		act.Set("_lucia", formToken.FindStringSubmatch(page.Body)[1])
		apptest.Request(t, s, "POST", "/act/stop", url.Values{}, apptest.Cookies(in)).Want(t, http.StatusSeeOther).NoCookies(t)
		acting := apptest.Request(t, s, "POST", "/act", act, apptest.Cookies(in)).Want(t, http.StatusSeeOther)
		page = apptest.Request(t, s, "GET", "/devices", nil, apptest.Cookies(acting)).Want(t, http.StatusOK)
		others := url.Values{"others": {"1"}, "_lucia": {formToken.FindStringSubmatch(page.Body)[1]}}
		apptest.Request(t, s, "POST", "/devices/end", others, apptest.Cookies(acting)).Want(t, http.StatusForbidden).NoCookies(t)
		apptest.Request(t, s, "POST", "/act/stop", url.Values{}, apptest.Cookies(acting), apptest.CrossSite).Want(t, http.StatusForbidden).NoCookies(t)
		back := apptest.Request(t, s, "POST", "/act/stop", url.Values{}, apptest.Cookies(acting)).Want(t, http.StatusSeeOther)
		if page := apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(back)); !strings.Contains(page.Body, `action="/act"`) {
			t.Errorf("after the end of acting the profile is not that of the administrator: %d\n%.3000s", page.Status, page.Body)
		}
		act.Del("_lucia")

		root := luciatest.NewBrowserAt(t, s.URL, nil).Open("/login")
		apptest.WantPage(t, root.Submit(apptest.Credentials("root", secret)), http.StatusOK, "/profile")
		for _, bad := range []url.Values{
			{"user": {apptest.NewName()}, "reason": {"none"}}, {"user": {"root"}, "reason": {"self"}},
			{"user": {name}, "reason": {" "}}, {"user": {name}, "reason": {strings.Repeat("é", 161)}},
		} {
			apptest.WantPage(t, root.Submit(bad), http.StatusBadRequest, "/act")
			root.Get("/profile")
		}
		apptest.WantPage(t, root.Submit(act), http.StatusOK, "/profile")
		for _, path := range []string{"/", "/profile", "/devices", "/login", "/no/such"} {
			p := root.Get(path)
			if got := apptest.SessionOf(t, p); got == nil || got.User.Username != name || !strings.Contains(p.Body, "Stop acting") {
				t.Errorf("%s while acting is of %+v, or has no banner", path, got)
			}
		}
		devicesOf(t, root.Get("/devices"))
		if body := root.Page().Body; strings.Contains(body, `action="/devices/end"`) || strings.Count(body, "Stop acting</button>") != 2 {
			t.Errorf("the page of devices offers to end sessions while acting\n%.3000s", body)
		}
		if p := ada.Get("/devices"); !strings.Contains(p.Body, "<strong>root</strong>") || strings.Contains(p.Body, "Stop acting") {
			t.Errorf("the user does not see who acts\n%.3000s", p.Body)
		}
		root.Get("/profile")
		if got := apptest.SessionOf(t, root.Follow("/devices")); got == nil {
			t.Fatal("acting has ended")
		}
	})
}
