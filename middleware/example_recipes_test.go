package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// A change of password ends all sessions of the user on all devices and begins a new one for the
// browser that sent it.
func Example_changePassword() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login(auth))
	mux.Handle("GET /profile", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "a profile")
	})))
	mux.Handle("POST /password", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		userID := auth.Session(r.Context()).User.ID
		// … check the old password, save the new one …
		if err := auth.RevokeUser(r.Context(), userID); err != nil {
			middleware.WriteError(w, err)
			return
		}
		if _, err := auth.SignIn(w, r, userID); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/profile", http.StatusSeeOther)
	})))

	app := auth.Handler(mux)
	phone, laptop := newClient(app), newClient(app)
	visit(phone, "/login", url.Values{"user": {"u1"}})
	visit(laptop, "/login", url.Values{"user": {"u1"}})
	visit(laptop, "/password", url.Values{})
	visit(laptop, "/profile")
	visit(phone, "/profile")
	// Output:
	// POST /login 303 to /
	// POST /login 303 to /
	// POST /password 303 to /profile
	// GET /profile 200 a profile
	// GET /profile 303 to /login?next=%2Fprofile
}

// A page on which people see their sessions and end any of them.
func Example_sessions() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login(auth))
	mux.Handle("GET /sessions", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := auth.Sessions(r.Context(), auth.Session(r.Context()).User.ID)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		// A device also has a label ("Firefox on Windows"), the prefix of its address, and the
		// times at which it began and was last active.
		here := slices.ContainsFunc(list, func(d middleware.Device) bool { return d.Current })
		fmt.Fprintf(w, "%d sessions, this one among them: %v", len(list), here)
	})))
	mux.Handle("POST /sessions/end", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		userID := auth.Session(r.Context()).User.ID
		id, err := session.ParseID(r.PostFormValue("id"))
		if err != nil {
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		list, err := auth.Sessions(r.Context(), userID)
		known := slices.ContainsFunc(list, func(d middleware.Device) bool { return d.ID == id })
		if err == nil && !known { // already ended, or never existed
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		if err == nil {
			err = auth.EndSession(r.Context(), userID, id)
		}
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/sessions", http.StatusSeeOther)
	})))

	app := auth.Handler(mux)
	phone, laptop := newClient(app), newClient(app)
	visit(phone, "/login", url.Values{"user": {"u1"}})
	list, _ := auth.Sessions(context.Background(), "u1")
	visit(laptop, "/login", url.Values{"user": {"u1"}})
	visit(laptop, "/sessions")
	visit(laptop, "/sessions/end", url.Values{"id": {session.NewID().String()}})
	for _, device := range list { // a real page has a form for each
		visit(laptop, "/sessions/end", url.Values{"id": {device.ID.String()}})
	}
	visit(laptop, "/sessions")
	// Output:
	// POST /login 303 to /
	// POST /login 303 to /
	// GET /sessions 200 2 sessions, this one among them: true
	// POST /sessions/end 404 no such session
	// POST /sessions/end 303 to /sessions
	// GET /sessions 200 1 sessions, this one among them: true
}

// Refusals in the app's own words: pages for people, problem details (RFC 9457) for programs.
func ExampleConfig_deny() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   []byte("32 random bytes from the environ"),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (Profile, error) { return Profile{}, nil },
		Deny: func(w http.ResponseWriter, r *http.Request, denial *middleware.Denial) error {
			switch {
			case !denial.Person:
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(denial.Status)
				fmt.Fprintf(w, `{"title":%q,"status":%d}`, http.StatusText(denial.Status), denial.Status)
			case denial.Code == session.CodeDatabaseFetchFailed:
				http.Error(w, "The session store is unavailable. You are still signed in.", denial.Status)
			default:
				return denial // the login page
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}

	client := newClient(auth.Require(http.NotFoundHandler()))
	visit(client, "/profile")
	r, err := http.NewRequest("GET", "https://app.example/api/me", nil)
	if err != nil {
		panic(err)
	}
	send(client, r)
	// Output:
	// GET /profile 303 to /login?next=%2Fprofile
	// GET /api/me 401 {"title":"Unauthorized","status":401}
}
