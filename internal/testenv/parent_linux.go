package testenv

import "syscall"

// DieWithParent makes a process be killed when the test's process ends, even by a crash. The
// kernel watches the thread that started it, so a goroutine must stay locked to that thread while
// the process runs.
func DieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
