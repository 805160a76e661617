package lucia_test

import (
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/lucia-go/lucia/internal/testenv"
)

// tracked returns the files of the repository with a suffix. It skips the test if there is no git
// checkout.
func tracked(t *testing.T, suffix string) (files []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "*"+suffix).Output()
	if err != nil {
		t.Skipf("needs a git checkout: %v", err)
	}
	for _, name := range strings.Fields(string(out)) {
		if _, err := os.Stat(name); err == nil {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		t.Fatalf("git ls-files lists no file that ends with %s", suffix)
	}
	return files
}

// block is a block of code in a document.
type block struct {
	file string
	kind string // the language of a fence, "" for none, "indented" without a fence
	text string
}

// blocks returns the blocks of code of a document, and its text without them.
func blocks(t *testing.T, file string) (list []block, prose string) {
	t.Helper()
	var text strings.Builder
	var open *block
	for line := range strings.Lines(string(read(t, file))) {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != ""
		switch {
		case open != nil && open.kind == "indented" && indented:
			open.text += strings.TrimPrefix(line, "    ")
			continue
		case open != nil && open.kind != "indented" && !fence:
			open.text += line
			continue
		case open != nil:
			list = append(list, *open)
			open = nil
			if fence {
				continue
			}
		}
		switch {
		case fence:
			open = &block{file, strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "`")), ""}
		case indented:
			open = &block{file, "indented", strings.TrimPrefix(line, "    ")}
		default:
			text.WriteString(line)
		}
	}
	if open != nil {
		list = append(list, *open)
	}
	return list, text.String()
}

// TestDocumentedCodeCompiles checks that each block of Go code in each document occurs, line for
// line, in a file that is compiled. Blocks that begin with a file's name are a package of their
// own, which TestWritingAStore compiles and runs.
func TestDocumentedCodeCompiles(t *testing.T) {
	t.Parallel()
	var compiled []string
	for _, file := range tracked(t, ".go") {
		compiled = append(compiled, lines(t, file))
	}
	found := 0
	for _, file := range tracked(t, ".md") {
		list, _ := blocks(t, file)
		for _, b := range list {
			if b.kind != "go" || file == "docs/writing-a-store.md" && strings.HasPrefix(b.text, "// File: ") {
				continue
			}
			found++
			code, ok := trimmed(b.text), false
			for _, file := range compiled {
				ok = ok || strings.Contains(file, code)
			}
			if !ok {
				t.Errorf("%s: not in a compiled file:\n%s", file, b.text)
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d blocks of Go code, want more", found)
	}
}

// checkedBlocks are the blocks in other languages, by their first line, with what runs or checks
// them: a test ("file TestName"), a line of .ci/run, or "not run: " and the reason.
var checkedBlocks = []struct{ file, start, by string }{
	{"README.md", "go run ./examples/nethttp", "examples/internal/e2e/contract_test.go TestContract"},
	{"CONTRIBUTING.md", "apt-get install redis-server", "ci: apt-get install -y -qq --no-install-recommends"},
	{"docs/architecture.md", "adapter ", "not run: a drawing"},
	{"docs/architecture.md", "sequenceDiagram", "not run: a drawing"},
	{"docs/going-live.md", "openssl rand -base64 32", "docs_test.go TestDocumentedSecret"},
	{"docs/parsers.md", "go test -run '^$' -fuzz '^FuzzRequest$'", `ci: go test -run '^$' -fuzz "^$target\$"`},
	{"docs/performance.md", "cd benchmarks && go run ./cmd/compare", "not run: it takes minutes; .ci/run compiles it"},
	{"docs/performance.md", "go test -run xxx -bench AuthenticatedRequest", "ci: go test -run '^$' -bench . -benchtime 1x ./internal/engine ./session ./middleware ./memstore"},
	{"docs/performance.md", "go test ./sqlstore", "sqlstore/bench_test.go BenchmarkRotate"},
	{"docs/protocol.md", `<script type="application/json"`, "not run: the form of what middleware/pagedata_test.go checks"},
	{"docs/redis.md", "maxmemory 4gb", "docs_test.go TestDocumentedRedisSettings"},
	{"docs/redis.md", "sentinel monitor", "docs_test.go TestDocumentedRedisSettings"},
	{"docs/redis.md", "ACL SETUSER", "redisstore/acl_test.go TestDocumentedPermissionsSuffice"},
	{"docs/recipes.md", "// playwright.config.js", "internal/moving/recipes/playwright_test.go TestPlaywright"},
	{"docs/recipes.md", "// sign-in.setup.js", "internal/moving/recipes/playwright_test.go TestPlaywright"},
	{"docs/recipes.md", "// signed-in.js", "internal/moving/recipes/playwright_test.go TestPlaywright"},
	{"docs/rotation.md", "cd benchmarks && go test -v ./rotation", "ci: (cd benchmarks && go test ./rotation)"},
	{"docs/sessions.md", `<p id="idle"`, "not run: the examples warn in this way, and their test does it in Chromium"},
	{"docs/sql.md", "-- the sessions of one person", "not run: statements for people; the columns are those of the schema"},
	{"docs/sql.md", "CREATE TABLE", "sqlstore/row_test.go TestDocumentedPermissionsSuffice"},
	{"docs/sql.md", "busy_timeout(5000)", "sqlstore/databases_test.go busy_timeout(5000)"},
	{"docs/sql.md", "GRANT", "sqlstore/row_test.go TestDocumentedPermissionsSuffice"},
	{"docs/writing-a-store.md", "go test -race ./kvstore", "guide_test.go TestWritingAStore"},
	{"examples/README.md", "go run ./examples/nethttp", "examples/internal/e2e/fleet_test.go TestTwoServersShareSignIns"},
	{"internal/browser/README.md", `<script type="module">`, "internal/browser/recipes_test.go recipe"},
	{"internal/browser/README.md", `await fetch("/login"`, "internal/browser/recipes_test.go recipe"},
	{"internal/browser/README.md", `<p id="cookies"`, "internal/browser/recipes_test.go recipe"},
	{"internal/browser/README.md", "// app.js", "internal/browser/recipes_test.go testEsbuildRecipe"},
	{"internal/browser/README.md", "npx esbuild", "internal/browser/recipes_test.go testEsbuildRecipe"},
	{"internal/browser/README.md", "// vite.config.js", "internal/browser/recipes_test.go testViteRecipe"},
	{"internal/browser/README.md", `{ "compilerOptions"`, "not run: for editors; internal/browser/check.sh checks the same types"},
}

// TestDocumentedCommandsRun checks that every block of code in a language other than Go is run or
// checked by something, or is listed with a reason.
func TestDocumentedCommandsRun(t *testing.T) {
	t.Parallel()
	ci := string(read(t, ".ci/run"))
	used := make([]bool, len(checkedBlocks))
	for _, file := range tracked(t, ".md") {
		list, _ := blocks(t, file)
		for _, b := range list {
			if b.kind == "go" {
				continue
			}
			known := false
			for i, c := range checkedBlocks {
				if c.file == file && strings.HasPrefix(b.text, c.start) {
					known, used[i] = true, true
				}
			}
			if !known {
				t.Errorf("%s: nothing runs this block; add it to checkedBlocks with a test or a reason:\n%s", file, b.text)
			}
		}
	}
	for i, c := range checkedBlocks {
		if !used[i] {
			t.Errorf("%s has no block that begins with %q", c.file, c.start)
		}
		if reason, ok := strings.CutPrefix(c.by, "not run: "); ok {
			if reason == "" {
				t.Errorf("%s, %s: no reason", c.file, c.start)
			}
		} else if line, ok := strings.CutPrefix(c.by, "ci: "); ok {
			if !strings.Contains(ci, line) {
				t.Errorf("%s, %s: .ci/run has no %q", c.file, c.start, line)
			}
		} else if where, name, _ := strings.Cut(c.by, " "); !strings.Contains(string(read(t, where)), name) {
			t.Errorf("%s, %s: %s has no %s", c.file, c.start, where, name)
		}
	}
}

// TestDocumentedSecret runs the command that makes a secret and checks that the secret is long
// enough.
func TestDocumentedSecret(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	list, _ := blocks(t, "docs/going-live.md")
	words := strings.Fields(list[0].text)
	out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).Output()
	if secret := strings.TrimSpace(string(out)); err != nil || len(secret) < 32 {
		t.Errorf("%v makes a secret of %d bytes: %v", words, len(secret), err)
	}
}

// TestDocumentedRedisSettings starts Redis with the settings of docs/redis.md. The lines for
// Sentinel are those of the tests' own Sentinels, with other values.
func TestDocumentedRedisSettings(t *testing.T) {
	t.Parallel()
	list, _ := blocks(t, "docs/redis.md")
	for _, b := range list {
		if b.kind != "" || strings.HasPrefix(b.text, "ACL ") {
			continue
		}
		var args []string
		for line := range strings.Lines(b.text) {
			line, _, _ = strings.Cut(line, "#")
			words := strings.Fields(line)
			if words[0] != "sentinel" {
				args = append(append(args, "--"+words[0]), words[1:]...)
			}
		}
		if len(args) == 0 {
			t.Errorf("no settings in\n%s", b.text)
		}
		testenv.Redis(t, args...)
	}
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	mdLink     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	htmlLink   = regexp.MustCompile(`\b(?:src|srcset|href)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
)

// TestLinksResolve checks every relative link and every anchor of every document.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range tracked(t, ".md") {
		_, prose := blocks(t, file)
		prose = inlineCode.ReplaceAllStringFunc(prose, func(code string) string {
			return strings.NewReplacer("[", "", "]", "", "(", "", ")", "", "<", "").Replace(code)
		})
		for _, link := range append(mdLink.FindAllStringSubmatch(prose, -1), htmlLink.FindAllStringSubmatch(prose, -1)...) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			found++
			name := file
			if target != "" {
				name = path.Join(path.Dir(file), target)
			}
			info, err := os.Stat(name)
			if err != nil {
				t.Errorf("%s: link to %s: there is no %s", file, link[1], name)
				continue
			}
			if anchor == "" {
				continue
			}
			if info.IsDir() || !anchors(t, name)[anchor] {
				t.Errorf("%s: link to %s: %s has no heading for #%s", file, link[1], name, anchor)
			}
		}
	}
	if found < 80 {
		t.Errorf("found %d links, want more", found)
	}
}

// anchors returns the anchors that GitHub derives from a document's headings.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	list := map[string]bool{}
	_, prose := blocks(t, file)
	for _, h := range heading.FindAllStringSubmatch(prose, -1) {
		title := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(h[1], "$1")
		var anchor strings.Builder
		for _, c := range strings.ToLower(title) {
			switch {
			case unicode.IsLetter(c), unicode.IsDigit(c), c == '-', c == '_':
				anchor.WriteRune(c)
			case c == ' ':
				anchor.WriteByte('-')
			}
		}
		list[anchor.String()] = true
	}
	return list
}
