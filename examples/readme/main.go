// Command readme is the program of the README.
package main

import (
	"cmp"
	"context"
	"html/template"
	"log"
	"net/http"
	"os"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
)

type Profile struct { // what pages know of a user
	Name string `json:"name"`
}

var users = map[string]Profile{"u1": {Name: "Ada"}} // in place of your table

var pages = template.Must(template.New("").Funcs(lucia.FuncMap()).Parse(`
{{define "login"}}<form method="post" action="/login">{{luciaReturn .Request}}
  <button>Sign in as Ada</button></form>{{end}}
{{define "home"}}{{lucia .Request.Context}}<p>Hello, {{.User.Data.Name}}</p>
  <form method="post" action="/api/auth/logout">{{luciaField .Request.Context}}
  <button>Sign out</button></form>{{end}}`))

func main() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret: []byte(cmp.Or(os.Getenv("LUCIA_SECRET"), "development only: 32 random bytes")),
		Store:  memstore.New(), // or redisstore.New(client), sqlstore.New(db, sqlstore.Postgres)
		LoadUser: func(_ context.Context, id string) (Profile, error) {
			if profile, ok := users[id]; ok {
				return profile, nil
			}
			return Profile{}, lucia.ErrUserNotFound // in SQL: if errors.Is(err, sql.ErrNoRows)
		},
		Dev: true, // cookies for plain http; leave it out in production
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		pages.ExecuteTemplate(w, "login", map[string]any{"Request": r})
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, "u1"); err != nil { // after you have checked the password
			lucia.Error(w, r, err)
			return
		}
		http.Redirect(w, r, lucia.ReturnPath(r, "/"), http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := auth.Session(r.Context()).User
		pages.ExecuteTemplate(w, "home", map[string]any{"Request": r, "User": user})
	})))
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nethttp.Wrap(auth, mux)))
}
