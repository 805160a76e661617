package flows_test

import (
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// An inactive person is warned and then signed out, although the page is open and refreshes. Any
// activity after the warning keeps the session. Without scripts there is no warning, and the
// session ends, too.
func TestIdle(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			// The warning is shown for 12 seconds, in which the test clicks.
			s := apptest.Start(t, app, "-idle", "24s", "-access-ttl", "3s", "-grace", "1s")
			plain := quiet{browser.Person(t).Tab(t), t}
			apptest.OnScreen(plain.Tab, app, true)
			plain.Scripting(false)
			plain.Open(s.URL + "/signup")
			plain.send(".stack", [2]string{"username", apptest.NewName()}, [2]string{"password", apptest.Password})
			plain.shows(`location.pathname === "/profile" && document.querySelector("[data-idle-in]").innerText === "24s"`)
			plain.shows(`!document.querySelector("#idle").checkVisibility()`)

			tab := browser.Person(t).Tab(t)
			apptest.OnScreen(tab, app, false)
			apptest.SignUpIn(tab, s, apptest.NewName())
			tab.Eval(`window.sameDocument = true`, nil)
			tab.Until(`document.querySelector("[data-idle-in]").innerText === "24s"`)

			const warned = `window.sameDocument && !document.querySelector("#idle").hidden`
			tab.Until(warned + ` && document.querySelector("#idle").innerText.includes("signed out in ")`)
			var fits bool
			tab.Eval(`{ const { left, right, bottom } = document.querySelector("#idle").getBoundingClientRect();
				left >= 0 && right <= innerWidth && bottom <= innerHeight }`, &fits)
			if !fits {
				t.Error("the warning does not fit on the screen")
			}
			tab.Click("#idle button")
			tab.Until(`window.sameDocument && document.querySelector("#idle").hidden && document.querySelector("#gone").hidden`)

			tab.Until(warned)
			tab.Until(`window.sameDocument && !document.querySelector("#gone").hidden && document.querySelector("#idle").hidden`)
			tab.Open(s.URL + "/profile")
			tab.Until(`location.pathname === "/login"`)
			// It is longer ago that the person without scripts was last active.
			plain.Open(s.URL + "/profile")
			plain.shows(`location.pathname === "/login"`)
			for _, fault := range tab.Faults() {
				t.Error(fault)
			}
		})
	}
}
