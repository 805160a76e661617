//go:build unix

package chrometest

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup has a command start in a process group of its own, which its
// children join.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
}

// killGroup kills the group that a process leads. The group is stopped first:
// signals reach its processes one after the other.
func killGroup(leader *os.Process) error {
	if err := syscall.Kill(-leader.Pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return syscall.Kill(-leader.Pid, syscall.SIGKILL)
}
