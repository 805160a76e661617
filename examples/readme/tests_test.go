package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
)

// newApp is the app as a function of its Auth, so that a test can start it with the Auth of a kit.
func newApp(auth *lucia.Auth[Profile]) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := auth.Session(r.Context()).User
		pages.ExecuteTemplate(w, "home", map[string]any{"Request": r, "User": user})
	})))
	return nethttp.Wrap(auth, mux)
}

// TestHome is the test that the README shows.
func TestHome(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, map[string]Profile{"u1": {Name: "Ada"}})
	browser := luciatest.NewBrowser(t, newApp(kit.Auth)) // your app, as a function of its Auth
	if page := kit.SignIn(browser, "u1").Open("/").Page(); !strings.Contains(page.Body, "Hello, Ada") {
		t.Errorf("Ada gets %d %s", page.Status, page.Body)
	}
}
