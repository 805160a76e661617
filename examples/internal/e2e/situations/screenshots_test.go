package situations_test

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// screenshots makes the test write the README's pictures.
var screenshots = flag.Bool("screenshots", false, "write the README's pictures to docs/images")

// TestScreenshots takes the pictures of the README: the profile page, light and dark. Without the
// flag it only checks that they can be taken and that the existing ones have the same size.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	const width, height = 1080, 720
	tab := chrometest.Start(t).Owner().Tab(t)
	apptest.SignUpIn(tab, apptest.Start(t, "nethttp"), "ada")
	for name, dark := range map[string]bool{"profile-light.png": false, "profile-dark.png": true} {
		tab.Screen(width, height, dark)
		picture := tab.Screenshot()
		file := filepath.Join("..", "..", "..", "..", "docs", "images", name)
		if *screenshots {
			if err := os.WriteFile(file, picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, data := range map[string][]byte{"taken": picture, "kept": kept} {
			config, err := png.DecodeConfig(bytes.NewReader(data))
			if err != nil || config.Width != width || config.Height < height {
				t.Errorf("%s, %s: %d by %d pixels, %v; want %d by at least %d", name, what, config.Width, config.Height, err, width, height)
			}
		}
	}
}
