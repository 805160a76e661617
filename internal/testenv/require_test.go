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
		v := &verdict{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if path := testenv.Require(v, tt.program); filepath.Dir(path) == tt.path {
				v.how = "found"
			}
		}()
		<-done
		if v.how != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, v.how, tt.want)
		}
	}
}
