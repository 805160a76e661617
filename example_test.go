package lucia_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// OnEvent tells the app what happened. The app keeps an audit trail, and writes to the user after a
// theft.
func ExampleEvent() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (Profile, error) { return Profile{Username: "ada"}, nil },
		OnEvent: func(e lucia.Event) {
			switch e.Kind {
			case session.EventBegan:
				fmt.Println(e.UserID, "signed in")
			case session.EventEnded:
				fmt.Println(e.UserID, "has ended a session:", e.Cause == session.CauseUser)
			case session.EventActing:
				fmt.Println(e.Actor, "acts as", e.UserID, "for", e.Reason)
			case session.EventReuse:
				fmt.Println("write to", e.UserID, "that someone had a copy of their session")
			case session.EventUnavailable:
				fmt.Println("wake someone up")
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer auth.Close()
	app := nethttp.Wrap(auth, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, "u1"); err != nil {
			lucia.Error(w, r, err)
		}
		if err := auth.SignOut(w, r); err != nil {
			lucia.Error(w, r, err)
		}
	}))
	app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "https://app.example/", nil))
	if err := auth.Flush(context.Background()); err != nil { // waits for the events
		log.Fatal(err)
	}
	// Output:
	// u1 signed in
	// u1 has ended a session: true
}

// The code of an error that the library has returned is safe to show.
func ExampleCodeOf() {
	err := fmt.Errorf("saving the form: %w", lucia.CodeUnauthorized)
	fmt.Println(lucia.CodeOf(err), lucia.Status(err))
	fmt.Println(lucia.CodeOf(fmt.Errorf("disk is full")), lucia.Status(fmt.Errorf("disk is full")))
	// Output:
	// AUTH_UNAUTHORIZED 401
	// UNKNOWN 500
}

// A page that puts the page data and the script into different places.
func ExampleScriptTag() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (Profile, error) { return Profile{Username: "ada"}, nil },
		Nonce:    func(context.Context) string { return "r4nd0m" },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer auth.Close()
	app := nethttp.Wrap(auth, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<head>", lucia.ScriptTag.HTML(r.Context()), "</head>")
		fmt.Fprint(w, "<body>", lucia.DataBlock.HTML(r.Context()), "</body>")
	}))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/", nil))
	head, body, _ := strings.Cut(w.Body.String(), "</head>")
	fmt.Println(strings.Contains(head, `nonce="r4nd0m"`), strings.Contains(body, `{"_lucia":null}`))
	// Output: true true
}
