package client_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

// TestRequestsCountAsActivity checks that a person who uses the program keeps the session. Silent
// refresh alone does not keep it, and an unattended program does not either.
func TestRequestsCountAsActivity(t *testing.T) {
	t.Parallel()
	const idle = 30 * time.Minute
	const bound = idle + lucia.DefaultAccessTTL + lucia.DefaultGrace
	for _, tt := range []struct {
		name       string
		every      time.Duration // between requests; 0: none
		unattended bool
		lives      bool
	}{
		{"a person", 29 * time.Minute, false, true},
		{"a busy person", time.Minute, false, true},
		{"silent refresh alone", 0, false, false},
		{"an unattended job", time.Minute, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(c *lucia.Config[profile]) { c.IdleTimeout = idle })
				c := w.signedIn(t, func(cfg *client.Config) { cfg.Unattended = tt.unattended })
				withSilentRefresh(t, c, func(errs *reported) {
					for begin := time.Now(); time.Since(begin) < bound+time.Minute; {
						time.Sleep(max(tt.every, time.Minute))
						if tt.every > 0 && c.GetSession().Get() != nil {
							resp, err := c.HTTPClient().Get(baseURL + "/api/me")
							if err == nil {
								resp.Body.Close()
							}
						}
						if age := time.Since(begin); c.GetSession().Get() == nil && (tt.lives || age < idle) {
							t.Fatalf("signed out after %v", age)
						}
					}
					want := "[]"
					if !tt.lives {
						want = fmt.Sprint([]session.Code{session.CodeUnauthorized})
					}
					if got := fmt.Sprint(errs.get()); got != want || (c.GetSession().Get() != nil) != tt.lives {
						t.Errorf("signed in: %v, reported %s, want %v, %s", c.GetSession().Get() != nil, got, tt.lives, want)
					}
				})
			})
		})
	}
}
