package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// FileStore is a [TokenStore] in a file that only its owner may read (mode
// 0600, in a directory made with 0700 where there is none). The file is replaced at
// once, never written in place. The lock is an advisory lock of the operating system
// on a second file of the same name with ".lock" added, which stays; it ends with the
// process, however that ends.
//
// On Unix both must be regular files that belong to the effective user: symbolic
// links, pipes and other users' files are refused, so that a directory in which others
// may write leads nowhere else. (Links on the way to the directory are followed.)
// Windows refuses links and what is no regular file as well; who may read and replace
// the files is for the directory's access list to say there, which below
// os.UserConfigDir admits the user and administrators.
//
// Both files belong on a local disk: locks over network file systems are as
// good as the file system's word.
type FileStore struct {
	path string
}

var _ TokenStore = (*FileStore)(nil)

// NewFileStore returns a FileStore at path. It touches nothing yet. A good place
// is below os.UserConfigDir.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

const (
	fileMode = 0o600
	dirMode  = 0o700
	// maxFileBytes bounds what Load reads: a saved session is a few kilobytes.
	maxFileBytes = 1 << 20
)

// How often a lock that somebody else holds is tried again. It is held for one
// exchange with the server.
const (
	lockRetryFirst = 2 * time.Millisecond
	lockRetryMost  = 50 * time.Millisecond
)

// errLocked is what tryLock returns where somebody else holds the lock.
var errLocked = errors.New("locked")

// Lock implements [TokenStore].
func (s *FileStore) Lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(s.path), dirMode); err != nil {
		return nil, err
	}
	f, err := openOwn(s.path+".lock", os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := waitLock(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	// Closing the file releases the lock.
	return func() { f.Close() }, nil
}

// waitLock polls, because a blocked system call could not be called off.
func waitLock(ctx context.Context, f *os.File) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for wait := lockRetryFirst; ; wait = min(2*wait, lockRetryMost) {
		err := tryLock(f)
		if !errors.Is(err, errLocked) {
			return err
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is locked by another process: %w", f.Name(), ctx.Err())
		case <-timer.C:
		}
	}
}

// openOwn opens a file of the user's own. It follows no symbolic link to it, waits
// for no other end of a pipe, and refuses what is no regular file or another user's.
func openOwn(path string, flags int) (*os.File, error) {
	f, err := openNoFollow(path, flags)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%w: %s is no regular file", ErrSavedSession, path)
	case !isOwn(info):
		err = fmt.Errorf("%w: %s belongs to another user", ErrSavedSession, path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func linkError(path string) error {
	return fmt.Errorf("%w: %s is a symbolic link", ErrSavedSession, path)
}

// Load implements [TokenStore]. It refuses a file that others than its owner
// may read or write: what it holds may have been read, or be somebody else's.
func (s *FileStore) Load(context.Context) ([]byte, error) {
	f, err := openOwn(s.path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&^fileMode != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o, want %04o: other users could read it", ErrSavedSession, s.path, mode, fileMode)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrSavedSession, s.path, info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, nil
	}
	return data, nil
}

// Save implements [TokenStore].
func (s *FileStore) Save(_ context.Context, data []byte) error {
	if data == nil {
		return removeFile(s.path)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), dirMode); err != nil {
		return err
	}
	s.sweep()
	return replaceFile(s.path, data)
}

// tmpSuffix ends the names of files that are not in place yet.
const tmpSuffix = ".tmp"

// orphanAge is when such a file has been left behind: writing one takes a moment.
const orphanAge = time.Hour

// sweep removes what runs left behind that were killed while they saved: it holds
// tokens. Where that fails, saving goes on.
func (s *FileStore) sweep() {
	dir, base := filepath.Split(s.path)
	entries, _ := os.ReadDir(filepath.Dir(s.path))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base+".") || !strings.HasSuffix(e.Name(), tmpSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > orphanAge {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// removeFile removes the file. Where the directory does not allow it, the file is
// emptied, which Load takes for no file.
func removeFile(path string) error {
	err := os.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f, openErr := openOwn(path, os.O_WRONLY)
	if openErr != nil {
		return err
	}
	defer f.Close()
	if f.Truncate(0) == nil {
		return nil
	}
	return err
}

// replaceFile writes data beside path and renames it there, so that a crash at
// any point leaves the old file or the new one.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+tmpSuffix) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	// The new tokens must be on disk before the old ones are gone.
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
