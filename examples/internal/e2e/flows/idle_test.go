package flows_test

import (
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// A person who does nothing is warned and then signed out, though the page is open and refreshes.
// Whatever they do at the warning keeps the session.
func TestIdle(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, app, "-idle", "12s", "-access-ttl", "3s", "-grace", "1s")
			tab := browser.Person(t).Tab(t)
			tab.Screen(390, 844, false)
			apptest.SignUpIn(tab, s, apptest.NewName())
			tab.Eval(`window.sameDocument = true`, nil)
			tab.Until(`document.querySelector("[data-idle-in]").innerText === "12s"`)

			const warned = `window.sameDocument && !document.querySelector("#idle").hidden`
			tab.Until(warned + ` && document.querySelector("#idle").innerText.includes("signed out in ")`)
			var fits bool
			tab.Eval(`{ const { left, right, bottom } = document.querySelector("#idle").getBoundingClientRect();
				left >= 0 && right <= innerWidth && bottom <= innerHeight }`, &fits)
			if !fits {
				t.Error("the warning does not fit on a phone")
			}
			tab.Click("#idle button")
			tab.Until(`window.sameDocument && document.querySelector("#idle").hidden && document.querySelector("#gone").hidden`)

			tab.Until(warned)
			tab.Until(`window.sameDocument && !document.querySelector("#gone").hidden && document.querySelector("#idle").hidden`)
			tab.Open(s.URL + "/profile")
			tab.Until(`location.pathname === "/login"`)
			for _, fault := range tab.Faults() {
				t.Error(fault)
			}
		})
	}
}
