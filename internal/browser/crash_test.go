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

// Browsers write cookies to disk late. One that is killed seconds after a
// refresh comes back with the older refresh token, which must not look like a
// thief's. The second case shows that the danger is real: without settle, the
// use of the new access token counts as proof that the browser has saved it.
//
// Chromium writes on a timer of half a minute that may have begun at any time
// before, so now and then the newer token does reach the disk. The cookies of
// the start are therefore put back after the crash: the disk as it is where
// nothing was written. Tokens live too long for a silent refresh to be due.
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
		"without settle, taken for a thief": {
			func(c *middleware.Config[profile]) {
				c.Settle, c.Grace, c.OnEvent = -1, time.Millisecond, nil
			},
			session.Reused, "nobody",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, time.Hour, c.policy)
			profile := t.TempDir()

			browser := chrometest.StartOn(t, profile)
			signIn(t, s, browser.Owner(), "u1")
			browser.Close(t) // the sign-in is on disk
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
				t.Errorf("the older token was %v %d times, want once; the store has decided %v", c.outcome, n, s.store.decisions())
			}
			tab.Open(s.URL + "/")
			if who := tab.Text("document.querySelector('#who').innerText"); who != c.after {
				t.Errorf("the page is of %s, want %s", who, c.after)
			}
		})
	}
}

// cookies are the files of a profile that hold its cookies, by path; nil is a
// file that does not exist.
type cookies map[string][]byte

// readCookies reads the cookies of a browser that is closed. Their folder
// depends on the version, and SQLite keeps what it has not finished beside them.
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

// restore puts new files, as they were, in place of what the killed browser left.
// Where one of its processes may outlive it for a moment (see chrometest), that
// has only the old ones open.
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
