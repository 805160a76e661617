package recipes_test

import (
	"context"
	"fmt"
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
	"github.com/lucia-go/lucia/internal/moving/people"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// TestPlaywright runs the Playwright scripts of docs/recipes.md with Chromium, with two workers and
// several files of tests. Access tokens live for a second, so every test outlives one.
func TestPlaywright(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "chromium")
	testenv.Require(t, "node")
	testenv.InstallPackages(t, "testdata")

	// The copies of one state are refreshed, each by its test. The pages have the browser module.
	// Settle is long enough for a slow machine.
	t.Run("a stored state", func(t *testing.T) {
		t.Parallel()
		app := newPlaywrightApp(t, true, func(c *lucia.Config[people.Profile]) {
			c.AccessTTL, c.Settle = time.Second, 10*time.Minute
		})
		app.play(t, "stored.js")
		app.check(t, 1) // the setup project's
	})
	// Refresh tokens rotate as soon as possible. Every page makes one request at a time, so no
	// request is delayed for longer than Grace.
	t.Run("a sign-in for each worker", func(t *testing.T) {
		t.Parallel()
		app := newPlaywrightApp(t, false, func(c *lucia.Config[people.Profile]) {
			c.AccessTTL, c.Grace, c.Settle = time.Second, time.Second, -1
		})
		app.play(t, "handed-on.js", "--project=tests", "--no-deps")
		app.check(t, 2) // one for each worker
	})
}

// playwrightApp is an app on a loopback port, for tests with Playwright.
type playwrightApp struct {
	url   string
	close func()

	mu        sync.Mutex
	rotations map[session.ID]int
	events    []lucia.Event
}

// rotationCounter is a store that tells the app of each rotation.
type rotationCounter struct {
	session.Store
	app *playwrightApp
}

func (s rotationCounter) Refresh(ctx context.Context, p session.RefreshParams) (session.RefreshResult, error) {
	result, err := s.Store.Refresh(ctx, p)
	if err == nil && result.Outcome == session.Rotated {
		s.app.mu.Lock()
		defer s.app.mu.Unlock()
		s.app.rotations[p.ID]++
	}
	return result, err
}

func newPlaywrightApp(t *testing.T, pageData bool, change func(*lucia.Config[people.Profile])) *playwrightApp {
	t.Helper()
	app := &playwrightApp{rotations: map[session.ID]int{}}
	kit := newKit(t, change, func(c *lucia.Config[people.Profile]) {
		c.Dev = true
		c.Store = rotationCounter{memstore.New(), app}
		c.OnEvent = func(e lucia.Event) {
			app.mu.Lock()
			defer app.mu.Unlock()
			app.events = append(app.events, e)
		}
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { people.ShowLogin(w, "") })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		id, ok := people.Check(r.FormValue("username"), r.FormValue("password"))
		if !ok {
			http.Error(w, "Wrong name or password.", http.StatusForbidden)
		} else if _, err := kit.Auth.SignIn(w, r, id); err != nil {
			lucia.Error(w, r, err)
		} else {
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		view := people.View{SignOut: "/api/auth/logout", Field: lucia.FormField.HTML(r.Context())}
		if s := kit.Auth.Session(r.Context()); s != nil {
			view.Name = s.User.Data.Name
		}
		if pageData {
			view.Head = lucia.PageData.HTML(r.Context())
		}
		people.Show(w, view)
	})
	mux.Handle("GET /rotations", kit.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := kit.Auth.Session(r.Context())
		app.mu.Lock()
		defer app.mu.Unlock()
		fmt.Fprintf(w, "rotations of %s: %d", s.User.Data.Name, app.rotations[s.ID])
	})))
	site := http.NewServeMux()
	site.Handle("/", nethttp.Wrap(kit.Auth, mux))
	site.Handle("GET /favicon.ico", http.NotFoundHandler()) // it refreshes no session
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	app.url = server.URL
	app.close = func() {
		server.Close()
		kit.Auth.Close() // the last events are reported
	}
	return app
}

// play runs the documented scripts, two files with the tests of spec, and a test that signs out.
func (app *playwrightApp) play(t *testing.T, spec string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range documentedScripts(t) {
		write(t, dir, name, content)
	}
	for name, from := range map[string]string{
		"run.config.js":    "run.config.js",
		"one.spec.js":      spec,
		"two.spec.js":      spec,
		"sign-out.spec.js": "sign-out.spec.js",
	} {
		content, err := os.ReadFile(filepath.Join("testdata/specs", from))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(content))
	}
	playwright(t, dir, app.url, append([]string{"--config=run.config.js"}, args...)...)
}

// playwright runs the tests of a folder with the machine's Chromium on the app at a URL.
func playwright(t *testing.T, dir, url string, args ...string) {
	t.Helper()
	write(t, dir, "package.json", `{"type":"module"}`)
	modules, err := filepath.Abs("testdata/node_modules")
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	cli := filepath.Join(dir, "node_modules/@playwright/test/cli.js")
	run := exec.CommandContext(t.Context(), testenv.Require(t, "node"),
		append([]string{cli, "test", "--reporter=line"}, args...)...)
	run.Dir = dir
	run.Env = append(os.Environ(), "APP_URL="+url, "CHROMIUM="+testenv.Require(t, "chromium"),
		"PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1", "CI=1")
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("Playwright: %v\n%s", err, out)
	}
}

// check checks that the tests of the files have begun the given number of sessions, that these
// rotate, and that none of them has ended. The test that signs out begins and ends another one.
func (app *playwrightApp) check(t *testing.T, sessions int) {
	t.Helper()
	app.close()
	app.mu.Lock()
	defer app.mu.Unlock()
	kinds := map[session.EventKind]int{}
	for _, e := range app.events {
		kinds[e.Kind]++
		if e.Kind == session.EventReuse {
			t.Errorf("a test is taken for a thief: %v", e.Attrs())
		}
	}
	if began, ended := kinds[session.EventBegan], kinds[session.EventEnded]; began != sessions+1 || ended != 1 {
		t.Errorf("%d sessions began and %d ended, want %d and 1: %v", began, ended, sessions+1, kinds)
	}
	if n := len(app.rotations); n < sessions {
		t.Errorf("%d sessions rotated, want %d", n, sessions)
	}
}

// documentedScripts returns the scripts for Playwright of docs/recipes.md by their names, which are
// in the first line of each.
func documentedScripts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for _, block := range strings.Split(string(text), "\n```js\n// ")[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		code, _, closed := strings.Cut(rest, "\n```\n")
		if !closed {
			t.Fatalf("the script %s does not end", name)
		}
		scripts[name] = code + "\n"
	}
	passkeys, err := os.ReadFile("passkeys.js")
	if err != nil || scripts["passkeys.js"] != string(passkeys) {
		t.Errorf("docs/recipes.md shows another passkeys.js: %v", err)
	}
	delete(scripts, "passkeys.js")
	if len(scripts) != 3 {
		t.Fatalf("docs/recipes.md has %d scripts, want 3", len(scripts))
	}
	return scripts
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
