package testenv

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// installing is locked while npm installs packages.
var installing sync.Mutex

// InstallPackages installs the npm packages of the package-lock.json in dir into
// dir/node_modules, unless they are there in these versions. It runs no scripts of the packages. If
// npm is missing or its registry does not answer, the test ends as [Missing] describes.
func InstallPackages(t testing.TB, dir string) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	if installed(dir) {
		return
	}
	npm := Require(t, "npm")
	out, err := exec.CommandContext(t.Context(), npm, "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund").CombinedOutput()
	if err != nil {
		Missing(t, "npm", "npm ci --prefix "+dir+" failed: "+err.Error()+"\n"+string(out))
	}
}

// installed reports whether all packages of the lock file are installed in its versions.
func installed(dir string) bool {
	type version struct {
		Version string `json:"version"`
	}
	var lock struct{ Packages map[string]version }
	if readJSON(filepath.Join(dir, "package-lock.json"), &lock) != nil || len(lock.Packages) < 2 {
		return false
	}
	for path, want := range lock.Packages { // the path of the app itself is empty
		var got version
		if path != "" && (readJSON(filepath.Join(dir, path, "package.json"), &got) != nil || got != want) {
			return false
		}
	}
	return true
}

func readJSON(file string, out any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, out)
}
