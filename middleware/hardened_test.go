package middleware_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// In hardened mode no value that an app is given marshals to a token. The test covers the results
// of SignIn and the checks, the session after a refresh, a reload and at the upgrade to a
// WebSocket, and the responses of the routes.
func TestHardenedModeKeepsTokensOutOfJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, func(c *middleware.Config[profile]) { c.Hardened = true })
		values := 0
		check := func(what string, v any, err error) {
			t.Helper()
			data, _ := json.Marshal(v)
			if err != nil || !strings.Contains(string(data), `"user_id":"u1"`) {
				t.Errorf("%s: %s, %v", what, data, err)
			}
			if strings.Contains(string(data), "token") || strings.Contains(string(data), "ey") {
				t.Errorf("%s marshals to %s", what, data)
			}
			values++
		}
		inner := a.handler
		a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/in":
				s, err := a.auth.SignIn(w, r, "u1")
				check("SignIn", s, err)
				check("Session after SignIn", a.auth.Session(r.Context()), nil)
			case "/read":
				check("Session", a.auth.Session(r.Context()), nil)
				s, err := a.auth.ValidateRequestByCookie(r)
				check("ValidateRequestByCookie", s, err)
			case "/reload":
				if err := a.auth.Reload(w, r); err != nil {
					t.Error(err)
				}
				check("Session after Reload", a.auth.Session(r.Context()), nil)
			case "/form":
				s, err := a.auth.ValidateFormSubmission(r)
				check("ValidateFormSubmission", s, err)
			default:
				inner.ServeHTTP(w, r)
			}
		}))
		b := newBrowser(t, a)
		b.do("POST", "/in", nil)
		b.do("GET", "/read", nil)
		time.Sleep(16 * time.Minute)
		b.do("GET", "/read", nil, "Upgrade", "websocket")
		b.do("GET", "/read", nil)
		b.do("GET", "/reload", nil)
		b.do("POST", "/form", strings.NewReader("bio=x"), "Content-Type", "application/x-www-form-urlencoded")
		want(t, "values", values, 10)

		for _, route := range []string{"GET /api/auth/session", "POST /api/auth/refresh", "GET /page"} {
			method, path, _ := strings.Cut(route, " ")
			resp := b.do(method, path, nil, "Sec-Fetch-Site", "same-origin")
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || strings.Contains(string(body), "_token") || strings.Contains(string(body), `"ey`) {
				t.Errorf("%s: %d %s", route, resp.StatusCode, body)
			}
		}
	})
}
