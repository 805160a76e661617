package client_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// exampleApp is an app at https://app.example that the examples sign in to. It
// needs no network.
func exampleApp() http.RoundTripper {
	auth, err := lucia.New(lucia.Config[profile]{
		Secret:   []byte(rand.Text() + rand.Text()),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (profile, error) { return profile{"ada"}, nil },
	})
	if err != nil {
		panic(err)
	}
	return luciatest.Transport(newApp(auth))
}

// Sign in through the app's login form, ask its API, sign out.
func Example() {
	ctx := context.Background()
	c, err := client.New[profile](ctx, client.Config{
		BaseURL:   "https://app.example",
		Transport: exampleApp(), // leave it out to use the network
	})
	if err != nil {
		panic(err)
	}

	s, err := c.SignIn(ctx, "/login", url.Values{"username": {"u1"}, "password": {"secret"}})
	if err != nil {
		panic(err)
	}
	fmt.Println("signed in as", s.User.Data.Username)

	resp, err := c.HTTPClient().Get("https://app.example/api/me")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println("the API answers", resp.StatusCode)

	if err := c.SignOut(ctx); err != nil {
		panic(err)
	}
	fmt.Println("session:", c.GetSession().Get())
	// Output:
	// signed in as ada
	// the API answers 200
	// session: <nil>
}

// A command-line tool signs in once and stays signed in from run to run.
func ExampleNewFileStore() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	config := client.Config{
		BaseURL:    "https://app.example",
		TokenStore: client.NewFileStore(filepath.Join(dir, "session.json")),
		Transport:  exampleApp(),
	}

	first, err := client.New[profile](ctx, config)
	if err != nil {
		panic(err)
	}
	if _, err := first.SignIn(ctx, "/login", url.Values{"username": {"u1"}, "password": {"secret"}}); err != nil {
		panic(err)
	}

	second, err := client.New[profile](ctx, config) // another run
	if err != nil {
		panic(err)
	}
	fmt.Println("still signed in as", second.GetSession().Get().User.Data.Username)
	// Output: still signed in as ada
}

// A program that runs for a long time renews its tokens in the background.
func ExampleClient_HandleSilentRefresh() {
	ctx, cancel := context.WithCancel(context.Background())
	c, err := client.New[profile](ctx, client.Config{BaseURL: "https://app.example", Transport: exampleApp()})
	if err != nil {
		panic(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.HandleSilentRefresh(ctx, func(err error) {
			if errors.Is(err, session.CodeUnauthorized) {
				fmt.Println("the session is over; sign in again")
			}
		})
	}()

	// … the program's work …

	cancel()
	<-stopped
	// Output:
}

// Other parts of a program follow the session.
func ExampleSessionStore_Subscribe() {
	ctx := context.Background()
	c, err := client.New[profile](ctx, client.Config{BaseURL: "https://app.example", Transport: exampleApp()})
	if err != nil {
		panic(err)
	}
	unsubscribe := c.GetSession().Subscribe(func(s *session.Session[profile]) {
		if s == nil {
			fmt.Println("signed out")
			return
		}
		fmt.Println(s.User.Data.Username)
	})
	defer unsubscribe()

	if _, err := c.SignIn(ctx, "/login", url.Values{"username": {"u1"}, "password": {"secret"}}); err != nil {
		panic(err)
	}
	c.GetSession().Update(func(s *session.Session[profile]) *session.Session[profile] {
		changed := *s // the app has saved a new name
		changed.User.Data.Username = "ada lovelace"
		return &changed
	})
	if err := c.SignOut(ctx); err != nil {
		panic(err)
	}
	// Output:
	// signed out
	// ada
	// ada lovelace
	// signed out
}

// The codes are those of the server.
func ExampleError() {
	ctx := context.Background()
	c, err := client.New[profile](ctx, client.Config{BaseURL: "https://app.example", Transport: exampleApp()})
	if err != nil {
		panic(err)
	}
	_, err = c.SignIn(ctx, "/login", url.Values{"username": {"u1"}, "password": {"a guess"}})
	fmt.Println(errors.Is(err, session.CodeUnauthorized))
	fmt.Println(err)
	// Output:
	// true
	// client: sign in: AUTH_UNAUTHORIZED (status 401)
}
