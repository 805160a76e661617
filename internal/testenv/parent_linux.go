package testenv

import "syscall"

// DieWithParent has a process killed when the test's ends, however that ends.
// The kernel means the thread that started it, so a goroutine has to stay locked
// to that for as long as the process runs.
func DieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
