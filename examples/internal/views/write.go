package views

import (
	"bytes"
	"embed"
	"net/http"

	"github.com/a-h/templ"

	"github.com/lucia-go/lucia/examples/internal/demo"
)

//go:generate go run github.com/a-h/templ/cmd/templ@v0.3.1100 generate -path ../..

// Static is the script that the pages need beside those of all examples.
//
//go:embed static/htmx.min.js
var Static embed.FS

// Page is a page of this package.
type Page func(*demo.View) templ.Component

// Write renders a component as the answer to r, whole or not at all. The context of r has
// the session: components of the library read it from there.
func Write(w http.ResponseWriter, r *http.Request, status int, component templ.Component) error {
	var b bytes.Buffer
	if err := component.Render(r.Context(), &b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}
