//go:build !linux

package main

import (
	"errors"
	"os"
)

// hideInput works on Linux only. On other systems the password is visible while it is typed, or
// comes from a pipe.
func hideInput(*os.File) (show func(), err error) { return nil, errors.ErrUnsupported }
