package luciatest_test

import (
	"fmt"
	"html/template"
	"net/http"

	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/middleware"
)

type profile struct {
	Username string `json:"username"`
}

var users = map[string]profile{"u1": {Username: "ada"}, "u2": {Username: "bob"}}

var pages = template.Must(template.New("").Funcs(middleware.FuncMap()).Parse(`
{{define "login"}}<!doctype html><title>Sign in</title>
<form method="get" action="/search"><input name="q"></form>
<form method="post"><input type="hidden" name="next" value="/profile">
<input name="username"><input name="password" type="password"><button>Sign in</button></form>
{{lucia .Context}}{{end}}
{{define "profile"}}<!doctype html><title>Profile</title><h1>{{.Name}}</h1>
<form method="post">{{luciaField .Context}}<textarea name="bio">
first line</textarea>
<select name="colour"><option value="red">Red<option value="blue" selected>Blue</select>
<input type="checkbox" name="news" checked><input type="checkbox" name="spam"><input name="gone" value="x" disabled>
<input type="submit" name="save" value="Save"></form>
{{lucia .Context}}{{end}}`))

// newApp returns a typical app on net/http.
func newApp(auth *middleware.Auth[profile]) http.Handler {
	mux := http.NewServeMux()
	render := func(w http.ResponseWriter, r *http.Request, name string) {
		data := struct {
			Context any
			Name    string
		}{Context: r.Context()}
		if s := auth.Session(r.Context()); s != nil {
			data.Name = s.User.Data.Username
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := pages.ExecuteTemplate(w, name, data); err != nil {
			panic(err)
		}
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { render(w, r, "login") })
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { render(w, r, "login") })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("password") != "secret" {
			http.Error(w, "wrong password", http.StatusUnauthorized)
			return
		}
		if _, err := auth.SignIn(w, r, r.PostFormValue("username")); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, r.PostFormValue("next"), http.StatusSeeOther)
	})
	mux.Handle("GET /profile", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		render(w, r, "profile")
	})))
	mux.HandleFunc("POST /profile", func(w http.ResponseWriter, r *http.Request) {
		s, err := auth.ValidateFormSubmission(r)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		fmt.Fprintln(w, s.User.Data.Username, r.PostForm["bio"], r.PostForm["colour"], r.PostForm["news"],
			r.PostForm["spam"], r.PostForm["gone"], r.PostForm["save"])
	})
	mux.HandleFunc("GET /api/me", func(w http.ResponseWriter, r *http.Request) {
		s, err := auth.ValidateRequest(r)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		fmt.Fprint(w, s.User.Data.Username)
	})
	return nethttp.Wrap(auth, mux)
}
