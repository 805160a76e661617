//go:build !unix

package testenv

import "syscall"

// asUnprivileged changes nothing here.
func asUnprivileged() *syscall.SysProcAttr { return new(syscall.SysProcAttr) }

// own changes nothing here.
func own(string) error { return nil }
