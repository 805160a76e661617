// Package testenv starts the programs that tests need: Redis servers on loopback, alone, as a
// cluster and under Sentinel; PostgreSQL servers; a TCP proxy that simulates failures. It also
// finds a browser and installs npm packages. The programs keep their data in temporary directories
// and stop at the end of the test, by process id.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// RequireVariable is the environment variable that lists, separated by commas, the programs whose
// absence fails a test instead of skipping it. The names are those of [Require].
const RequireVariable = "LUCIA_TEST_REQUIRE"

// programs are the names that a program may be installed by. A name with a slash is a pattern of
// paths, because Debian does not put PostgreSQL's servers into PATH.
var programs = map[string][]string{
	"redis":      {"redis-server"},
	"postgresql": {"postgres", "/usr/lib/postgresql/*/bin/postgres"},
	"chromium":   {"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"},
	"node":       {"node", "nodejs"},
	"npm":        {"npm"},
}

// Require returns the path of a program: "redis", "postgresql", "chromium", "node" or "npm". If it
// is not installed, the test ends as [Missing] describes.
func Require(t testing.TB, name string) string {
	t.Helper()
	candidates, ok := programs[name]
	if !ok {
		t.Fatalf("testenv: no program is called %q", name)
	}
	for _, c := range candidates {
		if strings.Contains(c, "/") {
			if paths, _ := filepath.Glob(c); len(paths) > 0 { // the patterns are valid
				return paths[len(paths)-1]
			}
		} else if path, err := exec.LookPath(c); err == nil {
			return path
		}
	}
	Missing(t, name, "no "+strings.Join(candidates, " or ")+" is installed")
	return ""
}

// Missing ends a test that lacks something of the program with this name. It fails the test if
// [RequireVariable] lists the name, and skips it otherwise. why is part of the message.
func Missing(t testing.TB, name, why string) {
	t.Helper()
	required := strings.Split(os.Getenv(RequireVariable), ",")
	if slices.ContainsFunc(required, func(r string) bool { return strings.TrimSpace(r) == name }) {
		t.Fatalf("testenv: %s requires %s, but %s", RequireVariable, name, why)
	}
	t.Skipf("%s; list %s in %s to make this a failure", why, name, RequireVariable)
}
