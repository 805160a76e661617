package middleware_test

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"

	"github.com/a-h/templ"

	"github.com/lucia-go/lucia/middleware"
)

// html/template: {{lucia .Context}} keeps a page signed in.
func ExampleFuncMap() {
	auth := newAuth()
	page := template.Must(template.New("page").Funcs(middleware.FuncMap()).Parse(
		"<title>Home</title>\n{{lucia .Context}}\n"))
	app := auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.Execute(w, r)
	}))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(withoutVersion(w.Body.String()))
	// Output:
	// <title>Home</title>
	// <script type="application/json" id="lucia-page-data">{"_lucia":null}</script>
	// <script type="module" src="/api/auth/auto.js?v=…"></script>
}

// In templ, @middleware.PageData in a component does the same, here with data of the app next to
// the session. From
//
//	templ home() { <title>Home</title> @middleware.PageData.With(flags) }
//
// templ generates a function such as this one.
func ExampleComponent() {
	auth := newAuth()
	home := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		io.WriteString(w, "<title>Home</title>\n")
		return middleware.PageData.With(map[string]bool{"dark": true}).Render(ctx, w)
	})
	w := httptest.NewRecorder()
	auth.Handler(templ.Handler(home)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(withoutVersion(w.Body.String()))
	// Output:
	// <title>Home</title>
	// <script type="application/json" id="lucia-page-data">{"_lucia":null,"dark":true}</script>
	// <script type="module" src="/api/auth/auto.js?v=…"></script>
}

// withoutVersion cuts the version of the browser module out of a page and starts a line with
// each script element.
func withoutVersion(page string) string {
	page = strings.ReplaceAll(page, "><script", ">\n<script")
	return regexp.MustCompile(`\?v=[0-9a-f]+`).ReplaceAllString(page, "?v=…")
}

// The login form carries the path of the page that the person requested.
func ExampleReturnField() {
	page := template.Must(template.New("login").Funcs(middleware.FuncMap()).Parse(
		`<form method="post" action="/login">
{{luciaReturn .}}
<button>Sign in</button></form>`))
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/login?next=%2Fprofile", nil)
	page.Execute(w, r)
	fmt.Println(w.Body)
	fmt.Println(middleware.ReturnField(r).HTML(r.Context())) // for other template libraries
	// Output:
	// <form method="post" action="/login">
	// <input type="hidden" name="next" value="/profile">
	// <button>Sign in</button></form>
	// <input type="hidden" name="next" value="/profile">
}
