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

// uses is how a program uses its session.
var uses = map[string]func(*testing.T, *client.Client[profile], func()){
	"transport":      func(_ *testing.T, _ *client.Client[profile], fn func()) { fn() },
	"silent refresh": func(t *testing.T, c *client.Client[profile], fn func()) { silently(t, c, func(*told) { fn() }) },
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

// A save that fails once is repeated before the next refresh, and the next run of the program is
// signed in.
func TestOneFailedSaveIsMadeUpFor(t *testing.T) {
	t.Parallel()
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, p := newWorld(t), newPlace()
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
						t.Errorf("saved: %t, after %d more refreshes; want it saved after none", !p.empty(), w.refreshes()-before)
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

// Saving fails for hours. What is saved can be removed (a full disk), or not even that. The
// server is not asked more often than usual, and no reuse is detected.
func TestNothingCanBeSaved(t *testing.T) {
	t.Parallel()
	for use, using := range uses {
		for name, begin := range map[string]func(*place, error){
			"full":          (*place).full,
			"out of order":  func(p *place, err error) { p.fail(nil, err) },
			"lock is stuck": func(p *place, err error) { p.full(err); p.fail(err, err) },
		} {
			t.Run(use+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, p := newWorld(t), newPlace()
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
						checkNobody(t, w.newClient(t, p.in)) // later, at worst signed out
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

// Another run that finds nothing saved must not continue with its tokens, because they may be
// older than those that could not be saved.
func TestOtherRunLeavesASessionThatCouldNotBeSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newPlace()
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
		checkNobody(t, b)
		checkMe(t, a, "u1")
		checkMe(t, phone, "u1")
	})
}

// A failure to save is reported once, and again after it has recovered and returned.
func TestSilentRefreshTellsOnceThatNothingIsSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newPlace()
		c := w.signedIn(t, p.in)
		silently(t, c, func(errs *told) {
			for range 2 {
				p.full(errFull)
				time.Sleep(time.Hour)
				p.full(nil)
				time.Sleep(time.Hour)
			}
			if want := []session.Code{session.CodeUnknown, session.CodeUnknown}; !slices.Equal(errs.get(), want) {
				t.Errorf("told %v, want %v", errs.get(), want)
			}
		})
	})
}

// While an older generation is saved and cannot be removed, another rotation would make it even
// older, so the current tokens are used.
func TestNoFurtherGenerationWhileAnOlderOneIsSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newPlace()
		c := w.signedIn(t, p.in)
		p.fail(nil, errFull)
		for range 3 {
			tokens, err := c.RefreshTokens(t.Context(), "")
			if err != nil || tokens.AccessToken != c.GetSession().Get().AccessToken {
				t.Errorf("%v, want the present tokens", err)
			}
			if err := c.SaveErr(); !errors.Is(err, client.ErrNotSaved) {
				t.Errorf("SaveErr = %v", err)
			}
			if n := w.refreshes(); n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
		}
		time.Sleep(accessTTL) // now it is that or nothing
		checkMe(t, c, "u1")
		if n := w.refreshes(); n != 2 {
			t.Errorf("%d refreshes after the expiry, want 2", n)
		}
	})
}
