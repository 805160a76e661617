//go:build unix

package client

import (
	"io/fs"
	"os"
	"syscall"
)

// openNoFollow opens a file that is not a symbolic link. It does not wait for the other end of a
// pipe.
func openNoFollow(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, fileMode)
	if err == nil {
		return f, nil
	}
	if info, statErr := os.Lstat(path); statErr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, linkError(path)
	}
	return nil, err
}

// isOwn reports whether a file belongs to the effective user.
func isOwn(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
