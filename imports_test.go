package lucia_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lucia-go/lucia"

// importRules lists what a package may import besides the standard library, except in tests. A
// rule also covers the packages below its own unless they have a rule.
var importRules = map[string][]string{
	"":                              {"middleware", "session"},
	"session":                       {},
	"session/sessiontest":           {"session"},
	"internal/engine":               {"session", "internal/dbsc", "github.com/golang-jwt/jwt/v5", "github.com/maypok86/otter/v2"},
	"memstore":                      {"session"},
	"redisstore":                    {"session", "github.com/redis/go-redis/v9"},
	"sqlstore":                      {"session"},
	"middleware":                    {"session", "internal/dbsc", "internal/engine", "internal/wire", "internal/browser", "github.com/mileusna/useragent"},
	"adapters/nethttp":              {"middleware"},
	"adapters/echo":                 {"middleware", "session", "adapters/internal/refusal", "github.com/labstack/echo/v4"},
	"adapters/echov5":               {"middleware", "session", "adapters/internal/refusal", "github.com/labstack/echo/v5"},
	"adapters/gin":                  {"middleware", "session", "adapters/internal/refusal", "github.com/gin-gonic/gin"},
	"adapters/internal/refusal":     {"middleware"},
	"adapters/internal/adaptertest": {"*"},
	"client":                        {"session", "internal/htmlform", "internal/wire", "golang.org/x/sys/windows"},
	"flash":                         {},
	"internal/browser":              {},
	"internal/dbsc":                 {},
	"internal/htmlform":             {"internal/wire", "golang.org/x/net/html", "golang.org/x/net/html/atom"},
	"internal/wire":                 {},
	"internal/testenv":              {"*"},
	"internal/fleet":                {"session"},
	"internal/feedtest":             {module, "adapters/nethttp", "session"},
	"internal/chrometest":           {"*"},
	"luciatest":                     {module, "middleware", "session", "memstore", "internal/dbsc", "internal/htmlform", "internal/wire"},
	"examples":                      {"*"},
}

// platforms are those on which packages have different imports.
var platforms = []string{"linux", "windows"}

// forTests are packages that no shipped package may import.
var forTests = []string{"examples", "luciatest", "session/sessiontest", "adapters/internal/adaptertest", "internal/testenv", "internal/fleet", "internal/feedtest", "internal/chrometest"}

func TestImportRules(t *testing.T) {
	t.Parallel()
	used := map[string]map[string]bool{} // by rule: what its packages import
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		ruleName, ok := ruleOf(name)
		if !ok {
			t.Errorf("package %s has no import rule; add one", name)
			continue
		}
		if used[ruleName] == nil {
			used[ruleName] = map[string]bool{}
		}
		rule := importRules[ruleName]
		for _, imported := range p.Imports {
			own, isOwn := strings.CutPrefix(imported, module+"/")
			if !isOwn && !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				continue // the standard library
			}
			if isOwn {
				imported = own
			}
			used[ruleName][imported] = true
			if !slices.Contains(rule, "*") && !slices.Contains(rule, imported) {
				t.Errorf("%s imports %s, which its import rule does not allow", name, imported)
			}
			if isOwn && isForTests(imported) && !isForTests(name) {
				t.Errorf("%s imports %s, which is for tests", name, imported)
			}
		}
	}
	for name, rule := range importRules {
		if used[name] == nil {
			t.Errorf("the import rule %q is of no package; delete it", name)
			continue
		}
		for _, allowed := range rule {
			if allowed != "*" && !used[name][allowed] {
				t.Errorf("the import rule %q allows %s, which no package imports; delete that", name, allowed)
			}
		}
	}
}

// Authors of stores and programs that use the Go client link no JWT library, no cache and no Redis
// client.
func TestContractLinksOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	allowed := []string{module + "/session", module + "/memstore", module + "/client", module + "/internal/htmlform", module + "/internal/wire", "golang.org/x/net/html", "golang.org/x/sys"}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./session", "./memstore", "./client").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, module+"/client") {
		t.Fatalf("go list -deps = %q, without the client itself", linked)
	}
	for _, p := range linked {
		if !slices.ContainsFunc(allowed, func(a string) bool { return p == a || strings.HasPrefix(p, a+"/") }) {
			t.Errorf("session, memstore or client link %s", p)
		}
	}
}

// An app on one version of echo links nothing of the other version, and no other framework. An app
// links what module graph pruning leaves in its go.mod.
func TestAdaptersLinkOneFramework(t *testing.T) {
	t.Parallel()
	frameworks := map[string]string{ // by adapter
		"./adapters/nethttp": "",
		"./adapters/echo":    "github.com/labstack/echo/v4",
		"./adapters/echov5":  "github.com/labstack/echo/v5",
		"./adapters/gin":     "github.com/gin-gonic/gin",
	}
	for adapter, own := range frameworks {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", adapter).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		linked := strings.Fields(string(out))
		for _, framework := range frameworks {
			if framework != "" && slices.Contains(linked, framework) != (framework == own) {
				t.Errorf("%s links %s: %t", adapter, framework, framework != own)
			}
		}
	}
}

// ruleOf returns the name of a package's rule: its own, or that of the nearest package above it
// that has one.
func ruleOf(name string) (rule string, ok bool) {
	for {
		if _, ok := importRules[name]; ok {
			return name, true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return "", false
		}
		name = name[:i]
	}
}

func isForTests(name string) bool {
	return slices.ContainsFunc(forTests, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

// listPackages returns the packages as they are on each platform.
func listPackages(t *testing.T) (list []listedPackage) {
	t.Helper()
	for _, platform := range platforms {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
		cmd.Env = append(cmd.Environ(), "GOOS="+platform)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p listedPackage
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
	}
	return list
}
