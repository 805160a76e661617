package lucia_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestWritingAStore checks docs/writing-a-store.md: the code on the page is a package that passes
// the conformance suite, with the race detector if this test has it.
func TestWritingAStore(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/writing-a-store.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// An overlay adds the files to this module without writing them to its folder.
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for _, block := range regexp.MustCompile("(?s)```go\n// File: (\\S+)\n\n(.*?)```").FindAllSubmatch(page, -1) {
		name := filepath.FromSlash(string(block[1]))
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, block[2], 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, name)] = file
	}
	list := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(overlay)
	if err == nil {
		err = os.WriteFile(list, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	build := []string{"go", "test"}
	if raceEnabled {
		build = append(build, "-race")
	}
	binary := filepath.Join(dir, "kvstore.test")
	for _, command := range [][]string{
		append(build, "-vet=off", "-overlay", list, "-c", "-o", binary, "./kvstore"), // vet needs the folder
		{binary, "-test.short"},
		{"gofmt", "-l", dir},
	} {
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		if err != nil || command[0] == "gofmt" && len(out) > 0 {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
}
