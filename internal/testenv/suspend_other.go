//go:build !unix

package testenv

// Suspend skips the test, because this system cannot suspend a process.
func (p *Process) Suspend() {
	p.t.Helper()
	p.t.Skip("needs SIGSTOP")
}

// Resume does nothing on this system.
func (p *Process) Resume() {}
