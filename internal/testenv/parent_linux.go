package testenv

import "syscall"

// DieWithParent makes the system kill a process when the test's process ends, even by a crash. The
// kernel watches the thread that started the process, so a goroutine must stay locked to that
// thread while the process runs.
func DieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
