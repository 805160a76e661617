package flows_test

import (
	"slices"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// Everything works without scripts.
func TestChromiumWithoutScripting(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) { testWithoutScripting(t, browser, apptest.Start(t, app), false) })
		t.Run(app+" hardened", func(t *testing.T) {
			testWithoutScripting(t, browser, apptest.Start(t, app, "-hardened"), true)
		})
	}
}

// quiet is a tab whose pages run no scripts. The test uses it through the DevTools protocol.
type quiet struct {
	*chrometest.Tab
	t *testing.T
}

// send fills the form that a selector names and submits it.
func (tab quiet) send(form string, fields ...[2]string) {
	for _, f := range fields {
		tab.Type(form+` [name="`+f[0]+`"]`, f[1])
	}
	tab.Submit(form + " button")
}

// shows checks that an expression is true on the page.
func (tab quiet) shows(expression string) {
	tab.t.Helper()
	var is bool
	if tab.Eval("Boolean("+expression+")", &is); !is {
		tab.t.Fatalf("%s does not show %s\n%.2000s", tab.Text("location.href"), expression, tab.Text("document.body.innerText"))
	}
}

func testWithoutScripting(t *testing.T, browser *chrometest.Browser, s *apptest.Server, otherScreen bool) {
	tab := quiet{browser.Person(t).Tab(t), t}
	apptest.OnScreen(tab.Tab, s.App, otherScreen)
	tab.Scripting(false)
	name := apptest.NewName()
	tab.Open(s.URL + "/profile")
	tab.shows(`location.pathname === "/login"`)
	tab.Open(s.URL + "/signup")
	tab.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})
	tab.shows(`location.pathname === "/profile"`)
	tab.shows(`document.querySelector("[data-script]").hidden && !document.querySelector("[data-log] li")`)
	tab.shows(`!document.querySelector("[data-events]").checkVisibility()`)
	tab.send(".stack", [2]string{"bio", "Quiet"})
	tab.shows(`document.querySelector(".bio").innerText === "Quiet"`)
	if slices.Contains(apptest.WithNotes, s.App) {
		testNotesWithoutScripting(tab, s)
	}
	tab.send("[data-sign-out]")
	tab.shows(`location.pathname === "/" && document.querySelector('a[href="/signup"]')`)
	tab.Open(s.URL + "/profile")
	tab.shows(`location.pathname === "/login"`)
	tab.send(".stack", [2]string{"username", name}, [2]string{"password", "wrong"})
	tab.shows(`document.querySelector(".card .problem").innerText.includes("wrong")`)
	tab.send(".stack", [2]string{"username", name}, [2]string{"password", apptest.Password})
	tab.shows(`location.pathname === "/profile"`)
}

func testNotesWithoutScripting(tab quiet, s *apptest.Server) {
	tab.Open(s.URL + "/notes")
	tab.send(".add", [2]string{"text", "First"})
	tab.shows(`document.querySelector("#notes .text").innerText === "First"`)
	tab.Submit("#notes a")
	tab.send("#notes .add", [2]string{"text", "Second"})
	tab.shows(`document.querySelector("#notes .text").innerText === "Second"`)
	tab.send("#notes form")
	tab.shows(`location.pathname === "/notes" && !document.querySelector("#notes li")`)
}
