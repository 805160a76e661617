package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lucia-go/lucia/client"
)

// A program that tells an ended session from a failure that passes, and says so if the session
// could not be saved.
func ExampleClient_SaveErr() {
	ctx := context.Background()
	c, err := client.New[profile](ctx, client.Config{BaseURL: "https://app.example", Transport: exampleApp()})
	if errors.Is(err, client.ErrSavedSession) {
		fmt.Println("sign in again: the file of the session cannot be read")
	}
	if err != nil {
		panic(err)
	}
	if _, err := c.SignIn(ctx, "/login", url.Values{"username": {"u1"}, "password": {"secret"}}); err != nil {
		panic(err)
	}

	tokens, err := c.RefreshTokens(ctx, "") // the session's own
	var failed *client.Error
	switch {
	case errors.As(err, &failed) && failed.Gone():
		fmt.Println("sign in again")
	case err != nil:
		fmt.Println("try again later:", err)
	default:
		fmt.Println("valid for minutes:", tokens.ExpiresIn > 10*time.Minute)
	}
	if err := c.SaveErr(); errors.Is(err, client.ErrNotSaved) {
		fmt.Println("the next run has to sign in:", err)
	}
	// Output: valid for minutes: true
}

// An http.Client of the program's own, and the session as the server has it now.
func ExampleTransport() {
	ctx := context.Background()
	c, err := client.New[profile](ctx, client.Config{BaseURL: "https://app.example", Transport: exampleApp()})
	if err != nil {
		panic(err)
	}
	if _, err := c.SignIn(ctx, "/login", url.Values{"username": {"u1"}, "password": {"secret"}}); err != nil {
		panic(err)
	}
	own := http.Client{Transport: &client.Transport[profile]{Client: c}}
	resp, err := own.Get("https://app.example/api/me")
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	s, err := c.FetchSession(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(resp.StatusCode, s.User.Data.Username)
	// Output: 200 ada
}
