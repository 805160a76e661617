package lucia_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestParsersNamesEveryFuzzTarget checks that docs/parsers.md names each fuzz target once and no
// others, each in a row with the files of its package, which exist.
func TestParsersNamesEveryFuzzTarget(t *testing.T) {
	t.Parallel()
	packages := map[string]string{} // of the targets
	for _, file := range tracked(t, "_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`).FindAllStringSubmatch(string(read(t, file)), -1) {
			if other, twice := packages[m[1]]; twice {
				t.Errorf("%s is a target of %s and of %s", m[1], other, path.Dir(file))
			}
			packages[m[1]] = path.Dir(file)
		}
	}
	for line := range strings.Lines(string(read(t, "docs/parsers.md"))) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if len(cells) != 4 || !strings.Contains(cells[3], "`Fuzz") {
			continue
		}
		dir := ""
		for i, m := range regexp.MustCompile("`([\\w/]+(\\.go)?)`").FindAllStringSubmatch(cells[1], -1) {
			file := m[1]
			if i > 0 {
				file = path.Join(dir, file)
			}
			if dir = file; m[2] != "" {
				dir = path.Dir(file)
			}
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		}
		for _, target := range regexp.MustCompile(`Fuzz\w+`).FindAllString(cells[3], -1) {
			if packages[target] != dir {
				t.Errorf("%s is a target of %q, and its row is about %s", target, packages[target], dir)
			}
			delete(packages, target)
		}
	}
	for target, dir := range packages {
		t.Errorf("%s of %s is missing from docs/parsers.md, or named twice", target, dir)
	}
}
