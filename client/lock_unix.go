//go:build unix && !solaris && !aix

package client

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes an exclusive lock on f. The lock belongs to the open file, so it also excludes
// other opens in the same process.
func tryLock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errLocked
		default:
			return err
		}
	}
}
