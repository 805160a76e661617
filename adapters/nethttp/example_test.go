package nethttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
)

type Profile struct {
	Username string `json:"username"`
}

func loadProfile(_ context.Context, id string) (Profile, error) {
	return Profile{Username: "name of " + id}, nil
}

// newAuth returns the Auth of the examples. A real app takes the secret from its environment.
func newAuth() *lucia.Auth[Profile] {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   []byte("32 random bytes from the environment"),
		Store:    memstore.New(),
		LoadUser: loadProfile,
	})
	if err != nil {
		panic(err)
	}
	return auth
}

// show signs in with a POST to /login and opens the profile.
func show(app http.Handler) {
	page := httptest.NewRequest("GET", "/profile", nil)
	page.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	app.ServeHTTP(w, page)
	fmt.Println("signed out:", w.Code, w.Header().Get("Location"))

	in := httptest.NewRecorder()
	app.ServeHTTP(in, httptest.NewRequest("POST", "/login", nil))
	r := httptest.NewRequest("GET", "/profile", nil)
	for _, cookie := range in.Result().Cookies() {
		r.AddCookie(cookie)
	}
	w = httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println("signed in:", w.Code, w.Body)
}

func Example() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, "u1"); err != nil { // after checking the password
			lucia.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/profile", http.StatusSeeOther)
	})
	mux.Handle("GET /profile", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, auth.Session(r.Context()).User.Data.Username)
	})))
	app := nethttp.Wrap(auth, mux) // http.ListenAndServe(addr, app)

	show(app)
	// Output:
	// signed out: 303 /login?next=%2Fprofile
	// signed in: 200 name of u1
}

// chi and similar routers take the middleware as it is: r.Use(auth.Handler).
func Example_chi() {
	auth := newAuth()
	var app http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			if _, err := auth.SignIn(w, r, "u1"); err != nil {
				lucia.WriteError(w, err)
			}
			return
		}
		fmt.Fprint(w, auth.Session(r.Context()).User.ID)
	})
	protectProfile := func(next http.Handler) http.Handler {
		protected := auth.Require(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/profile" {
				protected.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	chain := []func(http.Handler) http.Handler{auth.Handler, protectProfile} // the first is the outermost
	for i := len(chain) - 1; i >= 0; i-- {
		app = chain[i](app)
	}

	show(app)
	// Output:
	// signed out: 303 /login?next=%2Fprofile
	// signed in: 200 u1
}

// Without a middleware around the app, Mount adds the routes, and Require runs the middleware's
// core for the handlers that it protects.
func ExampleMount() {
	auth := newAuth()
	mux := http.NewServeMux()
	nethttp.Mount(mux, auth)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/api/auth/session", nil))
	fmt.Println(w.Code, w.Body)
	// Output:
	// 200 {"_lucia":null,"expires_in":0}
}

// Require as middleware of a router: of chi's With, or, as here, called with the handler. AskStore
// refuses a session that has ended in another process at once.
func ExampleRequire() {
	auth := newAuth()
	protected := nethttp.Require(auth, lucia.AskStore())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, "u1"); err != nil {
			lucia.WriteError(w, err)
		}
	})
	mux.Handle("GET /profile", protected(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, auth.Session(r.Context()).User.Data.Username)
	})))

	show(nethttp.Wrap(auth, mux))
	// Output:
	// signed out: 303 /login?next=%2Fprofile
	// signed in: 200 name of u1
}
