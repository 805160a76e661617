package middleware_test

import (
	"bytes"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/middleware"
)

func TestReturnField(t *testing.T) {
	t.Parallel()
	page := template.Must(template.New("").Funcs(middleware.FuncMap()).Parse(`{{ luciaReturn . }}`))
	for _, test := range []struct{ name, query, body, want string }{
		{"none", "", "", ""},
		{"query", "?next=%2Fprivate%3Fa%3D1%26b%3D2", "", `<input type="hidden" name="next" value="/private?a=1&amp;b=2">`},
		{"body", "", "name=ada&next=%2Fprivate", `<input type="hidden" name="next" value="/private">`},
		{"markup", "?next=%2F%22%3Cscript%3E", "", `<input type="hidden" name="next" value="/&#34;&lt;script&gt;">`},
		{"another site", "?next=%2F%2Fevil.example", "", ""},
		{"script", "?next=javascript%3Aalert(1)", "", ""},
		{"broken query", "?next=%zz", "", ""},
		{"broken body", "", "next=%zz", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := func() *http.Request {
				if test.body == "" {
					return httptest.NewRequest("GET", "/login"+test.query, nil)
				}
				r := httptest.NewRequest("POST", "/login"+test.query, strings.NewReader(test.body))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				return r
			}
			var templ, html bytes.Buffer
			if err := middleware.ReturnField(request()).Render(t.Context(), &templ); err != nil {
				t.Error(err)
			}
			if err := page.Execute(&html, request()); err != nil {
				t.Error(err)
			}
			want(t, "templ", templ.String(), test.want)
			want(t, "html/template", html.String(), test.want)
		})
	}
}

// A person opens a page, mistypes the password, signs in, and returns to that page.
func TestReturnPathSurvivesTheLoginForm(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	mux := http.NewServeMux()
	login := func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("password") == "right" {
			if _, err := a.auth.SignIn(w, r, "u1"); err != nil {
				t.Error(err)
			}
			http.Redirect(w, r, middleware.ReturnPath(r, "/"), http.StatusSeeOther)
			return
		}
		middleware.ReturnField(r).Render(r.Context(), w)
	}
	mux.HandleFunc("/login", login)
	mux.Handle("/private", a.auth.Require(http.NotFoundHandler()))
	a.handler = a.auth.Handler(mux)
	b := newBrowser(t, a)

	resp := b.do("GET", "/private?a=1&b=2", nil, "Sec-Fetch-Dest", "document")
	for _, password := range []string{"wrong", "wrong again", "right"} {
		target := resp.Header.Get("Location")
		if target != "" {
			resp = b.do("GET", target, nil, "Sec-Fetch-Dest", "document")
		}
		_, value, _ := strings.Cut(text(t, resp), `value="`)
		value, _, _ = strings.Cut(value, `"`)
		form := url.Values{"password": {password}, "next": {strings.ReplaceAll(value, "&amp;", "&")}}
		resp = b.do("POST", "/login", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	}
	want(t, "status", resp.StatusCode, 303)
	want(t, "Location", resp.Header.Get("Location"), "/private?a=1&b=2")
}
