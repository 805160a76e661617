package main

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tool works with each of the example servers, run as processes of their own.
func TestExampleServers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nethttp", "echo", "echov5", "gin"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTool(t, startExample(t, name, "-access-ttl", "2s"))
			c.check(false, "Not signed in", "login", "ada")
			c.check(true, `"username":"ada"`, "signup", "ada")
			c.check(true, "", "logout")
			c.check(false, "Not signed in", "me")
			c.check(true, `"username":"ada"`, "login", "ada")
			c.check(true, `"username":"ada"`, "me")
			wrong := c
			wrong.stdin = "battery staple\n"
			wrong.check(false, "name or password is wrong", "login", "ada")
			c.check(true, `"username":"ada"`, "me") // still
			c.check(true, "", "logout")
		})
	}
}

// startExample builds and starts an example server and returns its URL.
func startExample(t *testing.T, name string, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name+".exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../"+name).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), ": http://"); ok {
			return "http://" + url
		}
	}
	t.Fatal("the server does not say where it is")
	return ""
}
