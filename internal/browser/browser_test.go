package browser_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/browser"
)

func TestModulesDescribeTheirBody(t *testing.T) {
	t.Parallel()
	for what, m := range map[string]browser.Module{
		"client.js": browser.Client(), "auto.js": browser.Auto(), "client.js, the entry": browser.Entry(),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if name, _, _ := strings.Cut(what, ","); m.Name != name {
				t.Errorf("Name = %q", m.Name)
			}
			if len(m.Body) == 0 {
				t.Error("Body is empty")
			}
			if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(m.Version) {
				t.Errorf("Version = %q, want a value that needs no escaping in a URL", m.Version)
			}
			if m.ETag != `"`+m.Version+`"` {
				t.Errorf("ETag = %s, want a strong tag of the version", m.ETag)
			}
			sum := sha512.Sum384(m.Body)
			if want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); m.SRI != want {
				t.Errorf("SRI = %s, want %s", m.SRI, want)
			}
		})
	}
}

func TestModulesDiffer(t *testing.T) {
	t.Parallel()
	client, auto, entry := browser.Client(), browser.Auto(), browser.Entry()
	if client.Version == auto.Version || client.SRI == auto.SRI || entry.Version == client.Version {
		t.Error("two files have one version")
	}
}

// The file that auto.js imports never changes under its URL, so both files may be cached
// indefinitely. The entry exports the same module, so a page has one instance of it.
func TestOneURLHasTheClient(t *testing.T) {
	t.Parallel()
	auto, entry := string(browser.Auto().Body), string(browser.Entry().Body)
	want := `from "./client.js?v=` + browser.Client().Version + `";`
	for _, body := range []string{auto, entry} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(auto, "lucia.js") {
		t.Errorf("auto.js names a file that is not served:\n%s", auto)
	}
	if !strings.Contains(auto, "\nhandleSilentRefresh();\n") {
		t.Errorf("auto.js does not start silent refresh:\n%s", auto)
	}
}

// A strict policy and Trusted Types forbid text that becomes code or markup. The tests in Chromium
// show that the module works with them. This test finds a use on a path that those tests do not
// reach.
func TestClientMakesNoCodeOrMarkupFromText(t *testing.T) {
	t.Parallel()
	body := browser.Client().Body
	for _, sink := range []string{"eval(", "Function(", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "setAttribute(", "createElement("} {
		if bytes.Contains(body, []byte(sink)) {
			t.Errorf("lucia.js uses %s", sink)
		}
	}
}
