package demo_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/demo"
)

// TestKeptSecret starts two processes on one database, and one each with a secret that others can
// read and with one that is a link.
func TestKeptSecret(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes differ on this system")
	}
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.db")
	secret := func() (string, error) {
		o, err := demo.ParseFlags("test", []string{"-db", file}, io.Discard)
		return string(o.Secret), err
	}
	first, err := secret()
	if again, err2 := secret(); first == "" || again != first || err != nil || err2 != nil {
		t.Errorf("secrets differ, or %v, %v", err, err2)
	}
	if err := os.Chmod(file+".secret", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secret(); err == nil {
		t.Error("a secret that everyone can read is used")
	}
	if err := os.Rename(file+".secret", file+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file+".moved", file+".secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := secret(); err == nil {
		t.Error("a link is followed")
	}
}
