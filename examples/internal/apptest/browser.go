package apptest

import (
	"fmt"
	"strings"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// Fill fills the form that has a field of the first name and presses its button, as a person would.
func Fill(tab *chrometest.Tab, fields ...[2]string) {
	var js strings.Builder
	fmt.Fprintf(&js, `{ const form = document.querySelector('[name="%s"]').form;`, fields[0][0])
	for _, f := range fields {
		fmt.Fprintf(&js, `form.elements[%q].value = %q;`, f[0], f[1])
	}
	js.WriteString(`form.querySelector("button").click(); }`)
	tab.Eval(js.String(), nil)
}

// SignUpIn signs a person up in a tab and waits for the scripts of their profile.
func SignUpIn(tab *chrometest.Tab, s *Server, name string) {
	tab.Open(s.URL + "/signup")
	Fill(tab, [2]string{"username", name}, [2]string{"password", Password})
	tab.Until(`location.pathname === "/profile" && ` + Scripted)
}

// Scripted is an expression that is true once the page's scripts run.
const Scripted = `document.querySelector("[data-log] li")`

// Settled is an expression that is true when htmx has no request under way and its last swap is
// done. Before that, the browser may submit a swapped-in form itself.
const Settled = `!document.querySelector(".htmx-added, .htmx-settling, .htmx-swapping, .htmx-request")`

// OnScreen gives a tab the screen on which an app is tried. Of the two apps of each template
// engine, one is tried on a phone and the other on a desktop. If other is true, they swap.
func OnScreen(tab *chrometest.Tab, app string, other bool) {
	if phone := app == "nethttp" || app == "echo"; phone != other {
		tab.Screen(390, 800, true)
	} else {
		tab.Screen(1280, 800, false)
	}
}
