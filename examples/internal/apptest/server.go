// Package apptest starts the examples as processes and has what their tests over HTTP and in
// Chromium share.
package apptest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/testenv"
)

// Apps are the examples, by folder.
var Apps = []string{"nethttp", "gin", "echo", "echov5"}

// WithNotes are the examples that have notes.
var WithNotes = []string{"echo", "echov5"}

// binaries is the directory with the built examples.
var binaries string

// Main builds all examples, as an app's author would, and runs the tests of a package.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "lucia-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer os.RemoveAll(dir)
	args := []string{"build", "-o", dir}
	for _, app := range Apps {
		args = append(args, "github.com/lucia-go/lucia/examples/"+app)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	binaries = dir
	chrometest.Main(m)
}

// Secret is the secret of all servers that share sessions.
const Secret = "a secret of the end-to-end tests, known to all"

// Server is a running example.
type Server struct {
	URL  string
	t    testing.TB
	App  string // its folder
	args []string
	cmd  *exec.Cmd
	dead chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// patience is how long a helper waits for a server before it fails the test. It only ends a test
// that hangs.
const patience = 3 * time.Minute

// Start starts an example on a free port. The example ends with the test, and fails the test if it
// has logged a panic or an answer 500. Its calls of stores do not fail because the machine is busy.
func Start(t testing.TB, app string, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, App: app, args: append([]string{"-timeout", patience.String()}, args...)}
	s.until(func() bool { return s.start(testenv.FreeAddr(t)) })
	t.Cleanup(func() {
		s.Kill()
		if log := s.Logged(); strings.Contains(log, "panic") || strings.Contains(log, "status=500") || strings.Contains(log, "cannot render") {
			t.Errorf("%s logged:\n%s", app, log)
		}
	})
	return s
}

var printedPassword = regexp.MustCompile(`The password of root is (\S+)`)

// StartWithAdmin is Start for an example with the administrator root, whose password it returns.
func StartWithAdmin(t *testing.T, app string, args ...string) (s *Server, password string) {
	t.Helper()
	s = Start(t, app, append(args, "-admin", "root")...)
	Poll(t, func() bool { return printedPassword.MatchString(s.Logged()) })
	return s, printedPassword.FindStringSubmatch(s.Logged())[1]
}

var announced = regexp.MustCompile(`https?://\S+`)

// until repeats start while another process has the port.
func (s *Server) until(start func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !start(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s finds its port taken\n%s", s.App, s.Logged())
		}
	}
}

// start starts the process and waits until it prints its URL. It reports false if another process
// has the port.
func (s *Server) start(addr string) (ok bool) {
	s.t.Helper()
	s.cmd = exec.Command(filepath.Join(binaries, s.App), append([]string{"-addr", addr}, s.args...)...)
	s.cmd.Stderr = s
	stdout, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	dead := make(chan struct{})
	s.dead = dead
	lines := make(chan string, 1)
	go func(cmd *exec.Cmd) {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		lines <- line
		io.Copy(io.Discard, stdout)
		cmd.Wait() // usually it was killed
		close(dead)
	}(s.cmd)
	select {
	case line := <-lines:
		at := announced.FindString(line)
		if at == "" {
			s.Kill()
			if strings.Contains(s.Logged(), "address already in use") {
				return false
			}
		}
		if at == "" || s.URL != "" && at != s.URL {
			s.t.Fatalf("%s prints %q, want its URL\n%s", s.App, line, s.Logged())
		}
		if s.URL == "" { // only the first time, because others may read it during a restart
			s.URL = at
		}
	case <-time.After(patience):
		s.t.Fatalf("%s prints nothing\n%s", s.App, s.Logged())
	}
	return true
}

// At returns the server as seen through a proxy at another URL.
func (s *Server) At(url string) *Server { return &Server{URL: url, t: s.t, App: s.App} }

// Write keeps the log of the process. It implements io.Writer.
func (s *Server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *Server) Logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Kill ends the process at once.
func (s *Server) Kill() {
	s.cmd.Process.Kill() // no error if it has ended already
	<-s.dead
}

// Restart starts the server again at the same address.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.until(func() bool { return s.start(strings.TrimPrefix(s.URL, "http://")) })
}

// Interrupt asks the process to end and returns its exit code.
func (s *Server) Interrupt() int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	<-s.dead
	return s.cmd.ProcessState.ExitCode()
}

// RefusedStart runs an example with invalid flags.
func RefusedStart(t testing.TB, app string, args ...string) (code int, says string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(binaries, app), args...).CombinedOutput()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v, want a failed start", app, args, err)
	}
	return exit.ExitCode(), string(out)
}
