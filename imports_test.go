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

// importRules says what a package may import beside the standard library, in
// what is shipped (tests may import what they need). A rule covers the packages
// below its own, too, unless they have one.
var importRules = map[string][]string{
	"":                              {"middleware", "session"},
	"session":                       {"github.com/golang-jwt/jwt/v5", "github.com/maypok86/otter/v2"},
	"session/sessiontest":           {"session", "github.com/google/go-cmp/cmp"},
	"memstore":                      {"session"},
	"redisstore":                    {"session", "github.com/redis/go-redis/v9", "github.com/redis/go-redis/v9/auth", "github.com/redis/go-redis/v9/maintnotifications"},
	"sqlstore":                      {"session"},
	"middleware":                    {"session", "internal/wire", "internal/browser"},
	"adapters/nethttp":              {"middleware", "session"},
	"adapters/echo":                 {"adapters/internal/answer", "middleware", "session", "github.com/labstack/echo/v4"},
	"adapters/gin":                  {"adapters/internal/answer", "middleware", "session", "github.com/gin-gonic/gin"},
	"adapters/internal/answer":      {"internal/wire", "session"},
	"adapters/internal/adaptertest": {"*"},
	"client":                        {"session", "internal/wire", "golang.org/x/net/html", "golang.org/x/net/html/atom", "golang.org/x/sys/unix", "golang.org/x/sys/windows"},
	"internal/browser":              {},
	"internal/wire":                 {},
	"internal/testenv":              {"*"},
	"internal/fleet":                {"session"},
	"internal/chrometest":           {"*"},
	"luciatest":                     {"middleware", "session", "memstore", "client", "internal/wire", "golang.org/x/net/html", "golang.org/x/net/html/atom"},
	"examples":                      {"*"},
	"redisstore/internal":           {"*"},
}

// forTests are packages that nothing shipped may import.
var forTests = []string{"examples", "luciatest", "session/sessiontest", "adapters/internal/adaptertest", "internal/testenv", "internal/fleet", "internal/chrometest", "redisstore/internal"}

func TestImportRules(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		rule, ok := ruleOf(name)
		if !ok {
			t.Errorf("package %s has no import rule; add one", name)
			continue
		}
		for _, imported := range p.Imports {
			own, isOwn := strings.CutPrefix(imported, module+"/")
			if !isOwn && !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				continue // the standard library
			}
			if isOwn {
				imported = own
			}
			if !slices.Contains(rule, "*") && !slices.Contains(rule, imported) {
				t.Errorf("%s imports %s, which its import rule does not allow", name, imported)
			}
			if isOwn && isForTests(imported) && !isForTests(name) {
				t.Errorf("%s imports %s, which is for tests", name, imported)
			}
		}
	}
}

func ruleOf(name string) ([]string, bool) {
	for {
		if rule, ok := importRules[name]; ok {
			return rule, true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return nil, false
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

func listPackages(t *testing.T) (list []listedPackage) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}
