package browser_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/browser"
)

// The limits of the module's size, in bytes.
const (
	maxServed   = 12 << 10 // gzipped as served, including comments, which are more than half
	maxMinified = 4 << 10  // minified and gzipped, as in a bundle
)

func gzipped(t *testing.T, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

func TestSizeAsServed(t *testing.T) {
	t.Parallel()
	for _, m := range []browser.Module{browser.Client(), browser.Auto()} {
		n := gzipped(t, m.Body)
		t.Logf("%s: %d bytes, %d gzipped", m.Name, len(m.Body), n)
		if n > maxServed {
			t.Errorf("%s has %d bytes gzipped, want at most %d", m.Name, n, maxServed)
		}
	}
}

func TestSizeMinified(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(tool(t, "esbuild"), "--minify", "--format=esm", "--target=es2022")
	cmd.Stdin = bytes.NewReader(browser.Client().Body)
	minified, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	n := gzipped(t, minified)
	t.Logf("client.js: %d bytes minified, %d gzipped", len(minified), n)
	if n > maxMinified {
		t.Errorf("client.js has %d bytes minified and gzipped, want at most %d", n, maxMinified)
	}
}

// tool returns the path of a program that check.sh installs. The output of these programs is not
// served.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("testdata/tools/node_modules/.bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if strings.Contains(","+os.Getenv("LUCIA_TEST_REQUIRE")+",", ","+name+",") {
		t.Fatalf("%s is required but not installed; internal/browser/check.sh installs it", name)
	}
	t.Skipf("%s is not installed; internal/browser/check.sh installs it", name)
	return ""
}
