//go:build !unix

package client

import (
	"io/fs"
	"os"
)

// openNoFollow opens a file that is not a symbolic link. Without a flag for that on this system,
// it checks the name before and after it opens the file.
func openNoFollow(path string, flags int) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, linkError(path)
	}
	f, err := os.OpenFile(path, flags, fileMode)
	if err != nil {
		return nil, err
	}
	named, err := os.Lstat(path)
	var opened fs.FileInfo
	if err == nil {
		opened, err = f.Stat()
	}
	if err == nil && !os.SameFile(named, opened) {
		err = linkError(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// isOwn reports true. The access control list of the directory decides who can use a file.
func isOwn(fs.FileInfo) bool { return true }
