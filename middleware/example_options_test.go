package middleware_test

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/middleware"
)

// A "remember me" box, and an administrator who acts as a customer for a while.
func Example_signInOptions() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		userID := r.PostFormValue("user") // after checking the password
		auth.SignIn(w, r, userID, lucia.Remember(r.PostFormValue("remember") != ""))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("POST /act", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		customerID := r.PostFormValue("customer") // after checking that the administrator may do this
		auth.SignIn(w, r, customerID, lucia.Actor(auth.Session(r.Context()).User.ID, "ticket 12"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})))
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		if err := auth.StopActing(w, r); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := auth.Session(r.Context())
		fmt.Fprintf(w, "user %s, forgotten when the browser closes: %v", s.User.ID, s.Short)
		if s.Actor != nil {
			fmt.Fprintf(w, ", acted by %s for %s", s.Actor.ID, s.Actor.Reason)
		}
	})))

	browser := newClient(auth.Handler(mux))
	visit(browser, "/login", url.Values{"user": {"u1"}, "remember": {"on"}})
	visit(browser, "/")
	visit(browser, "/act", url.Values{"customer": {"u2"}})
	visit(browser, "/")
	visit(browser, "/stop", url.Values{})
	visit(browser, "/")
	// Output:
	// POST /login 303 to /
	// GET / 200 user u1, forgotten when the browser closes: false
	// POST /act 303 to /
	// GET / 200 user u2, forgotten when the browser closes: true, acted by u1 for ticket 12
	// POST /stop 303 to /
	// GET / 200 user u1, forgotten when the browser closes: false
}
