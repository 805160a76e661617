package middleware_test

import (
	"encoding/json"
	"testing"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/middleware"
)

// TestBodiesAreThoseOfTheWire decodes the bodies that are written without encoding/json, and
// encodes them with it.
func TestBodiesAreThoseOfTheWire(t *testing.T) {
	for _, hardened := range []bool{false, true} {
		a := newApp(t, func(c *middleware.Config[profile]) { c.Hardened = hardened })
		b := newBrowser(t, a).signIn("u1")
		check := func(body string, v any) {
			t.Helper()
			if err := json.Unmarshal([]byte(body), v); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if again, err := json.Marshal(v); err != nil || string(again) != body {
				t.Errorf("hardened %v: the body is\n%s, want\n%s, %v", hardened, body, again, err)
			}
		}
		var header []string
		if !hardened {
			header = []string{"Authorization", "Bearer " + b.bearer}
		}
		check(text(t, b.do("POST", "/api/auth/refresh", nil, header...)), new(wire.Refreshed))
		type user struct {
			ID       string `json:"user_id"`
			Username string `json:"username"`
		}
		type session struct {
			User         user   `json:"user"`
			AccessToken  string `json:"access_token,omitempty"`
			RefreshToken string `json:"refresh_token,omitempty"`
		}
		type body struct {
			Session   *session `json:"_lucia"`
			ExpiresIn int64    `json:"expires_in"`
			SessionID string   `json:"session_id,omitempty"`
		}
		var signedIn, none body
		check(text(t, b.do("GET", "/api/auth/session", nil)), &signedIn)
		want(t, "session", signedIn.Session != nil && signedIn.SessionID != "" && signedIn.ExpiresIn > 0, true)
		want(t, "tokens", signedIn.Session.RefreshToken != "", !hardened)
		check(text(t, newBrowser(t, a).do("GET", "/api/auth/session", nil)), &none)
		want(t, "no session", none.Session == nil && none.SessionID == "", true)
	}
}
