package lucia_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/lucia-go/lucia"
)

// TestProtocolListsTheCodes compares the table of codes in docs/protocol.md with the constants of
// package session and with the status of each.
func TestProtocolListsTheCodes(t *testing.T) {
	t.Parallel()
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (\\d+) \\| ").FindAllStringSubmatch(string(read(t, "docs/protocol.md")), -1) {
		documented[row[1]] = row[2]
	}
	constants := regexp.MustCompile(`(?m)^\tCode\w+ +Code = "(\w+)"$`).FindAllStringSubmatch(string(read(t, "session/code.go")), -1)
	if len(constants) < 10 {
		t.Fatalf("session/code.go has %d codes, want more", len(constants))
	}
	for _, c := range constants {
		if want := strconv.Itoa(lucia.Status(lucia.Code(c[1]))); documented[c[1]] != want {
			t.Errorf("docs/protocol.md: %s has status %q, want %s", c[1], documented[c[1]], want)
		}
		delete(documented, c[1])
	}
	for code := range documented {
		t.Errorf("docs/protocol.md lists %s, which is no code", code)
	}
}
