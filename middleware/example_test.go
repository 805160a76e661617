package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/memstore"
)

// Profile is what the example's pages need to know of a user.
type Profile struct {
	Username string `json:"username"`
	Admin    bool   `json:"admin,omitempty"`
}

var profiles = map[string]Profile{"u1": {Username: "ada", Admin: true}, "u2": {Username: "zoë"}}

// newAuth returns the Auth of the examples.
func newAuth() *lucia.Auth[Profile] {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret: []byte("32 random bytes from the environ"),
		Store:  memstore.New(),
		LoadUser: func(_ context.Context, id string) (Profile, error) {
			profile, ok := profiles[id]
			if !ok {
				return Profile{}, lucia.ErrUserNotFound
			}
			return profile, nil
		},
	})
	if err != nil {
		panic(err)
	}
	return auth
}

// login signs in the user that the form names. A real app checks the password first.
func login(auth *lucia.Auth[Profile]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, r.FormValue("user")); err != nil {
			http.Error(w, "could not sign in", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// newClient returns a client with a cookie jar for an app. It does not follow redirects.
func newClient(app http.Handler) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err)
	}
	return &http.Client{
		Jar:           jar,
		Transport:     luciatest.Transport(app),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// visit opens a page, or submits a form, and prints the response.
func visit(client *http.Client, path string, form ...url.Values) string {
	method, body := "GET", ""
	if len(form) > 0 {
		method, body = "POST", form[0].Encode()
	}
	r, err := http.NewRequest(method, "https://app.example"+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(client, r)
}

// send sends a request, prints the status and the Location or the text of the response, and
// returns the text.
func send(client *http.Client, r *http.Request) string {
	resp, err := client.Do(r)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	said := strings.TrimSpace(string(text))
	if to := resp.Header.Get("Location"); to != "" {
		said = "to " + to
	}
	fmt.Println(r.Method, r.URL.Path, resp.StatusCode, said)
	return string(text)
}
