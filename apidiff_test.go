package lucia_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIncompatibleChangesAreFound runs .ci/apidiff in a small repository with a release and a
// change after it.
func TestIncompatibleChangesAreFound(t *testing.T) {
	t.Parallel()
	const (
		before = "package session\n\n// Find finds.\nfunc Find(name string) bool { return name != \"\" }\n"
		also   = before + "\n// Lose loses.\nfunc Lose(name string) {}\n"
		after  = "package session\n\n// Find finds.\nfunc Find(name []byte) bool { return len(name) > 0 }\n"
		quiet  = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0]\n\n### Breaking\n"
		loud   = "# Changelog\n\n## [Unreleased]\n\n### Breaking\n\n- Find takes bytes.\n"
	)
	for _, tt := range []struct {
		name, tag string
		change    map[string]string
		ok        bool
		says      string
	}{
		{"no release", "", map[string]string{"session/session.go": after}, true, "no tag"},
		{"nothing changed", "v0.1.0", nil, true, "is compatible with v0.1.0"},
		{"compatible", "v0.1.0", map[string]string{"session/session.go": also}, true, "is compatible"},
		{"incompatible", "v0.1.0", map[string]string{"session/session.go": after}, false, "session.Find"},
		{"incompatible and announced", "v0.1.0", map[string]string{"session/session.go": after, "CHANGELOG.md": loud}, true, "session.Find"},
		{"incompatible after 1.0", "v1.0.0", map[string]string{"session/session.go": after, "CHANGELOG.md": loud}, false, "session.Find"},
		{"of a program", "v0.1.0", map[string]string{"examples/kit/kit.go": strings.ReplaceAll(after, "package session", "package kit")}, true, "is compatible"},
		{"in another module", "v0.1.0", map[string]string{"otellucia/otel.go": strings.ReplaceAll(after, "package session", "package otellucia")}, false, "Find"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{
				"go.mod":              "module github.com/lucia-go/lucia\n\ngo 1.26\n",
				"session/session.go":  before,
				"examples/kit/kit.go": strings.ReplaceAll(before, "package session", "package kit"),
				"otellucia/go.mod":    "module github.com/lucia-go/lucia/otellucia\n\ngo 1.26\n",
				"otellucia/otel.go":   strings.ReplaceAll(before, "package session", "package otellucia"),
				"CHANGELOG.md":        quiet,
				".ci/apidiff":         string(read(t, ".ci/apidiff")),
			}
			writeFiles(t, dir, files)
			git(t, dir, "init", "-q")
			git(t, dir, "add", ".")
			git(t, dir, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "Release")
			if tt.tag != "" {
				git(t, dir, "tag", tt.tag)
			}
			writeFiles(t, dir, tt.change)

			cmd := exec.CommandContext(t.Context(), "bash", ".ci/apidiff")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOWORK=off")
			out, err := cmd.CombinedOutput()
			if text := string(out); strings.Contains(text, "golang.org/x/exp") && strings.Contains(text, "dial tcp") {
				t.Skipf("apidiff cannot be downloaded:\n%s", text)
			}
			if (err == nil) != tt.ok || !strings.Contains(string(out), tt.says) {
				t.Errorf("%v, want success %v and %q:\n%s", err, tt.ok, tt.says, out)
			}
		})
	}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}
