package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
)

const asTool = "LUCIA_TEST_CLI"

// TestMain is the tool itself where a test starts it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// tool runs the tool as a new process each time: only the session's file goes
// from one run to the next.
type tool struct {
	t         *testing.T
	url, file string
	stdin     string
}

func (c tool) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.t.Context(), os.Args[0], append([]string{"-url", c.url, "-session", c.file}, args...)...)
	cmd.Env = append(os.Environ(), asTool+"=1")
	cmd.Stdin = strings.NewReader(c.stdin)
	return cmd
}

// run runs the tool and returns what it prints.
func (c tool) run(ok bool, args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	if (err == nil) != ok {
		c.t.Errorf("cli %s: %v, want success %t\n%s", strings.Join(args, " "), err, ok, out)
	}
	return string(out)
}

func (c tool) check(ok bool, want string, args ...string) {
	c.t.Helper()
	if got := c.run(ok, args...); !strings.Contains(got, want) {
		c.t.Errorf("cli %s prints %q, want %q in it", strings.Join(args, " "), got, want)
	}
}

func newTool(t *testing.T, url string) tool {
	return tool{t: t, url: url, file: filepath.Join(t.TempDir(), "session.json"), stdin: "correct horse\n"}
}

type profile struct {
	Username string `json:"username"`
}

// newServer is an app with the forms and the API that the example servers have.
func newServer(t *testing.T, change ...func(*lucia.Config[profile])) (*luciatest.Kit[profile], string) {
	dev := func(c *lucia.Config[profile]) { c.Dev = true }
	kit := luciatest.New(t, map[string]profile{"id-of-ada": {"ada"}}, append(change, dev)...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<form method="post"><input name="username"><input type="password" name="password"></form>`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("password") != "correct horse" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, err := kit.Auth.SignIn(w, r, "id-of-"+r.PostFormValue("username")); err != nil {
			lucia.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/profile", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		lucia.PageData.Render(r.Context(), w)
	})
	mux.HandleFunc("GET /api/me", func(w http.ResponseWriter, r *http.Request) {
		s, err := kit.Auth.ValidateRequest(r)
		if err != nil {
			lucia.WriteError(w, err)
			return
		}
		fmt.Fprintf(w, "{\"username\":%q}", s.User.Data.Username)
	})
	server := httptest.NewServer(nethttp.Wrap(kit.Auth, mux))
	t.Cleanup(server.Close)
	return kit, server.URL
}

func TestStaysSignedInOverRuns(t *testing.T) {
	t.Parallel()
	kit, url := newServer(t)
	c := newTool(t, url)
	c.check(false, "Not signed in", "me")
	c.check(false, "Not signed in", "watch")
	c.check(false, "Not signed in", "logout")
	c.check(true, `"user_id":"id-of-ada"`, "login", "ada")
	for range 2 {
		c.check(true, `{"username":"ada"}`+"\n", "me")
	}
	if calls := kit.Store.Calls(); calls.Create != 1 || calls.Refresh != 0 {
		t.Errorf("the store was asked %+v, want one sign-in only", calls)
	}
	c.expire()
	for range 2 {
		c.check(true, `{"username":"ada"}`+"\n", "me")
	}
	if calls := kit.Store.Calls(); calls.Create != 1 || calls.Refresh != 1 {
		t.Errorf("the store was asked %+v, want one refresh after the expiry", calls)
	}
	c.check(true, "", "logout")
	c.check(false, "Not signed in", "me")
	if _, err := os.Stat(c.file); !os.IsNotExist(err) {
		t.Errorf("the session's file is still there: %v", err)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	_, url := newServer(t)
	c := newTool(t, url)
	c.stdin = "battery staple\n"
	c.check(false, "name or password is wrong", "login", "ada")
	c.stdin = ""
	c.check(false, "no password", "login", "ada")
	c.check(false, "usage", "login")
	c.check(false, "usage", "dance")
}

func TestRevokedSession(t *testing.T) {
	t.Parallel()
	// A token of a second has expired at the next run but one.
	kit, url := newServer(t, func(c *lucia.Config[profile]) { c.AccessTTL = time.Second })
	c := newTool(t, url)
	c.run(true, "login", "ada")
	if err := kit.Auth.RevokeUser(t.Context(), "id-of-ada"); err != nil {
		t.Fatal(err)
	}
	c.check(false, "Not signed in", "me")
}

func TestManyRunsAtOnce(t *testing.T) {
	t.Parallel()
	kit, url := newServer(t)
	c := newTool(t, url)
	c.run(true, "login", "ada")
	for range 3 {
		c.expire()
		before := kit.Store.Calls().Refresh
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() { c.check(true, `{"username":"ada"}`, "me") })
		}
		wg.Wait()
		if n := kit.Store.Calls().Refresh - before; n != 1 {
			t.Errorf("%d refreshes for six runs after an expiry, want 1", n)
		}
	}
	c.check(true, "", "logout")
}

// expire makes what is saved look as old as it would be in an hour.
func (c tool) expire() {
	c.t.Helper()
	data, err := os.ReadFile(c.file)
	if err != nil {
		c.t.Fatal(err)
	}
	var saved map[string]any
	if err := json.Unmarshal(data, &saved); err != nil {
		c.t.Fatal(err)
	}
	for _, name := range []string{"issued_at", "expires_at"} {
		at, err := time.Parse(time.RFC3339, saved[name].(string))
		if err != nil {
			c.t.Fatal(err)
		}
		saved[name] = at.Add(-time.Hour)
	}
	if data, err = json.Marshal(saved); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.file, data, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func TestLoginReplacesAFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, url := newServer(t)
	c := newTool(t, url)
	for name, mode := range map[string]os.FileMode{"damaged": 0o600, "open to others": 0o644} {
		if err := os.WriteFile(c.file, []byte("{"), mode); err != nil {
			t.Fatal(err)
		}
		c.check(false, "saved session", "me")
		c.check(true, "Signed in", "login", "ada")
		c.check(true, `{"username":"ada"}`, "me")
		if t.Failed() {
			t.Fatal(name)
		}
		if err := os.Remove(c.file); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWatchFollowsRefreshesUntilInterrupted(t *testing.T) {
	t.Parallel()
	_, url := newServer(t, func(c *lucia.Config[profile]) { c.AccessTTL = 2 * time.Second })
	c := newTool(t, url)
	c.run(true, "login", "ada")
	cmd := c.command("watch")
	seen := &output{want: "fresh until", times: 3, enough: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = seen, seen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-seen.enough:
	case <-time.After(time.Minute):
		t.Errorf("prints only %q", seen.String())
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v\n%s", err, seen.String())
	}
}

// output collects output and says when it has the text that is wanted.
type output struct {
	want   string
	times  int
	enough chan struct{}

	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	had := bytes.Count(o.buf.Bytes(), []byte(o.want)) >= o.times
	o.buf.Write(p)
	if !had && bytes.Count(o.buf.Bytes(), []byte(o.want)) >= o.times {
		close(o.enough)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
