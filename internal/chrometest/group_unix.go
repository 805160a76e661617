//go:build unix

package chrometest

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/lucia-go/lucia/internal/testenv"
)

// ownGroup makes a command start in a process group of its own, which its children join.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// chromedp keeps a goroutine locked to the thread that starts the browser. On systems without
	// this signal, the browser ends when its pipe is closed.
	testenv.DieWithParent(cmd.SysProcAttr)
}

// killGroup kills the group that a process leads. It first stops the group, because signals reach
// its processes one after the other.
func killGroup(leader *os.Process) error {
	if err := syscall.Kill(-leader.Pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return syscall.Kill(-leader.Pid, syscall.SIGKILL)
}
