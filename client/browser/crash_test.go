package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Browsers write cookies to disk late. One that is killed seconds after a
// refresh comes back with the older refresh token, which must not look like a
// thief's. The second case shows that the danger is real: without settle, the
// use of the new access token counts as proof that the browser has saved it.
func TestBrowserKilledAfterRefresh(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy  func(*middleware.Config[profile])
		outcome session.Outcome
		after   string
	}{
		"with settle, signed in": {
			func(c *middleware.Config[profile]) { c.Settle, c.Grace = time.Minute, 30*time.Second },
			session.Repeated, "u1",
		},
		"without settle, taken for a thief": {
			func(c *middleware.Config[profile]) {
				c.Settle, c.Grace, c.OnEvent = -1, time.Millisecond, nil
			},
			session.Reused, "nobody",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 65*time.Second, c.policy)
			profile := t.TempDir()

			browser := chrometest.StartOn(t, profile)
			signIn(t, s, browser.Owner(), "u1")
			browser.Close(t) // the sign-in is on disk

			browser = chrometest.StartOn(t, profile)
			tab := another(t, s, browser.Owner())
			tab.Eval("lucia.refreshTokens()", nil)
			tab.Until(anotherSecond)
			if me := tab.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != "u1" {
				t.Fatalf("the API answers %q", me)
			}
			if err := s.auth.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			browser.Kill(t)
			if n := s.store.count(session.Rotated); n != 1 {
				t.Fatalf("%d rotations before the crash, want 1", n)
			}

			browser = chrometest.StartOn(t, profile)
			tab = browser.Owner().Tab(t)
			tab.Open(s.URL + "/")
			tab.Until("window.ready")
			tab.Eval("code(lucia.refreshTokens())", nil)
			if n := s.store.count(c.outcome); n != 1 {
				t.Errorf("the older token was %v %d times, want once; the store has decided %v", c.outcome, n, s.store.outcomes)
			}
			tab.Open(s.URL + "/")
			if who := tab.Text("document.querySelector('#who').innerText"); who != c.after {
				t.Errorf("the page is of %s, want %s", who, c.after)
			}
		})
	}
}
