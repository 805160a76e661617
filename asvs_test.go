package lucia_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestASVSNamesTestsThatExist checks docs/asvs.md: each test that it names exists, each requirement
// occurs once, and each row names a test or a duty of the app.
func TestASVSNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, file := range tracked(t, "_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(read(t, file)), -1) {
			declared[m[1]] = true
		}
	}
	rows, seen := 0, map[string]bool{}
	for line := range strings.Lines(string(read(t, "docs/asvs.md"))) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		number := strings.TrimSpace(cells[0])
		if !regexp.MustCompile(`^\d+\.\d`).MatchString(number) {
			continue
		}
		rows++
		if len(cells) != 5 || seen[number] {
			t.Errorf("%s: %d cells, want 5 and each requirement once", number, len(cells))
			continue
		}
		seen[number] = true
		tests := regexp.MustCompile(`Test\w+`).FindAllString(cells[4], -1)
		if len(tests) == 0 && !strings.Contains(cells[3], "**App**") {
			t.Errorf("%s names neither a test nor a duty of the app", number)
		}
		for _, name := range tests {
			if !declared[name] {
				t.Errorf("%s: there is no test %s", number, name)
			}
		}
	}
	if want := 17 + 15 + 7 + 10; rows < want {
		t.Errorf("%d requirements, want at least %d", rows, want)
	}
}
