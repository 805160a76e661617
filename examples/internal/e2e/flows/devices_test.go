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
	tab, phone := quiet{browser.Person(t).Tab(t), t}, quiet{browser.Person(t).Tab(t), t}
	for _, each := range []quiet{tab, phone} {
		each.Scripting(scripts)
	}
	phone.Screen(390, 800, true)
	name := apptest.NewName()
	tab.Open(s.URL + "/signup")
	tab.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})

	phone.Open(s.URL + "/login")
	phone.shows(`document.querySelector("[type=checkbox][name=remember]").checked`)
	phone.Click("[type=checkbox][name=remember]")
	phone.send(".stack", [2]string{"username", name}, [2]string{"password", "wrong"})
	phone.shows(`!document.querySelector("[type=checkbox][name=remember]").checked`)
	phone.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})
	phone.shows(`location.pathname === "/profile"`)
	phone.Submit(`main a[href="/devices"]`)
	phone.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 2`)
	phone.shows(`document.querySelectorAll("[data-current]").length === 1`)
	phone.shows(`document.querySelector("li[data-session] h2").innerText.includes("Chrome on Linux")`)

	phone.Submit("li[data-session]:not([data-current]) button")
	phone.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 1`)
	tab.Open(s.URL + "/devices")
	tab.shows(`location.pathname === "/login"`)
	tab.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})
	tab.shows(`location.pathname === "/devices"`)
	tab.Submit(`form:has([name="others"]) button`)
	tab.shows(`location.pathname === "/devices" && document.querySelectorAll("li[data-session]").length === 1`)
	tab.Submit("[data-current] button")
	tab.shows(`location.pathname === "/login" && !document.querySelector("[data-sign-out]")`)
}
