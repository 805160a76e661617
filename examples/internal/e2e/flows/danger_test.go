package flows_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/luciatest"
)

// TestDanger opens a page behind RequireRecent after a recent sign-in and after an old one, in
// Chromium with and without scripts. Another tab keeps the text that is typed in it.
func TestDanger(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apptest.Apps {
		for _, hardened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s hardened=%t", app, hardened), func(t *testing.T) {
				t.Parallel() // each of them waits until the sign-ins are no longer recent
				s := apptest.Start(t, app, fmt.Sprintf("-hardened=%t", hardened), "-recent", "15s", "-grace", "100ms")
				testDanger(t, browser, s, hardened)
			})
		}
	}
}

func testDanger(t *testing.T, browser *chrometest.Browser, s *apptest.Server, otherScreen bool) {
	person := browser.Person(t)
	tab, other := person.Tab(t), person.Tab(t)
	apptest.OnScreen(tab, s.App, otherScreen)
	apptest.SignUpIn(tab, s, apptest.NewName())
	plain := quiet{browser.Person(t).Tab(t), t}
	apptest.OnScreen(plain.Tab, s.App, !otherScreen)
	plain.Scripting(false)
	plain.Open(s.URL + "/signup")
	plain.send(".stack", [2]string{"username", apptest.NewName()}, [2]string{"password", apptest.Password})

	other.Open(s.URL + "/profile")
	other.Until(apptest.Scripted)
	other.Eval(`document.querySelector("[name=bio]").value = "half a sentence"`, nil)
	field := `document.querySelector("[name=bio]").form.elements._lucia.value`
	before := other.Text(field)

	confirm := func(tab quiet) {
		t.Helper()
		outdate(tab, s)
		tab.shows(`new URLSearchParams(location.search).get("next") === "/danger?a=1"`)
		tab.shows(`document.querySelector("h1").innerText === "Confirm that it is you" && !document.querySelector(".card .problem")`)
		tab.send(".stack", [2]string{"password", "wrong"})
		tab.shows(`location.pathname === "/again" && document.querySelector(".card .problem").innerText.includes("wrong")`)
		tab.send(".stack", [2]string{"password", apptest.Password})
		tab.shows(`location.pathname + location.search === "/danger?a=1" && document.querySelector("h1").innerText === "Danger zone"`)
	}
	confirm(plain)
	confirm(quiet{tab, t})

	// The other tab adopts the new session of the same person and keeps the typed text.
	other.Until(fmt.Sprintf("%s !== %q", field, before))
	other.Until(`document.querySelector("[name=bio]").value === "half a sentence"`)
	apptest.Fill(other, [2]string{"bio", "half a sentence more"})
	other.Until(`document.querySelector(".bio")?.innerText === "half a sentence more"`)
}

// outdate opens /danger until it is refused.
func outdate(tab quiet, s *apptest.Server) {
	tab.t.Helper()
	apptest.Poll(tab.t, func() bool {
		tab.Open(s.URL + "/danger?a=1")
		return tab.Text("location.pathname") == "/again"
	})
}

// TestDangerWithoutABrowser checks the statuses of the contract.
func TestDangerWithoutABrowser(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		s := apptest.Start(t, app)
		visitor := luciatest.NewBrowserAt(t, s.URL, nil)
		apptest.WantPage(t, visitor.Open("/danger").Page(), http.StatusOK, "/login")
		apptest.WantPage(t, visitor.Open("/again").Page(), http.StatusOK, "/login")
		tab := apptest.SignUp(t, s, apptest.NewName())
		apptest.WantPage(t, tab.Get("/danger"), http.StatusOK, "/danger")
		apptest.WantPage(t, tab.Get("/again?next=%2Fdanger"), http.StatusOK, "/again")
	})
}
