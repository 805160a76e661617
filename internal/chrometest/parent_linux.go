package chrometest

import "syscall"

// dieWithParent has a process killed when the test's ends, however that ends.
// The kernel means the thread that started it: chromedp keeps a goroutine
// locked to that one for as long as the browser runs.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
