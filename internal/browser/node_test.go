package browser_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
)

// TestNode runs the module's tests in node: the answers in the golden files
// (internal/wire/testdata), the store contract, and silent refresh with a clock that the test sets.
func TestNode(t *testing.T) {
	t.Parallel()
	node := testenv.Require(t, "node")
	files, err := filepath.Glob("testdata/node/*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests found: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, node, "--test", file).CombinedOutput()
			if err != nil {
				t.Fatalf("node --test %s: %v\n%s", file, err, out)
			}
		})
	}
}
