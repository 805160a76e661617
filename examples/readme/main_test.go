package main_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadmeHasThisProgram compares the program with the README's.
func TestReadmeHasThisProgram(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "\n") // without the package's comment
	if !strings.Contains(string(readme), "```go\n"+code+"```") {
		t.Error("the README's program is not examples/readme/main.go")
	}
}

// TestProgramSignsInAndOut builds the program, on a free port in place of 8080, and uses it as
// a browser without scripts does.
func TestProgramSignsInAndOut(t *testing.T) {
	t.Parallel()
	base := run(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: time.Minute}
	visit := func(step, path string, form url.Values, want string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if form != nil {
			r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(form.Encode()))
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(body), want) {
			t.Fatalf("%s: %s %s %v, want %q in it", step, resp.Status, body, err, want)
		}
	}
	visit("a signed-out visitor", "/", nil, "Sign in as Ada")
	visit("sign-in", "/login", url.Values{"next": {"/"}}, "Hello, Ada")
	visit("a page", "/", nil, "Hello, Ada")
	visit("sign-out", "/api/auth/logout", url.Values{}, "Sign in as Ada")
}

// run starts the program on a free port and returns its base URL.
func run(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	const listen = `log.Fatal(http.ListenAndServe("127.0.0.1:8080", nethttp.Wrap(auth, mux)))`
	if strings.Count(string(source), listen) != 1 {
		t.Fatalf("main.go has no line %s", listen)
	}
	dir, err := os.MkdirTemp(".", "_run-") // below the module, and no package of it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	free := strings.Replace(string(source), listen, `
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	println(l.Addr().String())
	log.Fatal(http.Serve(l, nethttp.Wrap(auth, mux)))`, 1)
	free = strings.Replace(free, `	"net/http"`, "\t\"net\"\n\t\"net/http\"", 1)
	program := filepath.Join(dir, "main.go")
	if err := os.WriteFile(program, []byte(free), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "app")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}
