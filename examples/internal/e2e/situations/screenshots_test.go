package situations_test

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// screenshots makes the test write the README's pictures.
var screenshots = flag.Bool("screenshots", false, "write the README's pictures and their text to docs/images")

// changing are the words of the page that differ from run to run: times, and counts of requests.
var changing = regexp.MustCompile(`\d+:\d\d:\d\d([\s\x{202f}][AP]M)?|\d+ min( \d+ s)?|\d+ s\b|\d+\s+in \d+ requests`)

// sameEachTime writes times into the page that do not depend on when the picture is taken.
const sameEachTime = `document.querySelector("[data-log] time").textContent = "9:00:00 AM";
	document.querySelector("[data-left]").textContent = "14 min 59 s"`

// TestScreenshots takes the pictures of the README: the profile page, light and dark. With the flag
// it writes them, and what the page says to profile.txt. Without the flag it checks that the page
// still says the same, so that a picture that is out of date fails the test.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	const width, height = 1080, 720
	images := filepath.Join("..", "..", "..", "..", "docs", "images")
	tab := chrometest.Start(t).Owner().Tab(t)
	apptest.SignUpIn(tab, apptest.Start(t, "nethttp"), "ada")
	tab.Screen(width, height, false)
	text := changing.ReplaceAllString(tab.Text(`document.body.innerText`), "…") + "\n"
	keep := func(name string, data []byte) (kept []byte) {
		t.Helper()
		file := filepath.Join(images, name)
		if *screenshots {
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	if kept := keep("profile.txt", []byte(text)); string(kept) != text {
		t.Errorf("the pictures in docs/images are out of date; make them anew with\n"+
			"go test ./examples/internal/e2e/situations -run TestScreenshots -screenshots\n"+
			"The page says:\n%s\nThe pictures say:\n%s", text, kept)
	}
	for name, dark := range map[string]bool{"profile-light.png": false, "profile-dark.png": true} {
		tab.Screen(width, height, dark)
		tab.Eval(sameEachTime, nil)
		picture := tab.Screenshot()
		for what, data := range map[string][]byte{"taken": picture, "kept": keep(name, picture)} {
			config, err := png.DecodeConfig(bytes.NewReader(data))
			if err != nil || config.Width != width || config.Height < height {
				t.Errorf("%s, %s: %d by %d pixels, %v; want %d by at least %d", name, what, config.Width, config.Height, err, width, height)
			}
		}
	}
}
