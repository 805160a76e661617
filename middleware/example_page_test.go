package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/lucia-go/lucia"
)

// Protect a page: people without a session are redirected to the login page, and back afterwards.
func ExampleAuth_Require() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login(auth))
	mux.Handle("GET /profile", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!", auth.Session(r.Context()).User.Data.Username)
	})))

	client := newClient(auth.Handler(mux))
	visit(client, "/profile")
	visit(client, "/login", url.Values{"user": {"u1"}})
	visit(client, "/profile")
	// Output:
	// GET /profile 303 to /login?next=%2Fprofile
	// POST /login 303 to /
	// GET /profile 200 Hello, ada!
}

// Use typed user data on a page that is open to everyone: Session is nil for signed-out visitors.
func ExampleAuth_Session() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login(auth))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		switch session := auth.Session(r.Context()); {
		case session == nil:
			fmt.Fprint(w, "Hello, stranger!")
		case session.User.Data.Admin:
			fmt.Fprintf(w, "Hello, %s (%s), admin!", session.User.Data.Username, session.User.ID)
		default:
			fmt.Fprintf(w, "Hello, %s (%s)!", session.User.Data.Username, session.User.ID)
		}
	})

	client := newClient(auth.Handler(mux))
	visit(client, "/")
	visit(client, "/login", url.Values{"user": {"u1"}})
	visit(client, "/")
	visit(client, "/login", url.Values{"user": {"u2"}})
	visit(client, "/")
	// Output:
	// GET / 200 Hello, stranger!
	// POST /login 303 to /
	// GET / 200 Hello, ada (u1), admin!
	// POST /login 303 to /
	// GET / 200 Hello, zoë (u2)!
}

// A router whose middleware runs only for some of its paths. The library's own routes, which the
// script of the page data needs, are mounted beside them.
func ExampleAuth_RoutesHandler() {
	auth := newAuth()
	defer auth.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /account", auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, lucia.PageData.HTML(r.Context()))
	})))
	mux.Handle(auth.BasePath()+"/", auth.RoutesHandler())

	for _, path := range []string{"/account", "/api/auth/client.js"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, w.Header().Get("Content-Type"))
	}
	// Output:
	// 200 text/html; charset=utf-8
	// 200 text/javascript; charset=utf-8
}
