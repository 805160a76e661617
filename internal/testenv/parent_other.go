//go:build !linux

package testenv

import "syscall"

// DieWithParent does nothing on this system. A program continues after its test is killed.
func DieWithParent(*syscall.SysProcAttr) {}
