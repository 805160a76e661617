package client_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia/client"
)

func TestFileStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "directory", "session.json")
	s := client.NewFileStore(path)
	ctx := t.Context()
	check := func(want string) {
		t.Helper()
		got, err := s.Load(ctx)
		if err != nil || string(got) != want || (got == nil) != (want == "") {
			t.Errorf("Load: %q, %v; want %q", got, err, want)
		}
	}
	check("")
	if err := s.Save(ctx, nil); err != nil {
		t.Errorf("removing nothing: %v", err)
	}
	for _, data := range []string{"one", "a longer two", "3"} {
		if err := s.Save(ctx, []byte(data)); err != nil {
			t.Fatal(err)
		}
		check(data)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, want)
			}
		}
	}
	if err := s.Save(ctx, nil); err != nil {
		t.Fatal(err)
	}
	check("")
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFileStoreRefusesFilesReadableByOthers(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no mode bits")
	}
	path := filepath.Join(t.TempDir(), "session.json")
	for _, mode := range []os.FileMode{0o644, 0o640, 0o606, 0o620, 0o700} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if got, err := client.NewFileStore(path).Load(t.Context()); !errors.Is(err, client.ErrSavedSession) {
			t.Errorf("mode %v: Load = %q, %v, want an error", mode, got, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := client.NewFileStore(path).Load(t.Context()); err != nil {
		t.Errorf("Load of a file with a stricter mode: %v", err)
	}
}

// A reader without the lock sees either the old data or the new data.
func TestFileStoreSavesAtomically(t *testing.T) {
	t.Parallel()
	s := client.NewFileStore(filepath.Join(t.TempDir(), "session.json"))
	small, large := bytes.Repeat([]byte("a"), 10), bytes.Repeat([]byte("b"), 50_000)
	if err := s.Save(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range 200 {
			if err := s.Save(t.Context(), [][]byte{large, small}[i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	for {
		select {
		case <-done:
			wg.Wait()
			return
		default:
		}
		got, err := s.Load(t.Context())
		if err != nil || !bytes.Equal(got, small) && !bytes.Equal(got, large) {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
	}
}

func TestFileStoreReportsWriteErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := client.NewFileStore(filepath.Join(file, "session.json")) // its directory is a file
	if err := s.Save(t.Context(), []byte("x")); err == nil {
		t.Error("Save: no error")
	}
	if _, err := s.Lock(t.Context()); err == nil {
		t.Error("Lock: no error")
	}
}

func TestFileStoreLockEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session.json")
	a, b := client.NewFileStore(path), client.NewFileStore(path)
	unlock, err := a.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while locked: %v", err)
	}
	unlock()
	unlock, err = b.Lock(t.Context())
	if err != nil {
		t.Fatalf("when free: %v", err)
	}
	unlock()
}

const (
	counterEnv = "LUCIA_TEST_COUNTER"
	rounds     = 50
)

// TestFileStoreLocksBetweenProcesses starts itself several times. Each process increments a
// number in the file, which loses increments if the lock does not work.
func TestFileStoreLocksBetweenProcesses(t *testing.T) {
	if path := os.Getenv(counterEnv); path != "" {
		increment(t, client.NewFileStore(path))
		return
	}
	t.Parallel()
	const processes = 4
	path := filepath.Join(t.TempDir(), "counter")
	var wg sync.WaitGroup
	for range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFileStoreLocksBetweenProcesses$")
		cmd.Env = append(os.Environ(), counterEnv+"="+path)
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	data, err := client.NewFileStore(path).Load(t.Context())
	if got := strings.TrimSpace(string(data)); err != nil || got != strconv.Itoa(processes*rounds) {
		t.Errorf("counted %s, %v; want %d", got, err, processes*rounds)
	}
}

func increment(t *testing.T, s *client.FileStore) {
	for range rounds {
		unlock, err := s.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(string(data)) // an empty file counts as 0
		if err := s.Save(t.Context(), []byte(strconv.Itoa(n+1))); err != nil {
			t.Fatal(err)
		}
		unlock()
	}
}

// In a directory that has become read-only, a file cannot be saved or removed, but it can be
// truncated.
func TestFileStoreTruncatesAFileItCannotRemove(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("this user may write to read-only directories")
	}
	dir := t.TempDir()
	s := client.NewFileStore(filepath.Join(dir, "session.json"))
	if err := s.Save(t.Context(), []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if err := s.Save(t.Context(), []byte("new")); err == nil {
		t.Error("Save in a read-only directory: no error")
	}
	if err := s.Save(t.Context(), nil); err != nil {
		t.Errorf("removing: %v", err)
	}
	if got, err := s.Load(t.Context()); got != nil || err != nil {
		t.Errorf("Load: %q, %v; want nothing", got, err)
	}
}

func TestFileStoreRefusesTooLargeFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session.json")
	for size, ok := range map[int]bool{1 << 20: true, 1<<20 + 1: false} {
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := client.NewFileStore(path).Load(t.Context())
		if ok && (err != nil || len(got) != size) || !ok && !errors.Is(err, client.ErrSavedSession) {
			t.Errorf("%d bytes: loaded %d, %v", size, len(got), err)
		}
	}
}

// A run that was killed in Save leaves a temporary file with tokens.
func TestFileStoreRemovesTheTemporaryFileOfAKilledRun(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{"saving": []byte("x"), "removing": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "session.json")
			if err := os.WriteFile(path+".tmp", []byte("older and longer"), 0o600); err != nil {
				t.Fatal(err)
			}
			store := client.NewFileStore(path)
			if err := store.Save(t.Context(), data); err != nil {
				t.Fatal(err)
			}
			if saved, err := store.Load(t.Context()); err != nil || string(saved) != string(data) {
				t.Errorf("Load = %q, %v, want %q", saved, err, data)
			}
			if _, err := os.Lstat(path + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary file of the killed run remains: %v", err)
			}
		})
	}
}
