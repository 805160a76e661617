package testenv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/lucia-go/lucia/internal/testenv"
)

// verdict is a test that records how it ended.
type verdict struct {
	testing.TB
	how string
}

func (v *verdict) Helper() {}

func (v *verdict) Skipf(format string, args ...any) { v.end("skipped", format, args) }

func (v *verdict) Fatalf(format string, args ...any) { v.end("failed", format, args) }

func (v *verdict) end(how, format string, args []any) {
	v.how = how
	v.TB.Logf("%s: %s", how, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// TestRequire changes the environment, so it is not parallel.
func TestRequire(t *testing.T) {
	installed := t.TempDir()
	if err := os.WriteFile(filepath.Join(installed, "redis-server"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, required, program, want string }{
		{"installed", installed, "", "redis", "found"},
		{"installed and required", installed, "redis", "redis", "found"},
		{"missing", t.TempDir(), "", "redis", "skipped"},
		{"missing, another one required", t.TempDir(), "node,chromium", "redis", "skipped"},
		{"missing and required", t.TempDir(), "node, redis", "redis", "failed"},
		{"unknown", installed, "", "postgres", "failed"},
	}
	for _, tt := range tests {
		t.Setenv("PATH", tt.path)
		t.Setenv(testenv.RequireVariable, tt.required)
		how := verdictOf(t, func(v *verdict) {
			if path := testenv.Require(v, tt.program); filepath.Dir(path) == tt.path {
				v.how = "found"
			}
		})
		if how != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, how, tt.want)
		}
	}
}

// TestInstallPackages changes the environment, so it is not parallel. There is no npm, or one that
// fails.
func TestInstallPackages(t *testing.T) {
	none, failing := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(failing, "npm"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, required, version, want string }{
		{"installed", none, "npm", "1.2.3", "installed"},
		{"another version", none, "", "1.2.2", "skipped"},
		{"another version, npm required", none, "npm", "1.2.2", "failed"},
		{"not installed", none, "", "", "skipped"},
		{"npm fails", failing, "", "", "skipped"},
		{"npm fails, and is required", failing, "npm", "", "failed"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		files := map[string]string{
			"package-lock.json": `{"packages":{"":{},"node_modules/@a/b":{"version":"1.2.3"}}}`,
		}
		if tt.version != "" {
			files["node_modules/@a/b/package.json"] = `{"version":"` + tt.version + `"}`
		}
		for name, content := range files {
			file := filepath.Join(dir, name)
			err := os.MkdirAll(filepath.Dir(file), 0o700)
			if err == nil {
				err = os.WriteFile(file, []byte(content), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", tt.path)
		t.Setenv(testenv.RequireVariable, tt.required)
		how := verdictOf(t, func(v *verdict) {
			testenv.InstallPackages(v, dir)
			v.how = "installed"
		})
		if how != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, how, tt.want)
		}
	}
}

// verdictOf returns how a test ends.
func verdictOf(t *testing.T, test func(*verdict)) string {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(v)
	}()
	<-done
	return v.how
}
