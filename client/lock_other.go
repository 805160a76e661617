//go:build !windows && (!unix || solaris || aix)

package client

import (
	"errors"
	"os"
)

// tryLock fails. Without a lock, two runs of a program would overwrite each other's tokens.
func tryLock(*os.File) error { return errors.ErrUnsupported }
