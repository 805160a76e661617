package flows_test

import (
	"fmt"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// TestDevices ends sessions on the page of devices, on a phone and on a desktop, with and without
// scripts.
func TestDevices(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apptest.Apps {
		for _, scripts := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s scripts=%t", app, scripts), func(t *testing.T) {
				testDevicesPage(t, browser, apptest.Start(t, app, fmt.Sprintf("-hardened=%t", !scripts)), scripts)
			})
		}
	}
}

func testDevicesPage(t *testing.T, browser *chrometest.Browser, s *apptest.Server, scripts bool) {
	first, second := quiet{browser.Person(t).Tab(t), t}, quiet{browser.Person(t).Tab(t), t}
	for _, each := range []quiet{first, second} {
		each.Scripting(scripts)
	}
	apptest.OnScreen(first.Tab, s.App, true)
	apptest.OnScreen(second.Tab, s.App, false)
	name := apptest.NewName()
	first.Open(s.URL + "/signup")
	first.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})

	second.Open(s.URL + "/login")
	second.shows(`document.querySelector("[type=checkbox][name=remember]").checked`)
	second.Click("[type=checkbox][name=remember]")
	second.send(".stack", [2]string{"username", name}, [2]string{"password", "wrong"})
	second.shows(`!document.querySelector("[type=checkbox][name=remember]").checked`)
	second.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})
	second.shows(`location.pathname === "/profile"`)
	second.Submit(`main a[href="/devices"]`)
	second.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 2`)
	second.shows(`document.querySelectorAll("[data-current]").length === 1`)
	second.shows(`document.querySelector("li[data-session] h2").innerText.includes("Chrome on Linux")`)

	second.Submit("li[data-session]:not([data-current]) button")
	second.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 1`)
	first.Open(s.URL + "/devices")
	first.shows(`location.pathname === "/login"`)
	first.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})
	first.shows(`location.pathname === "/devices"`)
	first.Submit(`form:has([name="others"]) button`)
	first.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 1`)
	first.Submit("[data-current] button")
	first.shows(`location.pathname === "/login" && !document.querySelector("[data-sign-out]")`)
}
