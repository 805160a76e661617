package e2e_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/luciatest"
)

// testRemember checks which sign-ins the browser keeps when it closes.
func testRemember(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	apptest.SignUp(t, s, name)
	tests := []struct {
		name     string
		remember []string
		want     bool
	}{
		{"a program", nil, true},
		{"a checked box", []string{"no", "yes"}, true},
		{"an unchecked box", []string{"no"}, false},
	}
	for _, tt := range tests {
		form := apptest.Credentials(name, apptest.Password)
		form["remember"] = tt.remember
		in := apptest.Request(t, s, "POST", "/login", form).Want(t, http.StatusSeeOther)
		for _, line := range in.Header["Set-Cookie"] {
			if strings.Contains(line, "Max-Age=") != tt.want {
				t.Errorf("%s: remembered is not %t in %q", tt.name, tt.want, line)
			}
		}
		form.Set("password", "wrong")
		form["remember"] = tt.remember
		wrong := apptest.Request(t, s, "POST", "/login", form).Want(t, http.StatusUnauthorized)
		if got := checkedBox.MatchString(wrong.Body); got != tt.want {
			t.Errorf("%s: after a wrong password the box is checked: %t", tt.name, got)
		}
	}
	if page := apptest.Request(t, s, "GET", "/login", nil).Want(t, http.StatusOK); !checkedBox.MatchString(page.Body) {
		t.Error("the box is not checked at first")
	}
}

var (
	checkedBox = regexp.MustCompile(`<input type="checkbox" name="remember" value="yes" checked`)
	listedID   = regexp.MustCompile(`<li data-session="([^"]+)"( data-current)?`)
)

// devicesOf returns the ids on the page of devices, and the index of the current one.
func devicesOf(t *testing.T, p *luciatest.Page) (ids []string, current int) {
	t.Helper()
	apptest.WantPage(t, p, http.StatusOK, "/devices")
	current = -1
	for i, m := range listedID.FindAllStringSubmatch(p.Body, -1) {
		if ids = append(ids, m[1]); m[2] != "" {
			if current >= 0 {
				t.Errorf("two sessions are current\n%.3000s", p.Body)
			}
			current = i
		}
	}
	return ids, current
}

func testDevices(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	first := apptest.SignUp(t, s, name)
	own, current := devicesOf(t, first.Get("/devices"))
	if len(own) != 1 || current != 0 {
		t.Fatalf("one session is listed as %q, the current one %d", own, current)
	}
	if strings.Contains(first.Page().Body, `name="others"`) {
		t.Error("there are no others to end")
	}
	second := apptest.SignIn(t, s, name)
	ids, current := devicesOf(t, second.Get("/devices"))
	if len(ids) != 2 || !slices.Contains(ids, own[0]) || current < 0 || ids[current] == own[0] {
		t.Fatalf("two sessions are listed as %q, the current one %d", ids, current)
	}

	// The second session ends the first.
	if left, current := devicesOf(t, second.Submit(url.Values{"id": {own[0]}})); len(left) != 1 || current != 0 {
		t.Errorf("after the end of one, the sessions are %q", left)
	}
	apptest.WantPage(t, first.Get("/profile"), http.StatusOK, "/login")

	// The second session ends all others.
	third, fourth := apptest.SignIn(t, s, name), apptest.SignIn(t, s, name)
	if ids, _ := devicesOf(t, second.Get("/devices")); len(ids) != 3 {
		t.Errorf("three sessions are listed as %q", ids)
	}
	if left, current := devicesOf(t, second.Submit(url.Values{"others": {"1"}})); len(left) != 1 || current != 0 {
		t.Errorf("after the end of all others, the sessions are %q", left)
	}
	apptest.WantPage(t, third.Get("/profile"), http.StatusOK, "/login")
	apptest.WantPage(t, fourth.Get("/profile"), http.StatusOK, "/login")

	// The second session ends itself.
	last, _ := devicesOf(t, second.Page())
	apptest.WantPage(t, second.Submit(url.Values{"id": {last[0]}}), http.StatusOK, "/login")
	if apptest.SessionOf(t, second.Page()) != nil {
		t.Error("the page after the end of its own session has a session")
	}
}

func testDevicesProof(t *testing.T, s *apptest.Server) {
	ada, eve := apptest.SignUp(t, s, apptest.NewName()), apptest.SignUp(t, s, apptest.NewName())
	ids, _ := devicesOf(t, ada.Get("/devices"))
	devicesOf(t, eve.Get("/devices"))
	if p := eve.Submit(url.Values{"id": {ids[0]}}); p.Status != http.StatusOK {
		t.Errorf("ending another person's session answers %d", p.Status)
	}
	apptest.WantPage(t, ada.Get("/devices"), http.StatusOK, "/devices")
	for _, id := range []string{"", "x", ids[0] + "A", strings.Repeat("A", 100)} {
		devicesOf(t, eve.Get("/devices"))
		apptest.WantPage(t, eve.Submit(url.Values{"id": {id}}), http.StatusBadRequest, "/devices/end")
	}

	name := apptest.NewName()
	in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
	for _, form := range []url.Values{{"others": {"1"}}, {"id": {ids[0]}}, {}} {
		apptest.Request(t, s, "POST", "/devices/end", form).Want(t, http.StatusUnauthorized)
		apptest.Request(t, s, "POST", "/devices/end", form, apptest.Cookies(in)).Want(t, http.StatusUnauthorized)
		apptest.Request(t, s, "POST", "/devices/end", form, apptest.Cookies(in), apptest.CrossSite).Want(t, http.StatusForbidden).NoCookies(t)
	}
	apptest.Request(t, s, "GET", "/devices", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
	apptest.Request(t, s, "GET", "/devices/end", nil, apptest.Cookies(in)).Want(t, http.StatusMethodNotAllowed)
	apptest.Request(t, s, "GET", "/devices", nil).Want(t, http.StatusSeeOther)
}
