//go:build unix

package client_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lucia-go/lucia/client"
)

// In a directory that others can write to, they may replace the store's files by other things.
func TestFileStoreFollowsNoLinksAndOpensNoPipes(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path, elsewhere string) error{
		"link":          func(path, elsewhere string) error { return os.Symlink(elsewhere, path) },
		"dangling link": func(path, elsewhere string) error { return os.Symlink(elsewhere+".none", path) },
		"pipe":          func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"directory":     func(path, _ string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, elsewhere := filepath.Join(dir, "session.json"), filepath.Join(dir, "elsewhere")
			if err := errors.Join(os.WriteFile(elsewhere, []byte("theirs"), 0o600), put(path, elsewhere), put(path+".lock", elsewhere)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s := client.NewFileStore(path)
			if data, err := s.Load(ctx); err == nil || data != nil {
				t.Errorf("Load: %q, %v; want an error", data, err)
			}
			if _, err := s.Lock(ctx); err == nil || ctx.Err() != nil {
				t.Errorf("Lock: %v, want an error at once", err)
			}
			if data, err := os.ReadFile(elsewhere); string(data) != "theirs" {
				t.Errorf("the file elsewhere: %q, %v", data, err)
			}
			if _, err := os.Stat(elsewhere + ".none"); err == nil {
				t.Error("Save created a file elsewhere")
			}
		})
	}
}

// If a file cannot be removed, FileStore truncates it. It does not truncate the target of a link.
func TestFileStoreDoesNotTruncateTheTargetOfALink(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may remove files from every directory")
	}
	dir := t.TempDir()
	closed, elsewhere := filepath.Join(dir, "closed"), filepath.Join(dir, "elsewhere")
	path := filepath.Join(closed, "session.json")
	if err := errors.Join(os.WriteFile(elsewhere, []byte("theirs"), 0o600), os.Mkdir(closed, 0o700),
		os.Symlink(elsewhere, path), os.Chmod(closed, 0o500)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(closed, 0o700) })
	if err := client.NewFileStore(path).Save(t.Context(), nil); err == nil {
		t.Error("Save: no error")
	}
	if data, err := os.ReadFile(elsewhere); string(data) != "theirs" {
		t.Errorf("the file elsewhere: %q, %v", data, err)
	}
}

func TestFileStoreRefusesAnotherUsersFiles(t *testing.T) {
	t.Parallel()
	other := os.Geteuid() + 1
	path := filepath.Join(t.TempDir(), "session.json")
	for _, name := range []string{path, path + ".lock"} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(name, other, -1); err != nil {
			t.Skipf("only root gives files away: %v", err)
		}
	}
	s := client.NewFileStore(path)
	if data, err := s.Load(t.Context()); !errors.Is(err, client.ErrSavedSession) {
		t.Errorf("Load: %q, %v; want ErrSavedSession", data, err)
	}
	if _, err := s.Lock(t.Context()); !errors.Is(err, client.ErrSavedSession) {
		t.Errorf("Lock: %v, want ErrSavedSession", err)
	}
}
