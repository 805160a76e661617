package libraries_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/testenv"
)

// library is a page-swapping library that the browser module must work with.
type library struct {
	name    string   // its usual name with the version
	npm     string   // its alias in testdata/package.json
	kind    string   // "htmx", "turbo" or "unpoly"
	scripts []string // paths in the package
	styles  []string // paths in the package
	app     string   // the app's own set-up in testdata/app, if it needs one

	hardened bool // the server is in hardened mode
}

var libraries = []library{
	{name: "htmx 1.9", npm: "htmx-1.9", kind: "htmx", scripts: []string{"dist/htmx.min.js"}, app: "htmx.js"},
	{name: "htmx 2.0", npm: "htmx-2.0", kind: "htmx", scripts: []string{"dist/htmx.min.js"}, app: "htmx.js"},
	{name: "htmx 4.0", npm: "htmx-4.0", kind: "htmx", scripts: []string{"dist/htmx.min.js"}},
	// htmx 4 keeps no pages for the Back button, unless an app adds this extension.
	{
		name: "htmx 4.0 with hx-history-cache", npm: "htmx-4.0", kind: "htmx",
		scripts: []string{"dist/htmx.min.js", "dist/ext/hx-history-cache.min.js"},
	},
	{name: "Turbo 7", npm: "turbo-7", kind: "turbo", scripts: []string{"dist/turbo.es2017-umd.js"}},
	{name: "Turbo 8", npm: "turbo-8", kind: "turbo", scripts: []string{"dist/turbo.es2017-umd.js"}},
	{
		name: "Unpoly 3", npm: "unpoly-3", kind: "unpoly",
		scripts: []string{"unpoly.min.js"}, styles: []string{"unpoly.min.css"}, app: "unpoly.js",
	},
}

// idle returns an expression that is true when the library has swapped in all that it requested.
func (l library) idle() string {
	switch l.kind {
	case "htmx":
		return `!document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")`
	case "turbo":
		return `!document.querySelector("[aria-busy=true], [busy], [data-turbo-preview]") && !document.documentElement.ariaBusy`
	}
	return `!up.network.isBusy()`
}

// TestLibraries tests the browser module with the real libraries in a real browser. All libraries
// run the same scenarios, unless they lack the feature.
func TestLibraries(t *testing.T) {
	runScenarios(t, false, func(s scenario, lib library) bool { return s.only == "" || strings.Contains(s.only, lib.npm) })
}

// TestHardened runs the scenarios that do not use tokens with a server in hardened mode.
func TestHardened(t *testing.T) {
	runScenarios(t, true, func(s scenario, _ library) bool { return s.hardened })
}

// runScenarios runs the scenarios that fit, with each library.
func runScenarios(t *testing.T, hardened bool, fits func(scenario, library) bool) {
	t.Parallel()
	testenv.Require(t, "chromium")
	testenv.InstallPackages(t, dir)
	chromium := chrometest.Start(t)
	for _, lib := range libraries {
		lib.hardened = hardened
		t.Run(lib.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range scenarios {
				if fits(s, lib) {
					t.Run(s.name, func(t *testing.T) { s.run(t, chromium, lib) })
				}
			}
		})
	}
}

// dir is where npm installs the libraries.
const dir = "testdata"

// packageFile is a package's entry in package.json or package-lock.json.
type packageFile struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// lockedPackages returns the packages of package-lock.json, by alias.
func lockedPackages() (map[string]packageFile, error) {
	data, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct{ Packages map[string]packageFile }
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, err
	}
	locked := map[string]packageFile{}
	for path, p := range lock.Packages {
		if alias, ok := strings.CutPrefix(path, "node_modules/"); ok {
			locked[alias] = p
		}
	}
	return locked, nil
}

// TestReadmeNamesTheLibraries checks that the README names the versions of the tests.
func TestReadmeNamesTheLibraries(t *testing.T) {
	t.Parallel()
	locked, err := lockedPackages()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, lib := range libraries {
		p, ok := locked[lib.npm]
		if !ok {
			t.Fatalf("%s: package-lock.json has no %s", lib.name, lib.npm)
		}
		used[lib.npm] = true
		if name, _, _ := strings.Cut(lib.name, " with "); !strings.HasPrefix(p.Version, name[strings.LastIndexByte(name, ' ')+1:]+".") {
			t.Errorf("%s is tested with %s", lib.name, p.Version)
		}
		name := p.Name
		if name == "" {
			name = lib.npm
		}
		if row := fmt.Sprintf("| %s | `%s` %s |", lib.name, name, p.Version); !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row that begins with %s", row)
		}
	}
	for alias := range locked {
		if !used[alias] {
			t.Errorf("package-lock.json has %s, which no test uses", alias)
		}
	}
}
