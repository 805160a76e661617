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

// OnEvent tells the operator what happened. After a theft the app writes to the user.
func ExampleEvent() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (Profile, error) { return Profile{Username: "ada"}, nil },
		OnEvent: func(e lucia.Event) {
			switch e.Kind {
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
	// Output:
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
