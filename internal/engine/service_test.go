package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// TestTokenForOutlivesNoSession checks that a token for another service lives no longer than the
// session can: until its own end, or until its longest life is over. It also checks the actor.
func TestTokenForOutlivesNoSession(t *testing.T) {
	t.Parallel()
	const ttl = 10 * time.Minute
	for name, c := range map[string]struct {
		terms session.Terms
		wait  time.Duration
		life  time.Duration
	}{
		"far from its end":    {session.Terms{}, 0, ttl},
		"at its own end":      {session.Terms{EndsBy: time.Date(2000, 1, 1, 0, 4, 0, 0, time.UTC)}, time.Minute, 3 * time.Minute},
		"at its longest life": {session.Terms{}, 55 * time.Minute, 5 * time.Minute},
		"with an actor":       {session.Terms{Actor: &session.Actor{ID: "admin", Reason: "ticket 7"}}, 0, ttl},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, func(c *engine.Config[profile]) {
					c.Issuer, c.AccessTTL, c.RefreshTTL, c.Lifetime = "https://app.example.com", time.Hour, time.Hour, time.Hour
				})
				s, err := a.Begin(t.Context(), engine.SignInParams{UserID: "u1", Terms: c.terms})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.wait)
				token, err := a.TokenFor(s.Session, "orders", ttl)
				if err != nil {
					t.Fatal(err)
				}
				claims := claimsOf(t, token)
				if life := time.Duration(claims["exp"].(float64)-claims["iat"].(float64)) * time.Second; life != c.life {
					t.Errorf("the token lives for %v, want %v", life, c.life)
				}
				actor, _ := claims["act"].(map[string]any)
				if want := c.terms.Actor; (want == nil) != (actor == nil) || want != nil && actor["sub"] != want.ID {
					t.Errorf("act %v, want %v", actor, want)
				}
			})
		})
	}
}
