//go:build !unix

package testenv

import "syscall"

// asUnprivileged changes nothing on this system.
func asUnprivileged() *syscall.SysProcAttr { return new(syscall.SysProcAttr) }

// own changes nothing on this system.
func own(string) error { return nil }
