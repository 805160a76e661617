package lucia_test

import (
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
)

// Lines of .ci/run that run each benchmark once. With -short those of the stores use fewer users.
const (
	benchmarksOfCI = "ci: go test -run '^$' -bench . -benchtime 1x ./internal/engine ./session ./middleware ./memstore"
	storesOfCI     = "ci: go test -short -run '^$' -bench . -benchtime 1x ./redisstore ./sqlstore"
)

// checkedBlocks are the blocks in other languages, by their first line, with what runs or checks
// them: a test ("file TestName"), a line of .ci/run, or "not run: " and the reason.
var checkedBlocks = []struct{ file, start, by string }{
	{"README.md", "go run ./examples/nethttp", "examples/internal/e2e/contract_test.go TestContract"},
	{"CONTRIBUTING.md", "apt-get install redis-server", "ci: apt-get install -y -qq --no-install-recommends"},
	{"docs/architecture.md", "adapter ", "not run: a drawing"},
	{"docs/architecture.md", "sequenceDiagram", "not run: a drawing"},
	{"docs/going-live.md", "openssl rand -base64 32", "docs_test.go TestDocumentedSecret"},
	{"docs/parsers.md", "go test -run '^$' -fuzz '^FuzzRequest$'", `ci: go test -run '^$' -fuzz "^$target\$"`},
	{"docs/performance.md", "cd benchmarks && go run ./cmd/compare", "ci: (cd benchmarks && go run ./cmd/compare -quick -only"},
	{"docs/performance.md", "go test -run xxx -bench AuthenticatedRequest", benchmarksOfCI},
	{"docs/performance.md", "go test ./sqlstore", storesOfCI},
	{"docs/protocol.md", `<script type="application/json"`, "not run: the form of what middleware/pagedata_test.go checks"},
	{"docs/redis.md", "maxmemory 4gb", "docs_test.go TestDocumentedRedisSettings"},
	{"docs/redis.md", "sentinel monitor", "docs_test.go TestDocumentedRedisSettings"},
	{"docs/redis.md", "ACL SETUSER", "redisstore/acl_test.go TestDocumentedPermissionsSuffice"},
	{"docs/recipes.md", "// passkeys.js", "internal/moving/recipes/passkeys_test.go TestPasskeysInChromium"},
	{"docs/recipes.md", "// playwright.config.js", "internal/moving/recipes/playwright_test.go TestPlaywright"},
	{"docs/recipes.md", "// sign-in.setup.js", "internal/moving/recipes/playwright_test.go TestPlaywright"},
	{"docs/recipes.md", "// signed-in.js", "internal/moving/recipes/playwright_test.go TestPlaywright"},
	{"docs/rotation.md", "cd benchmarks && go test -v ./rotation", "ci: (cd benchmarks && go test ./rotation)"},
	{"docs/sessions.md", `<p id="idle"`, "not run: the examples warn in this way, and their test does it in Chromium"},
	{"docs/sql.md", "-- the sessions of one person", "sqlstore/row_test.go TestDocumentedStatements"},
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
		checkedBy(t, ci, c.file+", "+c.start, c.by)
	}
}

// checkedBy checks that what is said to run a block or a command exists.
func checkedBy(t *testing.T, ci, what, by string) {
	t.Helper()
	if reason, ok := strings.CutPrefix(by, "not run: "); ok {
		if reason == "" {
			t.Errorf("%s: no reason", what)
		}
	} else if line, ok := strings.CutPrefix(by, "ci: "); ok {
		if !strings.Contains(ci, line) {
			t.Errorf("%s: .ci/run has no %q", what, line)
		}
	} else if where, name, _ := strings.Cut(by, " "); !strings.Contains(string(read(t, where)), name) {
		t.Errorf("%s: %s has no %s", what, where, name)
	}
}

// checkedCommands are the commands within the text of documents and in the comments of packages,
// each with what runs it, in the words of checkedBlocks.
var checkedCommands = map[string]string{
	".ci/run":   "not run: it is what runs all others",
	"make help": "commands_test.go TestMakefile",
	"make race": "ci: go test -race -timeout 20m ./...",

	"go test ./...":                    "ci: go test -race -timeout 20m ./...",
	"go test -run Explor -v ./session": "ci: go test -count=1 -run Explor ./session",
	"go test ./internal/browser/...":   "ci: go test -race -timeout 20m ./...",
	"go test ./examples/internal/e2e/situations -run TestScreenshots -screenshots": "examples/internal/e2e/situations/screenshots_test.go flag.Bool(\"screenshots\"",

	"./check.sh":                 "ci: bash internal/browser/check.sh",
	"SESSIONTEST_SEED=… go test": "session/sessiontest/history.go SESSIONTEST_SEED",
	"go list -deps":              "imports_test.go \"go\", \"list\", \"-deps\"",

	"go test ./redisstore -run '^$' -bench Memory -benchtime 1x": storesOfCI,
	"go test ./sqlstore -run '^$' -bench Size -benchtime 1x":     storesOfCI,

	"go run ./cmd/compare":        "ci: (cd benchmarks && go run ./cmd/compare -quick -only",
	"go run ./cmd/compare -quick": "ci: (cd benchmarks && go run ./cmd/compare -quick -only",

	"go run ./cmd/serve -name '**lucia** on net/http' -script cookies.lua": "not run: it serves until it is ended; compare's part \"whole\" does the same",

	"go test -bench 'Request/lucia_on_net' -cpuprofile cpu.prof":                 "ci: (cd benchmarks && go test -bench . -benchtime 1x ./...",
	"go test -bench 'Page/lucia_on_net/http_html' -memprofile mem.prof":          "ci: (cd benchmarks && go test -bench . -benchtime 1x ./...",
	"go test -bench 'Refresh/pool.*/lucia_the_refresh' -mutexprofile mutex.prof": "ci: (cd benchmarks && go test -bench . -benchtime 1x ./...",

	"go run ./examples/nethttp":                    "examples/internal/e2e/contract_test.go TestContract",
	"go run ./examples/nethttp &":                  "examples/cli/examples_test.go \"nethttp\"",
	"go run ./examples/echo":                       "examples/internal/e2e/contract_test.go TestContract",
	"go run ./examples/echov5":                     "examples/internal/e2e/contract_test.go TestContract",
	"go run ./examples/gin":                        "examples/internal/e2e/contract_test.go TestContract",
	"go run ./examples/readme":                     "examples/readme/main_test.go func Test",
	"go run ./examples/cli":                        "examples/cli/main_test.go func Test",
	"go run ./examples/cli signup ada":             "examples/cli/examples_test.go \"signup\", \"ada\"",
	"go run ./examples/cli me":                     "examples/cli/examples_test.go \"me\"",
	"go run ./examples/cli watch":                  "examples/cli/main_test.go \"watch\"",
	"go run ./examples/cli logout":                 "examples/cli/main_test.go \"logout\"",
	"go run ./examples/nethttp -tls -device-bound": "examples/internal/e2e/bound_test.go \"-tls\", \"-device-bound\"",
	"go generate ./examples/...":                   "ci: go generate ./examples/...",
	"templ generate":                               "ci: go generate ./examples/...",

	"make explore": "not run: it takes minutes and gigabytes; .ci/run explores the smaller worlds",

	"go get github.com/lucia-go/lucia": "not run: it needs the published module",
	"go get":                           "not run: a command of Go, without arguments",
	"go test":                          "not run: a command of Go, without arguments",
	"curl -b jar -c jar …":             "internal/moving/moving_test.go TestCookieJar",

	`curl -o lucia.js "https://app.example/api/auth/client.js?v="`: "internal/browser/chromium_test.go client.js?v=",
}

// command matches text in backticks that is a command, and commentCommand a line of a comment in
// Go that is one.
var (
	commandWords = `(?:(?:go (?:build|doc|generate|get|install|list|mod|run|test|tool|vet)|make|docker|curl|psql|redis-cli|npm|npx|` +
		`git|openssl|cd|bash|sh|node|apt-get|templ (?:fmt|generate)|systemctl|wrk)\b|\./\w+\.sh|\.ci/\w+|[A-Z][A-Z_]+=\S+ \w)`
	command        = regexp.MustCompile("(?s)`+(" + commandWords + "[^`]*)`+")
	commentCommand = regexp.MustCompile(`(?m)^\s*//\t(` + commandWords + `.*)$`)
)

// TestDocumentedCommandsInText checks that every command in the text of a document and in a comment
// of a package is run by something, or is listed with a reason.
func TestDocumentedCommandsInText(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	check := func(file, command string) {
		command, _, _ = strings.Cut(command, "  ") // what follows explains it
		command = strings.Join(strings.Fields(command), " ")
		found[command] = true
		if checkedCommands[command] == "" {
			t.Errorf("%s: nothing runs %q; add it to checkedCommands with a test or a reason", file, command)
		}
	}
	for _, file := range tracked(t, ".md") {
		_, prose := blocks(t, file)
		for _, m := range command.FindAllStringSubmatch(strings.ReplaceAll(prose, "\n", " "), -1) {
			check(file, m[1])
		}
	}
	for _, file := range tracked(t, ".go") {
		for _, m := range commentCommand.FindAllStringSubmatch(string(read(t, file)), -1) {
			check(file, m[1])
		}
	}
	ci := string(read(t, ".ci/run"))
	for command, by := range checkedCommands {
		if !found[command] {
			t.Errorf("no document and no package names the command %q", command)
		}
		checkedBy(t, ci, command, by)
	}
}

// generator matches the directive of go generate.
var generator = regexp.MustCompile(`(?m)^//go:generate `)

// TestGenerateReachesTheDirectives checks that "go generate ./examples/...", which the documents
// and CI name, reaches each directive. go generate does nothing, and says nothing, in a package
// without one.
func TestGenerateReachesTheDirectives(t *testing.T) {
	t.Parallel()
	n := 0
	for _, file := range tracked(t, ".go") {
		if generator.Match(read(t, file)) {
			n++
			if !strings.HasPrefix(path.Dir(file), "examples/") {
				t.Errorf("%s has a directive that \"go generate ./examples/...\" does not reach", file)
			}
		}
	}
	if n == 0 {
		t.Error("there is no directive for go generate")
	}
}

// TestMakefile runs "make help" and has make print the commands of each target that it lists.
func TestMakefile(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	out, err := exec.CommandContext(t.Context(), "make", "--no-print-directory", "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	targets := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(targets) < 8 {
		t.Errorf("make help lists\n%s\nwant more targets", out)
	}
	for _, line := range targets {
		target, does, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.TrimSpace(does) == "" {
			t.Errorf("make help does not say what %q does", target)
		}
		if out, err := exec.CommandContext(t.Context(), "make", "-n", target).CombinedOutput(); err != nil {
			t.Errorf("make -n %s: %v\n%s", target, err, out)
		}
	}
}
