package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// looksLikeNoOther reports whether the pages of an app are looked at closely: net/http and gin show
// the same pages in html/template, and both echos the same in templ.
func looksLikeNoOther(app string) bool { return app == "gin" || app == "echov5" }

// onScreenOf gives a tab the screen on which an app is tried. Of the two apps of each template
// engine one is on a phone and the other on a desktop.
func onScreenOf(tab quiet, app string) {
	if looksLikeNoOther(app) {
		tab.Screen(1280, 800, false)
	} else {
		tab.Screen(390, 800, true)
	}
}

// Every page fits every screen, in both colour schemes, with and without scripts. With
// LUCIA_SHOTS=dir in the environment, what was looked at is there as PNGs.
func TestPagesFit(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apps {
		if !looksLikeNoOther(app) {
			continue
		}
		t.Run(app, func(t *testing.T) {
			s := start(t, app)
			tab := browser.Person(t).Tab(t)
			for _, path := range []string{"/", "/login", "/signup", "/no/such"} {
				looksWell(t, tab, s, "nobody", path)
			}
			signUpIn(tab, s, newName())
			for _, path := range []string{"/", "/login", "/profile", "/devices", "/danger", "/again", "/no/such"} {
				looksWell(t, tab, s, "somebody", path)
			}
			long := strings.Repeat("W", 32)
			signUpIn(tab, s, long)
			fill(tab, [2]string{"bio", strings.Repeat("wide", 40)})
			tab.Until(`document.querySelector(".bio") && ` + scripted)
			for _, path := range []string{"/", "/login", "/profile", "/devices", "/again?unsent=1"} {
				looksWell(t, tab, s, "long", path)
			}
			if slices.Contains(withNotes, app) {
				looksWell(t, tab, s, "somebody", "/notes")
				for i, text := range []string{"Buy oil", strings.Repeat("wick", 50)} {
					fill(tab, [2]string{"text", text})
					tab.Until(fmt.Sprintf(`document.querySelectorAll("#notes li").length === %d && `+settled, i+1))
				}
				looksWell(t, tab, s, "long", "/notes")
				looksWell(t, tab, s, "long", strings.TrimPrefix(tab.Text(`document.querySelector("#notes a").href`), s.URL))
			}
		})
	}
}

// overflowing is what sticks out: of the screen, or of the box that it is in.
// Where a box scrolls or hides what is too much, that is meant.
const overflowing = `[...document.querySelectorAll("body *")].filter((e) => {
	const box = e.getBoundingClientRect();
	if (!box.width || e.closest(".skip, .unseen, progress, svg") || e.matches("input, textarea")) return false;
	const meant = getComputedStyle(e).overflowX !== "visible";
	return box.right > innerWidth + 1 || box.left < -1 || (!meant && e.clientWidth && e.scrollWidth > e.clientWidth + 1);
}).map((e) => e.tagName + "." + e.className + " " + e.innerText.slice(0, 30))`

// small are what fingers miss on a phone: links within a sentence may be.
const small = `[...document.querySelectorAll("button, .button, nav a, .brand")].filter((e) => {
	const box = e.getBoundingClientRect();
	return box.height && (box.height < 43.5 || box.width < 43.5);
}).map((e) => e.tagName + "." + e.className + " " + e.innerText + " " + e.getBoundingClientRect().height)`

// looksWell opens a page with and without scripts, and looks at it on several screens.
func looksWell(t *testing.T, tab *chrometest.Tab, s *server, who, path string) {
	t.Helper()
	for _, scripts := range []bool{true, false} {
		tab.Scripting(scripts)
		tab.Open(s.URL + path)
		looksWellAsItIs(t, tab, fmt.Sprintf("%s-%s-%s-scripts=%t", s.app, who, strings.ReplaceAll(strings.Trim(path, "/"), "/", "_"), scripts))
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

// shoot keeps a picture of the page for a person to look at.
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
