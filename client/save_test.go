package client_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

var errFull = errors.New("disk full")

// usages are the ways in which a program keeps its session fresh.
var usages = map[string]func(*testing.T, *client.Client[profile], func()){
	"transport": func(_ *testing.T, _ *client.Client[profile], fn func()) { fn() },
	"silent refresh": func(t *testing.T, c *client.Client[profile], fn func()) {
		withSilentRefresh(t, c, func(*reported) { fn() })
	},
}

// work uses the session every two minutes for an hour.
func work(t *testing.T, c *client.Client[profile]) {
	t.Helper()
	for range 30 {
		time.Sleep(2 * time.Minute)
		checkMe(t, c, "u1")
		synctest.Wait()
	}
}

// A failed save is repeated before the next refresh, and the next run of the program is signed in.
func TestFailedSaveIsRetried(t *testing.T) {
	t.Parallel()
	for name, use := range usages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, p := newWorld(t), newMemoryTokenStore()
				phone := w.signedIn(t)
				c := w.signedIn(t, p.in)
				use(t, c, func() {
					work(t, c)
					p.full(errFull)
					before := w.refreshes()
					for w.refreshes() == before {
						time.Sleep(time.Minute)
						checkMe(t, c, "u1")
						synctest.Wait()
					}
					if !p.empty() {
						t.Error("an older generation is saved")
					}
					p.full(nil)
					before = w.refreshes()
					time.Sleep(2 * time.Minute)
					checkMe(t, c, "u1")
					synctest.Wait()
					if p.empty() || w.refreshes() != before {
						t.Errorf("saved: %t, after %d more refreshes; want true after 0", !p.empty(), w.refreshes()-before)
					}
					time.Sleep(5 * time.Minute)
					checkMe(t, w.newClient(t, p.in), "u1")
				})
				next := w.newClient(t, p.in)
				if _, err := next.RefreshTokens(t.Context(), ""); err != nil {
					t.Errorf("the next run: %v", err)
				}
				if _, err := phone.RefreshTokens(t.Context(), ""); err != nil {
					t.Errorf("the other device: %v", err)
				}
			})
		})
	}
}

// Saving fails for hours. The saved session can be removed (the disk is full) or cannot. The client
// refreshes no more often than usual, and the server detects no reuse.
func TestSavingFailsForHours(t *testing.T) {
	t.Parallel()
	for use, using := range usages {
		for name, begin := range map[string]func(*memoryTokenStore, error){
			"disk full":   (*memoryTokenStore).full,
			"disk broken": func(p *memoryTokenStore, err error) { p.fail(nil, err) },
			"lock broken": func(p *memoryTokenStore, err error) { p.full(err); p.fail(err, err) },
		} {
			t.Run(use+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, p := newWorld(t), newMemoryTokenStore()
					phone := w.signedIn(t)
					c := w.signedIn(t, p.in)
					using(t, c, func() {
						begin(p, errFull)
						before := w.refreshes()
						for range 5 * 60 {
							time.Sleep(time.Minute)
							if resp, err := c.HTTPClient().Get(baseURL + "/api/me"); err == nil {
								resp.Body.Close()
							}
							synctest.Wait()
						}
						if n := w.refreshes() - before; n > 22 {
							t.Errorf("%d refreshes in five hours", n)
						}
					})
					if name == "full" {
						checkSignedOut(t, w.newClient(t, p.in)) // a later run is signed out
					}
					p.full(nil)
					p.fail(nil, nil)
					checkMe(t, c, "u1")
					time.Sleep(time.Minute)
					checkMe(t, c, "u1")
					checkMe(t, w.newClient(t, p.in), "u1")
					if _, err := phone.RefreshTokens(t.Context(), ""); err != nil {
						t.Errorf("the other device: %v", err)
					}
				})
			})
		}
	}
}

// Another run that finds no saved session must not use its own tokens, because they may be older
// than those that could not be saved.
func TestOtherRunLeavesASessionThatCouldNotBeSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newMemoryTokenStore()
		phone := w.signedIn(t)
		a := w.signedIn(t, p.in)
		b := w.newClient(t, p.in)
		p.full(errFull)
		work(t, a)
		before := w.refreshes()
		_, err := b.HTTPClient().Get(baseURL + "/api/me")
		if !errors.Is(err, session.CodeUnauthorized) || w.refreshes() != before {
			t.Errorf("%v after %d refreshes, want AUTH_UNAUTHORIZED after none", err, w.refreshes()-before)
		}
		checkSignedOut(t, b)
		checkMe(t, a, "u1")
		checkMe(t, phone, "u1")
	})
}

// A failure to save is reported once, and again if saving fails again after a success.
func TestSilentRefreshReportsFailedSavesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newMemoryTokenStore()
		c := w.signedIn(t, p.in)
		withSilentRefresh(t, c, func(errs *reported) {
			for range 2 {
				p.full(errFull)
				time.Sleep(time.Hour)
				p.full(nil)
				time.Sleep(time.Hour)
			}
			if want := []session.Code{session.CodeUnknown, session.CodeUnknown}; !slices.Equal(errs.get(), want) {
				t.Errorf("reported %v, want %v", errs.get(), want)
			}
		})
	})
}

// While an older generation is saved and cannot be removed, another rotation would make it even
// older. So the client uses its current tokens.
func TestNoRotationWhileAnOlderGenerationIsSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newMemoryTokenStore()
		c := w.signedIn(t, p.in)
		p.fail(nil, errFull)
		for range 3 {
			tokens, err := c.RefreshTokens(t.Context(), "")
			if err != nil || tokens.AccessToken != c.GetSession().Get().AccessToken {
				t.Errorf("%v, want the current tokens", err)
			}
			if err := c.SaveErr(); !errors.Is(err, client.ErrNotSaved) {
				t.Errorf("SaveErr = %v", err)
			}
			if n := w.refreshes(); n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
		}
		time.Sleep(accessTTL) // now the client must refresh
		checkMe(t, c, "u1")
		if n := w.refreshes(); n != 2 {
			t.Errorf("%d refreshes after the expiry, want 2", n)
		}
	})
}
