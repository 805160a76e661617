package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Sign in: check the password, then SignIn sets the cookies.
func ExampleAuth_SignIn() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("password") != "correct horse" { // a real app compares hashes
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		_, err := auth.SignIn(w, r, "u1")
		switch {
		case errors.Is(err, session.CodeInvalidRequest):
			http.Error(w, "please use the form of this site", http.StatusForbidden)
		case err != nil:
			http.Error(w, "please try again", middleware.Status(err))
		default:
			http.Redirect(w, r, middleware.ReturnPath(r, "/profile"), http.StatusSeeOther)
		}
	})

	client := newClient(auth.Handler(mux))
	visit(client, "/login", url.Values{"password": {"guess"}})
	visit(client, "/login?next=/orders", url.Values{"password": {"correct horse"}})
	visit(client, "/login?next=//evil.example", url.Values{"password": {"correct horse"}})
	// Output:
	// POST /login 401 wrong name or password
	// POST /login 303 to /orders
	// POST /login 303 to /profile
}

// Sign out everywhere: all sessions of the user end, on every device.
func ExampleAuth_RevokeUser() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login(auth))
	mux.Handle("/profile", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "a profile")
	})))
	mux.Handle("POST /everywhere", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := auth.RevokeUser(r.Context(), auth.Session(r.Context()).User.ID); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	})))

	app := auth.Handler(mux)
	phone, laptop := newClient(app), newClient(app)
	visit(phone, "/login", url.Values{"user": {"u1"}})
	visit(laptop, "/login", url.Values{"user": {"u1"}})
	visit(laptop, "/everywhere", url.Values{})
	visit(phone, "/profile")
	visit(laptop, "/profile")
	// Output:
	// POST /login 303 to /
	// POST /login 303 to /
	// POST /everywhere 303 to /login
	// GET /profile 303 to /login?next=%2Fprofile
	// GET /profile 303 to /login?next=%2Fprofile
}
