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
	"time"
)

// FileStore is a [TokenStore] in a file. The file has mode 0600, and FileStore creates its
// directory with mode 0700 if it does not exist. Save replaces the file atomically and never
// writes to it in place. The lock is an advisory lock of the operating system on a second file,
// whose name has the suffix ".lock" and which is not removed. The operating system releases the
// lock when the process ends, even if it crashes.
//
// On Unix both files must be regular files that belong to the effective user. FileStore refuses
// symbolic links, pipes and files of other users, so that other users cannot redirect it if the
// directory is writable by others. It does follow symbolic links in the path of the directory. On
// Windows it refuses links and files that are not regular. There the access control list of the
// directory decides who can read and replace the files; below os.UserConfigDir that is the user
// and administrators.
//
// Both files should be on a local disk. Many network file systems do not implement locks
// reliably.
type FileStore struct {
	path string
}

var _ TokenStore = (*FileStore)(nil)

// NewFileStore returns a FileStore at path. It does not access the file system. A good place is
// below os.UserConfigDir.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

const (
	fileMode = 0o600
	dirMode  = 0o700
	// maxFileBytes limits what Load reads. A saved session takes a few kilobytes.
	maxFileBytes = 1 << 20
)

// The pauses between attempts to take a lock that is held elsewhere. A lock is held for one
// exchange with the server.
const (
	lockRetryFirst = 2 * time.Millisecond
	lockRetryMost  = 50 * time.Millisecond
)

// errLocked is the error of tryLock if the lock is held elsewhere.
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

// waitLock polls, because a blocked system call cannot be cancelled.
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

// openOwn opens a file that belongs to the user. It does not follow a symbolic link at path, does
// not wait for the other end of a pipe, and refuses files that are not regular or belong to
// another user.
func openOwn(path string, flags int) (*os.File, error) {
	f, err := openNoFollow(path, flags)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%w: %s is not a regular file", ErrSavedSession, path)
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

// Load implements [TokenStore]. It refuses a file that other users can read or write: they may
// know the tokens, or may have put their own session there.
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
	os.Remove(s.path + tmpSuffix) // left behind if a run was killed in Save
	if data == nil {
		return removeFile(s.path)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), dirMode); err != nil {
		return err
	}
	return replaceFile(s.path, data)
}

// tmpSuffix ends the name of the temporary file. At most one exists, because Save is called with
// the lock held.
const tmpSuffix = ".tmp"

// removeFile removes the file. If the directory does not allow that, it empties the file, which
// Load treats as missing.
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

// replaceFile writes data to a temporary file beside path and renames it, so that a crash at any
// point leaves either the old file or the new one.
func replaceFile(path string, data []byte) (err error) {
	// O_EXCL does not follow a link and does not open a file that already exists.
	f, err := os.OpenFile(path+tmpSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
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
	// The new tokens must be on disk before the old ones are replaced.
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
