package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// A script on a sibling host reads the tokens from a page that the app's CORS policy lets it read.
// The browser also sends the fingerprint cookie, because the site is the same. The origin gives the
// script away.
func TestBearerRequestFromAnotherOriginIsJudgedByTrustedOrigins(t *testing.T) {
	const sibling, friend = "https://blog.example.com", "https://spa.example.com"
	a := newApp(t, func(c *middleware.Config[profile]) { c.TrustedOrigins = []string{friend} })
	b := newBrowser(t, a).signIn("u1")
	checks := map[string]func(w http.ResponseWriter, r *http.Request) error{
		"ValidateRequest": func(_ http.ResponseWriter, r *http.Request) error {
			_, err := a.auth.ValidateRequest(r)
			return err
		},
		"Session": func(_ http.ResponseWriter, r *http.Request) error {
			if a.auth.Session(r.Context()) == nil {
				return session.CodeInvalidRequest
			}
			return nil
		},
		"SignOut": func(w http.ResponseWriter, r *http.Request) error { return a.auth.SignOut(w, r) },
	}
	for _, test := range []struct {
		name    string
		headers []string
		ours    bool
	}{
		{"own page", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://example.com"}, true},
		{"no browser", nil, true},
		{"trusted origin", []string{"Sec-Fetch-Site", "same-site", "Origin", friend}, true},
		{"sibling host", []string{"Sec-Fetch-Site", "same-site", "Origin", sibling}, false},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"sibling host, no fetch metadata", []string{"Origin", sibling}, false},
		{"opaque origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, false},
	} {
		headers := append([]string{"Authorization", "Bearer " + b.access}, test.headers...)
		want(t, test.name+": private page", b.send(b.request("GET", "/private", nil, headers...)).StatusCode == 200, test.ours)
		for name, check := range checks {
			for _, method := range []string{"GET", "POST"} {
				if name == "SignOut" && (method == "GET" || test.ours) {
					continue
				}
				var err error
				h := a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { err = check(w, r) }))
				h.ServeHTTP(httptest.NewRecorder(), b.request(method, "/", nil, headers...))
				if test.ours != (err == nil) || err != nil && session.CodeOf(err) != session.CodeInvalidRequest {
					t.Errorf("%s: %s of a %s: %v", test.name, name, method, err)
				}
			}
		}
	}
	want(t, "the session goes on", b.navigate("/page"), "u1 fresh")
}

// The middleware has skipped the request, so no other code has checked its origin.
func TestCookieCheckOfASkippedRequestJudgesItsOrigin(t *testing.T) {
	a := newApp(t, func(c *middleware.Config[profile]) {
		c.Skip = func(r *http.Request) bool { return r.URL.Path == "/ws" }
	})
	b := newBrowser(t, a).signIn("u1")
	var err error
	h := a.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err = a.auth.ValidateRequestByCookie(r)
	}))
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Fetch-Dest", "websocket"}
	for _, test := range []struct {
		name    string
		headers []string
		ours    bool
	}{
		{"own page's WebSocket", append([]string{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"}, upgrade...), true},
		{"no browser's WebSocket", upgrade, true},
		{"sibling's WebSocket", append([]string{"Origin", "http://blog.example.com", "Sec-Fetch-Site", "same-site"}, upgrade...), false},
		{"sibling's WebSocket, no fetch metadata", append([]string{"Origin", "http://blog.example.com"}, upgrade...), false},
		{"another site's WebSocket with a bearer token", append([]string{"Origin", "http://evil.example", "Authorization", "Bearer x"}, upgrade...), false},
		{"a link on another site", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, true},
	} {
		for _, path := range []string{"/ws", "/not-skipped"} {
			h.ServeHTTP(httptest.NewRecorder(), b.request("GET", path, nil, test.headers...))
			if test.ours != (err == nil) || err != nil && session.CodeOf(err) != session.CodeInvalidRequest {
				t.Errorf("%s, %s: %v", test.name, path, err)
			}
		}
	}
}
