//go:build !unix

package chrometest

import (
	"os"
	"os/exec"
)

// ownGroup does nothing here.
func ownGroup(*exec.Cmd) {}

// killGroup kills the leader alone; the others end when they notice.
func killGroup(leader *os.Process) error { return leader.Kill() }
