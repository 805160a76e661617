package testenv

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a helper waits for a server before it fails the test. It only ends a test
// that hangs: a busy machine may be slow, and Sentinels do nothing for half a minute after the
// machine has stood still.
const patience = 3 * time.Minute

// Process is a program that a test has started. It is killed when the test ends and, on Linux,
// when the test is killed by a panic or a timeout.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	dead chan struct{} // closed when the process has been waited for
	gone chan struct{} // closed when the last process that holds its output has ended

	mu  sync.Mutex
	log []string
}

// start starts a program and waits until it prints a line that contains ready. It reports false
// if the program ended before that.
func start(t testing.TB, dir, ready, path string, args ...string) (*Process, bool) {
	t.Helper()
	return startWith(t, new(syscall.SysProcAttr), dir, ready, path, args...)
}

// startWith is start with attributes of the process, to which it adds its own.
func startWith(t testing.TB, attr *syscall.SysProcAttr, dir, ready, path string, args ...string) (*Process, bool) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, cmd: exec.Command(path, args...), dead: make(chan struct{}), gone: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, in, in
	p.cmd.SysProcAttr = attr
	DieWithParent(p.cmd.SysProcAttr)
	err = p.run()
	in.Close()
	if err != nil {
		out.Close()
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(p.Kill)
	isReady := make(chan struct{})
	go p.read(out, ready, isReady)
	select {
	case <-isReady:
		return p, true
	case <-p.dead:
		return p, false
	case <-time.After(patience):
		t.Fatalf("testenv: %s was not ready after %v:\n%s", path, patience, p.Log())
	}
	return nil, false
}

// run starts the program on a thread that stays until it has ended.
func (p *Process) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // the error only reports that it was killed
			close(p.dead)
		}
	}()
	return <-started
}

// read keeps the last lines of the program's output and closes isReady at the first line that
// contains ready. The output ends when the last process that holds it ends.
func (p *Process) read(out io.ReadCloser, ready string, isReady chan<- struct{}) {
	defer close(p.gone)
	defer out.Close()
	const lines = 50
	for s := bufio.NewScanner(out); s.Scan(); {
		p.mu.Lock()
		if len(p.log) == lines {
			p.log = p.log[1:]
		}
		p.log = append(p.log, s.Text())
		p.mu.Unlock()
		if isReady != nil && strings.Contains(s.Text(), ready) {
			close(isReady)
			isReady = nil
		}
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns the last lines that the program printed.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// Kill ends the process at once (SIGKILL). It returns when the process and those that it started
// have ended. The child processes of PostgreSQL end by themselves and may answer until then. Kill
// may be called again.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.dead
	<-p.gone
}
