package flows_test

import (
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// TestActing acts as another user and stops, on a phone and on a desktop, with and without scripts.
func TestActing(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) {
			s, secret := apptest.StartWithAdmin(t, app)
			name := apptest.NewName()
			apptest.SignUp(t, s, name)
			for _, scripts := range []bool{true, false} {
				tab := quiet{browser.Person(t).Tab(t), t}
				apptest.OnScreen(tab.Tab, app, false)
				tab.Scripting(scripts)
				tab.Open(s.URL + "/login")
				tab.send(".stack", [2]string{"username", "root"}, [2]string{"password", secret})
				tab.shows(`document.querySelector("h1").innerText === "root" && !document.querySelector(".acting")`)
				tab.send(`[action="/act"]`, [2]string{"user", name}, [2]string{"reason", "ticket 12"})
				tab.shows(`location.pathname === "/profile" && document.querySelector("h1").innerText === "` + name + `"`)
				tab.Open(s.URL + "/devices")
				tab.shows(`document.querySelector(".acting strong").innerText === "` + name + `"`)
				tab.shows(`document.querySelector("[data-current]").innerText.includes("root")`)
				tab.shows(`document.querySelector("[data-current] button").innerText === "Stop acting" && !document.querySelector('[action="/devices/end"]')`)
				tab.Submit("[data-current] button")
				tab.shows(`location.pathname === "/profile" && document.querySelector("h1").innerText === "root"`)
				tab.shows(`!document.querySelector(".acting") && document.querySelector('[action="/act"]')`)
			}
		})
	}
}
