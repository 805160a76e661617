package e2e_test

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
)

// apps are the examples, by folder.
var apps = []string{"nethttp", "gin", "echo", "echov5"}

// withNotes are those that keep notes.
var withNotes = []string{"echo", "echov5"}

// binaries is where the examples are, built.
var binaries string

// TestMain builds all examples once, as an app's author would.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lucia-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer os.RemoveAll(dir)
	args := []string{"build", "-o", dir}
	for _, app := range apps {
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

// secret is that of all servers that share sessions.
const secret = "a secret of the end-to-end tests, known to all"

// server is an example that runs.
type server struct {
	URL  string
	t    testing.TB
	app  string
	args []string
	cmd  *exec.Cmd
	dead chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// start starts an example on a free port. It ends with the test, and where what it
// logged is a panic or an answer 500, fails it.
func start(t testing.TB, app string, args ...string) *server {
	t.Helper()
	s := &server{t: t, app: app, args: args}
	s.run("127.0.0.1:0")
	t.Cleanup(func() {
		s.kill()
		if log := s.logged(); strings.Contains(log, "panic") || strings.Contains(log, "status=500") || strings.Contains(log, "does not render") {
			t.Errorf("%s logged:\n%s", app, log)
		}
	})
	return s
}

var announced = regexp.MustCompile(`https?://\S+`)

// run starts the process and waits until it says where it is.
func (s *server) run(addr string) {
	s.t.Helper()
	s.cmd = exec.Command(filepath.Join(binaries, s.app), append([]string{"-addr", addr}, s.args...)...)
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
		cmd.Wait() // killed, as a rule
		close(dead)
	}(s.cmd)
	const patience = 30 * time.Second
	select {
	case line := <-lines:
		at := announced.FindString(line)
		if at == "" || s.URL != "" && at != s.URL {
			s.t.Fatalf("%s says %q, want its URL\n%s", s.app, line, s.logged())
		}
		if s.URL == "" { // which others may read while it starts again
			s.URL = at
		}
	case <-time.After(patience):
		s.t.Fatalf("%s says nothing\n%s", s.app, s.logged())
	}
}

// Write keeps what the process logs. It implements io.Writer.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *server) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// kill ends the process at once.
func (s *server) kill() {
	s.cmd.Process.Kill() // gone already: fine
	<-s.dead
}

// restart starts the server again, where it was.
func (s *server) restart() {
	s.t.Helper()
	s.kill()
	s.run(strings.TrimPrefix(s.URL, "http://"))
}

// interrupt asks the process to end and returns its exit code.
func (s *server) interrupt() int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	<-s.dead
	return s.cmd.ProcessState.ExitCode()
}

// refusedStart runs an example with flags that make no sense.
func refusedStart(t testing.TB, app string, args ...string) (code int, says string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(binaries, app), args...).CombinedOutput()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v, want it to refuse", app, args, err)
	}
	return exit.ExitCode(), string(out)
}
