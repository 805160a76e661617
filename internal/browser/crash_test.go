package browser_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// TestBrowserKilledAfterRefresh covers a browser that is killed seconds after a refresh. Browsers
// write cookies to disk late, so it comes back with the older refresh token, which must not count
// as stolen. The second case shows that the danger is real: without settle, the first use of the
// new access token counts as proof that the browser has saved it.
// Chromium writes on a timer of half a minute that may have begun earlier, so sometimes the newer
// token reaches the disk. The test therefore restores the cookies of the start after the crash, as
// if nothing had been written. The tokens live too long for a silent refresh.
func TestBrowserKilledAfterRefresh(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy  func(*middleware.Config[profile])
		outcome session.Outcome
		after   string
	}{
		"with settle, signed in": {
			func(c *middleware.Config[profile]) { c.Settle, c.Grace = 10*time.Minute, 30*time.Second },
			session.Repeated, "u1",
		},
		"without settle, counted as reuse": {
			func(c *middleware.Config[profile]) {
				c.Settle, c.Grace, c.OnEvent = -1, time.Millisecond, nil
			},
			session.Reused, "no session",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, time.Hour, c.policy)
			profile := t.TempDir()

			browser := chrometest.StartOn(t, profile)
			signIn(t, s, browser.Owner(), "u1")
			browser.Close(t) // writes the cookies of the sign-in to disk
			saved := readCookies(t, profile)

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
			saved.restore(t)
			if n := s.store.count(session.Rotated); n != 1 {
				t.Fatalf("%d rotations before the crash, want 1", n)
			}

			browser = chrometest.StartOn(t, profile)
			tab = browser.Owner().Tab(t)
			tab.Open(s.URL + "/")
			tab.Until("window.ready")
			tab.Eval("code(lucia.refreshTokens())", nil)
			if n := s.store.count(c.outcome); n != 1 {
				t.Errorf("the older token was %v %d times, want once; all decisions: %v", c.outcome, n, s.store.decisions())
			}
			tab.Open(s.URL + "/")
			if who := tab.Text("document.querySelector('#who').innerText"); who != c.after {
				t.Errorf("the page shows %s, want %s", who, c.after)
			}
		})
	}
}

// cookies has the files in which a profile keeps its cookies, by path. A nil value means that the
// file does not exist.
type cookies map[string][]byte

// readCookies reads the cookie files of a closed browser. Their folder depends on the version, and
// SQLite keeps its journal beside them.
func readCookies(t *testing.T, profile string) cookies {
	t.Helper()
	files, found := cookies{}, false
	for _, name := range []string{"Cookies", "Network/Cookies"} {
		for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
			path := filepath.Join(profile, "Default", name+suffix)
			body, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			files[path] = body
			found = found || suffix == "" && err == nil
		}
	}
	if !found {
		t.Fatalf("no cookies in %s", profile)
	}
	return files
}

// restore replaces the files that the killed browser left. It creates new ones, because a process
// of that browser may still have the old ones open for a moment (see chrometest).
func (files cookies) restore(t *testing.T) {
	t.Helper()
	for path, body := range files {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err == nil && body != nil {
			err = os.WriteFile(path, body, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
