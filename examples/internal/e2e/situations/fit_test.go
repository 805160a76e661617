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

// Every page fits every screen, in both colour schemes. With LUCIA_SHOTS=dir in the
// environment, what was looked at is there as PNGs.
func TestPagesFit(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	// net/http and gin show the same pages in html/template, and both echos the same in templ.
	for _, app := range []string{"gin", "echov5"} {
		t.Run(app, func(t *testing.T) {
			s := apptest.Start(t, app)
			tab := browser.Person(t).Tab(t)
			for _, path := range []string{"/", "/login", "/signup", "/no/such"} {
				looksWell(t, tab, s, "nobody", path)
			}
			name := apptest.NewName()
			apptest.SignUpIn(tab, s, name)
			apptest.SignIn(t, s, name) // a second device to list
			for _, path := range []string{"/", "/login", "/profile", "/devices", "/danger", "/again", "/no/such"} {
				looksWell(t, tab, s, "somebody", path)
			}
			long := strings.Repeat("W", 32)
			apptest.SignUpIn(tab, s, long)
			apptest.Fill(tab, [2]string{"bio", strings.Repeat("wide", 40)})
			tab.Until(`document.querySelector(".bio") && ` + apptest.Scripted)
			for _, path := range []string{"/", "/login", "/profile", "/devices", "/again?unsent=1"} {
				looksWell(t, tab, s, "long", path)
			}
			if slices.Contains(apptest.WithNotes, app) {
				looksWell(t, tab, s, "somebody", "/notes")
				for i, text := range []string{"Buy oil", strings.Repeat("wick", 50)} {
					apptest.Fill(tab, [2]string{"text", text})
					tab.Until(fmt.Sprintf(`document.querySelectorAll("#notes li").length === %d && `+apptest.Settled, i+1))
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

func looksWell(t *testing.T, tab *chrometest.Tab, s *apptest.Server, who, path string) {
	t.Helper()
	for _, width := range []int{320, 390, 1280} {
		for _, dark := range []bool{false, true} {
			if dark && width == 320 {
				continue // colours do not depend on the width
			}
			tab.Screen(width, 800, dark)
			tab.Open(s.URL + path)
			var wide int
			var out, tiny []string
			tab.Eval(`document.documentElement.scrollWidth`, &wide)
			if tab.Eval(overflowing, &out); wide > width || len(out) > 0 {
				t.Errorf("%s of %s at %d pixels is %d wide: %q sticks out", path, who, width, wide, out)
			}
			if tab.Eval(small, &tiny); width < 600 && len(tiny) > 0 {
				t.Errorf("%s of %s at %d pixels: too small for a finger: %q", path, who, width, tiny)
			}
			shoot(t, tab, fmt.Sprintf("%s-%s-%s-%d-dark=%t.png", s.App, who, strings.ReplaceAll(strings.Trim(path, "/"), "/", "_"), width, dark))
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
