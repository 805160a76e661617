//go:build unix

package testenv

import (
	"os"
	"syscall"
)

// Suspend stops the process (SIGSTOP) until Resume.
func (p *Process) Suspend() { p.signal(syscall.SIGSTOP) }

// Resume continues a suspended process (SIGCONT).
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("testenv: %v to process %d: %v", s, p.PID(), err)
	}
}
