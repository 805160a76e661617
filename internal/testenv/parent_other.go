//go:build !linux

package testenv

import "syscall"

// DieWithParent does nothing on this system: a program continues after a test is killed.
func DieWithParent(*syscall.SysProcAttr) {}
