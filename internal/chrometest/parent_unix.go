//go:build unix && !linux

package chrometest

import "syscall"

// dieWithParent does nothing here: the browser ends when the pipe closes on
// which it gets its commands.
func dieWithParent(*syscall.SysProcAttr) {}
