package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/memstore"
)

// Settings beyond the three that are required, each with a reason to change it.
func ExampleConfig_settings() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   []byte("32 random bytes from the environ"),
		Store:    memstore.New(),
		LoadUser: func(_ context.Context, id string) (Profile, error) { return profiles[id], nil },

		AccessTTL:     lucia.DefaultAccessTTL / 3,                                       // roles change often
		Short:         lucia.Short{RefreshTTL: 8 * time.Hour, Lifetime: 24 * time.Hour}, // shared computers
		MaxSessions:   5,
		AtMaxSessions: lucia.RefuseNew, // people end a session themselves
		ClientAddress: lucia.NoAddress,
		Feed:          lucia.NoFeed, // one process
		FeedLost:      lucia.FeedLostAskStore,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close()
	fmt.Println(auth.BasePath())
	// Output: /api/auth
}

// A session for one organization that ends with the working day. LoadUser is told which.
func Example_organization() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret: []byte("32 random bytes from the environ"),
		Store:  memstore.New(),
		LoadUser: func(ctx context.Context, id string) (Profile, error) {
			return Profile{Username: id + " at " + lucia.TermsOf(ctx).Attributes["org"]}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		options := []lucia.SignInOption{lucia.With("org", r.PostFormValue("org"))}
		if r.PostFormValue("guest") != "" {
			options = append(options, lucia.EndsBy(time.Now().Add(8*time.Hour)))
		}
		if _, err := auth.SignIn(w, r, "u1", options...); err != nil {
			lucia.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := auth.Session(r.Context())
		fmt.Fprint(w, s.User.Data.Username, ", ends today: ", !s.EndsBy.IsZero())
	}), lucia.AskStore())) // the store's word on every request

	client := newClient(auth.Handler(mux))
	visit(client, "/login", url.Values{"org": {"acme"}, "guest": {"yes"}})
	visit(client, "/")
	// Output:
	// POST /login 303 to /
	// GET / 200 u1 at acme, ends today: true
}

// A page that is open to everyone tells a signed-out visitor from an unavailable store.
func ExampleOutcome() {
	auth := newAuth()
	app := auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch outcome := auth.Outcome(r.Context()); {
		case outcome.HasSession():
			fmt.Fprint(w, "Hello, ", auth.Session(r.Context()).User.ID)
		case outcome == lucia.OutcomeUnavailable:
			fmt.Fprint(w, "You may be signed in. Please try again in a moment.")
		default:
			fmt.Fprint(w, "Please sign in.")
		}
	}))
	visit(newClient(app), "/")
	// Output: GET / 200 Please sign in.
}

// A person changes their profile: it has to fit into the cookies, and pages show it at once.
func ExampleAuth_Reload() {
	auth := newAuth()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login(auth))
	mux.Handle("POST /profile", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		userID := auth.Session(r.Context()).User.ID
		if err := auth.CheckUser(userID, Profile{Username: r.PostFormValue("name")}); err != nil {
			http.Error(w, "That name is too long.", http.StatusBadRequest)
			return
		}
		// … save the name …
		if err := auth.Reload(w, r); err != nil { // this browser, in this response
			lucia.Error(w, r, err)
			return
		}
		if err := auth.ReloadUser(r.Context(), userID); err != nil { // the other devices
			lucia.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})))
	mux.Handle("POST /password", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// … save the new password …
		ended, err := auth.EndOthers(w, r) // this browser stays signed in
		if err != nil {
			lucia.Error(w, r, err)
			return
		}
		fmt.Fprint(w, ended, " other sessions have ended.")
	})))

	app := auth.Handler(mux)
	phone, laptop := newClient(app), newClient(app)
	visit(phone, "/login", url.Values{"user": {"u1"}})
	visit(laptop, "/login", url.Values{"user": {"u1"}})
	visit(laptop, "/profile", url.Values{"name": {"Ada"}})
	visit(laptop, "/password", url.Values{})
	// Output:
	// POST /login 303 to /
	// POST /login 303 to /
	// POST /profile 303 to /
	// POST /password 200 1 other sessions have ended.
}

// A stream of events that ends with its session.
func ExampleAuth_Ended() {
	var auth *lucia.Auth[Profile] // of lucia.New
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-auth.Ended(r.Context()):
				return
			case <-r.Context().Done(): // the client is gone
				return
			case now := <-tick.C:
				fmt.Fprintf(w, "data: %v\n\n", now)
				http.NewResponseController(w).Flush()
			}
		}
	})
}

// An endpoint that a page's script loads with its cookies.
func ExampleAuth_ValidateRequestByCookie() {
	auth := newAuth()
	app := auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := auth.ValidateRequestByCookie(r)
		switch {
		case err != nil && lucia.IsPage(r):
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		case err != nil:
			lucia.WriteError(w, err)
		default:
			fmt.Fprint(w, session.User.ID)
		}
	}))
	visit(newClient(app), "/me")
	// Output: GET /me 303 to /login
}
