// Package people contains what the programs share: users, their carts and a page.
package people

import (
	"context"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/lucia-go/lucia"
)

// Profile is the data about a user that pages need.
type Profile struct {
	Name string `json:"name"`
}

// users takes the place of the app's table.
var users = map[string]struct{ name, password string }{
	"u1": {"Ada", "secret"},
	"u2": {"Grace", "hopper"},
}

// Check returns the id of the user who has the name and password.
func Check(name, password string) (id string, ok bool) {
	for id, user := range users {
		if user.name == name && user.password == password {
			return id, true
		}
	}
	return "", false
}

// Name returns a user's name, or "" if there is no such user.
func Name(id string) string { return users[id].name }

// IsAdmin reports whether a user may see other users.
func IsAdmin(id string) bool { return id == "u2" }

// Load is the app's LoadUser.
func Load(_ context.Context, id string) (Profile, error) {
	user, ok := users[id]
	if !ok {
		return Profile{}, lucia.ErrUserNotFound
	}
	return Profile{user.name}, nil
}

// Carts holds the carts of users. It takes the place of the app's table.
type Carts struct {
	mu    sync.Mutex
	items map[string][]string
}

// Add adds items to a user's cart.
func (c *Carts) Add(userID string, items ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items == nil {
		c.items = map[string][]string{}
	}
	for _, item := range items {
		if item != "" {
			c.items[userID] = append(c.items[userID], item)
		}
	}
}

// Of returns a user's cart, with commas between the items.
func (c *Carts) Of(userID string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.items[userID], ",")
}

// View is what the page shows.
type View struct {
	Name, Cart, Notice string
	Head, Field        template.HTML // lucia's page data and hidden field
	SignOut            string        // the action of the form that signs out
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>Shop</title>{{.Head}}
{{with .Notice}}<p role="status">{{.}}</p>{{end}}
<p>{{with .Name}}Hello, {{.}}.{{else}}Hello, stranger. <a href="/login">Sign in</a>{{end}}</p>
<p>Cart: {{.Cart}}</p>
<form method="post" action="/cart"><input name="item"><button>Add</button></form>
{{if .Name}}<form method="post" action="{{.SignOut}}">{{.Field}}<button name="out" value="1">Sign out</button></form>{{end}}`))

// Show writes the page.
func Show(w http.ResponseWriter, view View) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page.Execute(w, view)
}

var login = template.Must(template.New("").Parse(`<!doctype html><title>Sign in</title>
<form method="post" action="/login">{{.}}
<label>Username <input name="username"></label>
<label>Password <input name="password" type="password"></label>
<button>Sign in</button></form>`))

// ShowLogin writes the login page. The return field may be empty.
func ShowLogin(w http.ResponseWriter, returnField template.HTML) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	login.Execute(w, returnField)
}
