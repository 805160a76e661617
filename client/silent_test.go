package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

// told records the calls of onError.
type told struct {
	mu    sync.Mutex
	codes []session.Code
}

func (e *told) onError(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.codes = append(e.codes, session.CodeOf(err))
}

func (e *told) get() []session.Code {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.codes
}

// silently runs fn while HandleSilentRefresh runs, and waits for its end.
func silently(t *testing.T, c *client.Client[profile], fn func(*told)) {
	t.Helper()
	var errs told
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.HandleSilentRefresh(ctx, errs.onError)
	}()
	fn(&errs)
	cancel()
	<-done
}

func TestSilentRefreshAMinuteBeforeExpiry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ttl, wait time.Duration
	}{
		"default":             {15 * time.Minute, 14 * time.Minute},
		"just over a minute":  {70 * time.Second, 10 * time.Second},
		"a minute":            {time.Minute, 40 * time.Second},
		"less than a minute":  {30 * time.Second, 20 * time.Second},
		"a second at a time":  {3 * time.Second, 2 * time.Second},
		"no more than needed": {61 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(cfg *lucia.Config[profile]) { cfg.AccessTTL = c.ttl })
				cl := w.signedIn(t)
				// Two at once do no harm.
				silently(t, cl, func(errs *told) {
					silently(t, cl, func(*told) {
						const rounds = 10
						for i := range rounds {
							time.Sleep(c.wait - time.Millisecond)
							synctest.Wait()
							if n := w.refreshes(); n != i {
								t.Fatalf("%d refreshes before the time, want %d", n, i)
							}
							time.Sleep(time.Millisecond)
							synctest.Wait()
							if n := w.refreshes(); n != i+1 {
								t.Fatalf("%d refreshes, want %d", n, i+1)
							}
						}
						checkMe(t, cl, "u1")
					})
					if len(errs.get()) > 0 {
						t.Errorf("errors %v", errs.get())
					}
				})
			})
		})
	}
}

func TestSilentRefreshThroughOutages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin, end func(*world)
		code       session.Code
	}{
		"store":   {func(w *world) { w.Store.Down() }, func(w *world) { w.Store.Up() }, session.CodeDatabaseFetchFailed},
		"network": {func(w *world) { w.breakNetwork(errors.New("cut")) }, func(w *world) { w.breakNetwork(nil) }, session.CodeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				cl := w.signedIn(t)
				silently(t, cl, func(errs *told) {
					for outage := 1; outage <= 2; outage++ {
						c.begin(w)
						before := w.refreshes()
						time.Sleep(2 * time.Hour)
						if n := w.refreshes() - before; n < 60 || n > 300 {
							t.Errorf("%d attempts in two hours", n)
						}
						// Once per outage, and the session is kept.
						if codes := errs.get(); len(codes) != outage || codes[outage-1] != c.code {
							t.Errorf("told %v, want %s once per outage", codes, c.code)
						}
						if cl.GetSession().Get() == nil {
							t.Fatal("the session is gone")
						}
						c.end(w)
						time.Sleep(time.Minute)
						checkMe(t, cl, "u1")
						time.Sleep(time.Hour)
					}
				})
			})
		})
	}
}

// During an outage one attempt may fail at the network and the next at the session store.
func TestAnOutageOfManyFacesIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cl := w.signedIn(t)
		silently(t, cl, func(errs *told) {
			w.Store.Down()
			var tries atomic.Int32
			w.onRequest(func(*http.Request) error {
				if tries.Add(1)%2 == 0 {
					return errors.New("cut")
				}
				return nil
			})
			time.Sleep(time.Hour)
			if codes := errs.get(); len(codes) != 1 || tries.Load() < 20 {
				t.Errorf("told %v in %d tries", codes, tries.Load())
			}
			w.breakNetwork(nil)
			w.Store.Up()
			w.RemoveUser("u1")
			time.Sleep(time.Hour)
			if codes := errs.get(); len(codes) != 2 || codes[1] != session.CodeUnauthorized {
				t.Errorf("told %v, want the end of the session last", codes)
			}
		})
	})
}

func TestSilentRefreshEndsWithTheSessionAndStartsWithTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cl := w.signedIn(t)
		silently(t, cl, func(errs *told) {
			w.RemoveUser("u1")
			time.Sleep(24 * time.Hour)
			if codes := errs.get(); len(codes) != 1 || codes[0] != session.CodeUnauthorized {
				t.Errorf("told %v, want AUTH_UNAUTHORIZED once", codes)
			}
			if cl.GetSession().Get() != nil {
				t.Error("the store is not empty")
			}
			if n := w.refreshes(); n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
			bob := map[string][]string{"username": {"u2"}, "password": {"secret"}}
			if _, err := cl.SignIn(t.Context(), "/login", bob); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour)
			checkMe(t, cl, "u2")
			if codes := errs.get(); len(codes) != 1 {
				t.Errorf("told %v", codes)
			}
		})
	})
}

// A session that the program has set itself may have no expiry.
func TestSilentRefreshOfASessionWithoutExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cl := w.signedIn(t)
		cl.GetSession().Update(func(s *session.Session[profile]) *session.Session[profile] {
			return &session.Session[profile]{User: s.User, AccessToken: s.AccessToken, RefreshToken: s.RefreshToken}
		})
		checkMe(t, cl, "u1") // as it is
		if n := w.refreshes(); n != 0 {
			t.Errorf("%d refreshes without need", n)
		}
		silently(t, cl, func(*told) {
			synctest.Wait()
			if n := w.refreshes(); n != 1 {
				t.Errorf("%d refreshes, want one at once", n)
			}
			time.Sleep(14 * time.Minute)
			synctest.Wait()
			if n := w.refreshes(); n != 2 {
				t.Errorf("%d refreshes, want another in time", n)
			}
		})
	})
}

func TestSilentRefreshWithoutOnErrorAndAfterItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cl := w.signedIn(t)
		w.Store.Down()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		cl.HandleSilentRefresh(ctx, nil) // returns
		before := w.refreshes()
		cl.HandleSilentRefresh(ctx, nil) // returns at once
		if w.refreshes() != before {
			t.Error("a refresh after the context had ended")
		}
	})
}

// For two weeks a program works in bursts over a network that loses one exchange in ten, before
// or after the server has done its work. The session survives.
func TestTwoWeeksOnABadNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const seed = 6
		w := newWorld(t)
		cl := w.signedIn(t)
		loss := newLoss(seed)
		w.onRequest(loss.fail)
		w.onAnswer(loss.fail)
		silently(t, cl, func(errs *told) {
			for range 14 * 24 {
				time.Sleep(time.Hour)
				resp, err := cl.HTTPClient().Get(baseURL + "/api/me")
				if err == nil {
					resp.Body.Close()
				}
				if cl.GetSession().Get() == nil {
					t.Fatalf("signed out (seed %d): %v", seed, errs.get())
				}
			}
		})
		w.onRequest(nil)
		w.onAnswer(nil)
		checkMe(t, cl, "u1")
		if loss.n == 0 {
			t.Error("nothing was lost")
		}
		t.Logf("%d refreshes, %d requests or answers lost, still signed in", w.refreshes(), loss.n)
	})
}

// loss loses one in ten.
type loss struct {
	mu  sync.Mutex
	rng *rand.Rand
	n   int
}

func newLoss(seed uint64) *loss { return &loss{rng: rand.New(rand.NewPCG(seed, seed))} }

func (l *loss) fail(*http.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rng.IntN(10) > 0 {
		return nil
	}
	l.n++
	return errors.New("lost")
}

// After a sign-out the end of the session is not reported, even if a refresh in progress learns
// of it from the server.
func TestSilentRefreshSaysNothingOfASignOut(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]func(*world, time.Duration){
		"refused by the server": func(w *world, d time.Duration) { slow(w, "/refresh", d) },
		"answered too late":     func(w *world, d time.Duration) { w.delayAnswers("/refresh", d) },
	} {
		for _, order := range []time.Duration{time.Second, 5 * time.Second} {
			t.Run(name+", "+order.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					c := w.signedIn(t)
					when(w, order)
					silently(t, c, func(errs *told) {
						time.Sleep(14 * time.Minute)
						synctest.Wait() // a refresh is under way
						if n := w.refreshes(); n != 1 {
							t.Fatalf("%d refreshes under way", n)
						}
						w.delayAnswers("/logout", 3*time.Second)
						if err := c.SignOut(t.Context()); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Hour)
						if codes := errs.get(); len(codes) > 0 {
							t.Errorf("told %v", codes)
						}
					})
				})
			})
		}
	}
}

// An answer with another session's cookies is refused and must not be requested again at once.
func TestSilentRefreshPausesAfterAnAnswerItCannotTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		app := w.handler
		w.handler = roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := app.RoundTrip(req)
			if err == nil && strings.HasSuffix(req.URL.Path, "/refresh") {
				resp.Header.Add("Set-Cookie", "__Host-fingerprint_token=other; Path=/; Secure; Max-Age=1000")
			}
			return resp, err
		})
		silently(t, c, func(*told) { time.Sleep(20 * time.Minute) })
		if n := w.refreshes(); n == 0 || n > 30 {
			t.Errorf("%d refreshes in six minutes", n)
		}
	})
}

// A subscriber that ends its goroutine, as t.FailNow does, blocks no caller.
func TestSubscriberThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		calls := 0
		defer c.GetSession().Subscribe(func(*session.Session[profile]) {
			if calls++; calls == 2 {
				runtime.Goexit()
			}
		})()
		if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, session.CodeUnknown) {
			t.Errorf("%v, want UNKNOWN", err)
		}
		if _, err := c.RefreshTokens(t.Context(), ""); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}
