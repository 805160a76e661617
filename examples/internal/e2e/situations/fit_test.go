package situations_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// Every page fits every screen, with and without scripts, in both colour schemes. If the
// environment has LUCIA_SHOTS=dir, the test writes screenshots into that directory.
func TestPagesFit(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	// net/http and gin share the pages in html/template, and both versions of echo those in templ.
	for _, app := range []string{"gin", "echov5"} {
		t.Run(app, func(t *testing.T) {
			s, secret := apptest.StartWithAdmin(t, app, "-idle", "1h")
			tab := browser.Person(t).Tab(t)
			for _, path := range []string{"/", "/login", "/signup", "/no/such"} {
				looksWell(t, tab, s, "signed out", path)
			}
			name := apptest.NewName()
			apptest.SignUpIn(tab, s, name)
			apptest.SignIn(t, s, name) // a second device to list
			for _, path := range []string{"/", "/login", "/profile", "/devices", "/danger", "/again", "/no/such"} {
				looksWell(t, tab, s, "signed in", path)
			}
			long := strings.Repeat("W", 32)
			apptest.SignUpIn(tab, s, long)
			apptest.Fill(tab, [2]string{"bio", strings.Repeat("wide", 40)})
			tab.Until(`document.querySelector(".bio") && ` + apptest.Scripted)
			for _, path := range []string{"/", "/login", "/profile", "/devices", "/again?unsent=1"} {
				looksWell(t, tab, s, "long", path)
			}
			tab.Open(s.URL + "/profile")
			tab.Eval(`{ document.querySelector("[data-events]").open = true; document.querySelector("#idle").hidden = false }`, nil)
			tab.Until(`document.querySelector("[data-event]").innerText.includes(":")`)
			looksWellAsItIs(t, tab, s.App+"-long-events-and-warning")
			if slices.Contains(apptest.WithNotes, app) {
				looksWell(t, tab, s, "signed in", "/notes")
				for i, text := range []string{"Buy oil", strings.Repeat("wick", 50)} {
					apptest.Fill(tab, [2]string{"text", text})
					tab.Until(fmt.Sprintf(`document.querySelectorAll("#notes li").length === %d && `+apptest.Settled, i+1))
				}
				looksWell(t, tab, s, "long", "/notes")
				looksWell(t, tab, s, "long", strings.TrimPrefix(tab.Text(`document.querySelector("#notes a").href`), s.URL))
			}
			tab.Open(s.URL + "/login")
			apptest.Fill(tab, [2]string{"username", "root"}, [2]string{"password", secret})
			tab.Until(`document.querySelector("h1").innerText === "root" && ` + apptest.Scripted)
			looksWell(t, tab, s, "admin", "/profile")
			apptest.Fill(tab, [2]string{"user", long}, [2]string{"reason", "ticket 12"})
			tab.Until(`document.querySelector(".acting") && ` + apptest.Scripted)
			for _, path := range []string{"/", "/profile", "/devices"} {
				looksWell(t, tab, s, "acting", path)
			}
		})
	}
}

// overflowing finds elements that overflow the screen or their box, unless the box scrolls or hides
// the overflow on purpose.
const overflowing = `[...document.querySelectorAll("body *")].filter((e) => {
	const box = e.getBoundingClientRect();
	if (!box.width || e.closest(".skip, .unseen, progress, svg") || e.matches("input, textarea")) return false;
	const meant = getComputedStyle(e).overflowX !== "visible";
	return box.right > innerWidth + 1 || box.left < -1 || (!meant && e.clientWidth && e.scrollWidth > e.clientWidth + 1);
}).map((e) => e.tagName + "." + e.className + " " + e.innerText.slice(0, 30))`

// small finds targets that are too small for a finger. Links within a sentence may be small.
const small = `[...document.querySelectorAll("button, .button, nav a, .brand")].filter((e) => {
	const box = e.getBoundingClientRect();
	return box.height && (box.height < 43.5 || box.width < 43.5);
}).map((e) => e.tagName + "." + e.className + " " + e.innerText + " " + e.getBoundingClientRect().height)`

// looksWell opens a page with and without scripts, and looks at it on several screens.
func looksWell(t *testing.T, tab *chrometest.Tab, s *apptest.Server, who, path string) {
	t.Helper()
	for _, scripts := range []bool{true, false} {
		tab.Scripting(scripts)
		tab.Open(s.URL + path)
		looksWellAsItIs(t, tab, fmt.Sprintf("%s-%s-%s-scripts=%t", s.App, who, strings.ReplaceAll(strings.Trim(path, "/"), "/", "_"), scripts))
	}
	tab.Scripting(true)
}

// looksWellAsItIs looks at the page that is in the tab on phones and on a desktop, in both colour
// schemes. It leaves the tab on a desktop.
func looksWellAsItIs(t *testing.T, tab *chrometest.Tab, what string) {
	t.Helper()
	for _, width := range []int{320, 390, 1280} {
		tab.Screen(width, 800, false)
		var wide int
		var out, tiny []string
		tab.Eval(`document.documentElement.scrollWidth`, &wide)
		if tab.Eval(overflowing, &out); wide > width || len(out) > 0 {
			t.Errorf("%s at %d pixels is %d wide: %q sticks out", what, width, wide, out)
		}
		if tab.Eval(small, &tiny); width < 600 && len(tiny) > 0 {
			t.Errorf("%s at %d pixels: too small for a finger: %q", what, width, tiny)
		}
		shoot(t, tab, fmt.Sprintf("%s-%d.png", what, width))
		if os.Getenv("LUCIA_SHOTS") != "" && width != 320 { // a layout does not depend on the colours
			tab.Screen(width, 800, true)
			shoot(t, tab, fmt.Sprintf("%s-%d-dark.png", what, width))
		}
	}
	tab.Screen(1280, 800, false)
}

// shoot saves a screenshot of the page.
func shoot(t *testing.T, tab *chrometest.Tab, name string) {
	t.Helper()
	dir := os.Getenv("LUCIA_SHOTS")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name), tab.Screenshot(), 0o644); err != nil {
		t.Fatal(err)
	}
}
