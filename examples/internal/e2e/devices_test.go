package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/luciatest"
)

// testRemember checks which sign-ins the browser keeps when it closes.
func testRemember(t *testing.T, s *server) {
	name := newName()
	signUp(t, s, name)
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
		form := credentials(name, password)
		form["remember"] = tt.remember
		in := request(t, s, "POST", "/login", form).want(t, http.StatusSeeOther)
		for _, line := range in.header["Set-Cookie"] {
			if strings.Contains(line, "Max-Age=") != tt.want {
				t.Errorf("%s: remembered is not %t in %q", tt.name, tt.want, line)
			}
		}
		form.Set("password", "wrong")
		form["remember"] = tt.remember
		wrong := request(t, s, "POST", "/login", form).want(t, http.StatusUnauthorized)
		if got := checkedBox.MatchString(wrong.body); got != tt.want {
			t.Errorf("%s: after a wrong password the box is checked: %t", tt.name, got)
		}
	}
	if page := request(t, s, "GET", "/login", nil).want(t, http.StatusOK); !checkedBox.MatchString(page.body) {
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
	wantPage(t, p, http.StatusOK, "/devices")
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

func testDevices(t *testing.T, s *server) {
	name := newName()
	first := signUp(t, s, name)
	own, current := devicesOf(t, first.Get("/devices"))
	if len(own) != 1 || current != 0 {
		t.Fatalf("one session is listed as %q, the current one %d", own, current)
	}
	if strings.Contains(first.Page().Body, `name="others"`) {
		t.Error("there are no others to end")
	}
	second := signIn(t, s, name)
	ids, current := devicesOf(t, second.Get("/devices"))
	if len(ids) != 2 || !slices.Contains(ids, own[0]) || current < 0 || ids[current] == own[0] {
		t.Fatalf("two sessions are listed as %q, the current one %d", ids, current)
	}

	// The second ends the first.
	if left, current := devicesOf(t, second.Submit(url.Values{"id": {own[0]}})); len(left) != 1 || current != 0 {
		t.Errorf("after the end of one, %q are left", left)
	}
	wantPage(t, first.Get("/profile"), http.StatusOK, "/login")

	// The second ends all others.
	third, fourth := signIn(t, s, name), signIn(t, s, name)
	if ids, _ := devicesOf(t, second.Get("/devices")); len(ids) != 3 {
		t.Errorf("three sessions are listed as %q", ids)
	}
	if left, current := devicesOf(t, second.Submit(url.Values{"others": {"1"}})); len(left) != 1 || current != 0 {
		t.Errorf("after the end of all others, %q are left", left)
	}
	wantPage(t, third.Get("/profile"), http.StatusOK, "/login")
	wantPage(t, fourth.Get("/profile"), http.StatusOK, "/login")

	// The second ends itself.
	last, _ := devicesOf(t, second.Page())
	wantPage(t, second.Submit(url.Values{"id": {last[0]}}), http.StatusOK, "/login")
	if sessionOf(t, second.Page()) != nil {
		t.Error("the page after the end of its own session has a session")
	}
}

func testDevicesProof(t *testing.T, s *server) {
	ada, eve := signUp(t, s, newName()), signUp(t, s, newName())
	ids, _ := devicesOf(t, ada.Get("/devices"))
	devicesOf(t, eve.Get("/devices"))
	if p := eve.Submit(url.Values{"id": {ids[0]}}); p.Status != http.StatusOK {
		t.Errorf("the end of a session that is another person's is answered with %d", p.Status)
	}
	wantPage(t, ada.Get("/devices"), http.StatusOK, "/devices")
	for _, id := range []string{"", "x", ids[0] + "A", strings.Repeat("A", 100)} {
		devicesOf(t, eve.Get("/devices"))
		wantPage(t, eve.Submit(url.Values{"id": {id}}), http.StatusBadRequest, "/devices/end")
	}

	name := newName()
	in := request(t, s, "POST", "/signup", credentials(name, password)).want(t, http.StatusSeeOther)
	for _, form := range []url.Values{{"others": {"1"}}, {"id": {ids[0]}}, {}} {
		request(t, s, "POST", "/devices/end", form).want(t, http.StatusUnauthorized)
		request(t, s, "POST", "/devices/end", form, cookies(in)).want(t, http.StatusUnauthorized)
		request(t, s, "POST", "/devices/end", form, cookies(in), crossSite).want(t, http.StatusForbidden).noCookies(t)
	}
	request(t, s, "GET", "/devices", nil, cookies(in)).want(t, http.StatusOK)
	request(t, s, "GET", "/devices/end", nil, cookies(in)).want(t, http.StatusMethodNotAllowed)
	request(t, s, "GET", "/devices", nil).want(t, http.StatusSeeOther)
}

// TestDevices looks at the page of devices in Chromium, on a phone and on a desktop, and ends
// sessions there with and without scripts.
func TestDevices(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apps {
		for _, scripts := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s scripts=%t", app, scripts), func(t *testing.T) {
				testDevicesPage(t, browser, start(t, app, fmt.Sprintf("-hardened=%t", !scripts)), scripts)
			})
		}
	}
}

func testDevicesPage(t *testing.T, browser *chrometest.Browser, s *server, scripts bool) {
	tab, phone := quiet{browser.Person(t).Tab(t), t}, quiet{browser.Person(t).Tab(t), t}
	for _, each := range []quiet{tab, phone} {
		each.Scripting(scripts)
	}
	phone.Screen(390, 800, true)
	name := newName()
	tab.Open(s.URL + "/signup")
	tab.send(".stack", [2]string{"username", name}, [2]string{"password", password})

	phone.Open(s.URL + "/login")
	phone.shows(`document.querySelector("[type=checkbox][name=remember]").checked`)
	phone.Click("[type=checkbox][name=remember]")
	phone.send(".stack", [2]string{"username", name}, [2]string{"password", "wrong"})
	phone.shows(`!document.querySelector("[type=checkbox][name=remember]").checked`)
	phone.send(".stack", [2]string{"username", name}, [2]string{"password", password})
	phone.shows(`location.pathname === "/profile"`)
	phone.Submit(`main a[href="/devices"]`)
	phone.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 2`)
	phone.shows(`document.querySelectorAll("[data-current]").length === 1`)
	phone.shows(`document.querySelector("li[data-session] h2").innerText.includes("Chrome on Linux")`)
	if scripts { // the page looks the same without
		looksWell(t, phone.Tab, s, "two", "/devices")
	}

	phone.Submit("li[data-session]:not([data-current]) button")
	phone.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 1`)
	tab.Open(s.URL + "/devices")
	tab.shows(`location.pathname === "/login"`)
	tab.send(".stack", [2]string{"username", name}, [2]string{"password", password})
	tab.shows(`location.pathname === "/devices"`)
	tab.Submit(`form:has([name="others"]) button`)
	tab.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 1`)
	tab.Submit("[data-current] button")
	tab.shows(`location.pathname === "/login" && !document.querySelector("[data-sign-out]")`)
}
