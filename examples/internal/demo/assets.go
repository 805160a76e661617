package demo

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var staticFiles embed.FS

// StaticPath is the path of the static files.
const StaticPath = "/static/"

// Assets are the static files. Their URLs contain a hash of the content, so that browsers may
// cache them indefinitely.
type Assets struct{ files map[string]asset }

type asset struct {
	body    []byte
	version string
}

// NewAssets returns the files of all examples.
func NewAssets() (*Assets, error) {
	a := &Assets{files: map[string]asset{}}
	return a, a.Add(staticFiles)
}

// Add adds the files of a directory "static". Call it before the first request.
func (a *Assets) Add(files fs.FS) error {
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("asset: %w", err)
		}
		const short = 8 // bytes; it only has to be unique
		sum := sha256.Sum256(body)
		a.files[path.Base(name)] = asset{body, hex.EncodeToString(sum[:short])}
	}
	return nil
}

// URL returns the URL of a file. It changes with the file.
func (a *Assets) URL(name string) string { return StaticPath + name + "?v=" + a.files[name].version }

// ServeHTTP implements http.Handler.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, StaticPath)
	file, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == file.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	w.Header().Set("ETag", `"`+file.version+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(file.body))
}
