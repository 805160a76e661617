//go:build !linux

package main

import (
	"errors"
	"os"
)

// hideInput is for Linux only: elsewhere the password shows as it is typed, or
// comes from a pipe.
func hideInput(*os.File) (show func(), err error) { return nil, errors.ErrUnsupported }
