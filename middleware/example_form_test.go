package middleware_test

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/lucia-go/lucia/middleware"
)

// A form with a hidden field: the template writes the field, and the handler checks it. The form
// is accepted even if its access token expires while the person fills it in.
func ExampleAuth_ValidateFormSubmission() {
	auth := newAuth()
	page := template.Must(template.New("bio").Funcs(middleware.FuncMap()).Parse(
		`<form method="post">{{luciaField .Context}}<input name="bio"></form>`))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login(auth))
	mux.HandleFunc("GET /bio", func(w http.ResponseWriter, r *http.Request) { page.Execute(w, r) })
	mux.HandleFunc("POST /bio", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		session, err := auth.ValidateFormSubmission(r)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		fmt.Fprintf(w, "%s is %s", session.User.Data.Username, r.PostFormValue("bio"))
	})

	client := newClient(auth.Handler(mux))
	visit(client, "/login", url.Values{"user": {"u1"}})
	visit(client, "/bio", url.Values{"bio": {"sent by another page"}})

	resp, err := client.Get("https://app.example/bio")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	visit(client, "/bio", url.Values{"bio": {"a programmer"}, "_lucia": {fieldOf(resp)}})
	// Output:
	// POST /login 303 to /
	// POST /bio 401 {"message":"AUTH_INVALID_ACCESS_TOKEN"}
	// POST /bio 200 ada is a programmer
}

// fieldOf returns the value of the hidden field in a page.
func fieldOf(resp *http.Response) string {
	var page strings.Builder
	resp.Write(&page)
	_, after, _ := strings.Cut(page.String(), `name="_lucia" value="`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}
