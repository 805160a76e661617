package demo

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/lucia-go/lucia"
)

//go:embed pages/*.html
var pageFiles embed.FS

// templates returns the pages: "home", "login", "signup", "profile", "devices", "danger", "again"
// and "error".
func templates() *template.Template {
	return template.Must(template.New("").Funcs(lucia.FuncMap()).Funcs(template.FuncMap{"ago": Ago, "stamp": Stamp}).ParseFS(pageFiles, "pages/*.html"))
}

// Render writes a page of the site's templates. If rendering fails, it answers 500 and never
// sends half a page.
func (s *Site) Render(w http.ResponseWriter, name string, v *View) {
	var b bytes.Buffer
	if err := s.Templates.ExecuteTemplate(&b, name, v); err != nil {
		s.log.Error("cannot render page", "page", name, "error", err)
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(v.Status)
	w.Write(b.Bytes())
}

// WriteJSON answers an API request. body must be marshalable.
func WriteJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(body)
}

// Challenge adds to a 401 for a script the header that tells the library's clients that a refresh
// may help.
func Challenge(h http.Header, err error) {
	if lucia.Status(err) == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="lucia", error="invalid_token"`)
	}
}
