package middleware_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"

	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
)

// Protect an API that scripts call with the access token of the page. The token alone is useless:
// the browser sends the fingerprint cookie with it.
func ExampleAuth_ValidateRequest() {
	auth := newAuth()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := auth.ValidateRequest(r)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		json.NewEncoder(w).Encode(session.User)
	})

	in := httptest.NewRecorder()
	session, err := auth.SignIn(in, httptest.NewRequest("POST", "/login", nil), "u1")
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("GET", "https://app.example/api/me", nil)
	r.RequestURI = ""
	r.Header.Set("Authorization", "Bearer "+string(session.AccessToken))
	client := &http.Client{Transport: luciatest.Transport(auth.Handler(api))}
	send(client, r) // a thief has the token but not the cookies

	for _, cookie := range in.Result().Cookies() {
		r.AddCookie(cookie)
	}
	send(client, r)
	// Output:
	// GET /api/me 401 {"message":"AUTH_INVALID_ACCESS_TOKEN"}
	// GET /api/me 200 {"user_id":"u1","username":"ada","admin":true}
}
