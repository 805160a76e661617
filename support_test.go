package lucia_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestSupportNamesTheRequiredVersions checks that docs/support.md names the modules and versions
// that go.mod requires directly, and no others.
func TestSupportNamesTheRequiredVersions(t *testing.T) {
	t.Parallel()
	module := regexp.MustCompile(`[\w.-]+\.\w+/[\w./-]+ v\d+\.\d+\.\d+\b`)
	required := map[string]bool{}
	for line := range strings.Lines(string(read(t, "go.mod"))) {
		if m := module.FindString(line); m != "" && !strings.Contains(line, "// indirect") {
			required[m] = true
		}
	}
	if len(required) < 10 {
		t.Fatalf("go.mod requires only %v", required)
	}
	named := map[string]bool{}
	for _, m := range module.FindAllString(string(read(t, "docs/support.md")), -1) {
		named[m] = true
		if !required[m] {
			t.Errorf("docs/support.md names %s, which go.mod does not require directly", m)
		}
	}
	for m := range required {
		if !named[m] {
			t.Errorf("docs/support.md does not name %s", m)
		}
	}
}
