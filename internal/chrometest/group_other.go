//go:build !unix

package chrometest

import (
	"os"
	"os/exec"
)

// ownGroup does nothing here.
func ownGroup(*exec.Cmd) {}

// killGroup kills only the leader. The other processes end by themselves.
func killGroup(leader *os.Process) error { return leader.Kill() }
