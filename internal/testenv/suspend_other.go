//go:build !unix

package testenv

// Suspend skips the test: this system cannot stop a process and let it go on.
func (p *Process) Suspend() {
	p.t.Helper()
	p.t.Skip("needs SIGSTOP")
}

// Resume does nothing here.
func (p *Process) Resume() {}
