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

// reported records the errors that onError was called with.
type reported struct {
	mu    sync.Mutex
	codes []session.Code
}

func (e *reported) onError(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.codes = append(e.codes, session.CodeOf(err))
}

func (e *reported) get() []session.Code {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.codes
}

// withSilentRefresh runs fn while HandleSilentRefresh runs, and then waits for its end.
func withSilentRefresh(t *testing.T, c *client.Client[profile], fn func(*reported)) {
	t.Helper()
	var errs reported
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
				// Two calls of HandleSilentRefresh do no harm.
				withSilentRefresh(t, cl, func(errs *reported) {
					withSilentRefresh(t, cl, func(*reported) {
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
				withSilentRefresh(t, cl, func(errs *reported) {
					for outage := 1; outage <= 2; outage++ {
						c.begin(w)
						before := w.refreshes()
						time.Sleep(2 * time.Hour)
						if n := w.refreshes() - before; n < 60 || n > 300 {
							t.Errorf("%d attempts in two hours", n)
						}
						// onError is called once per outage, and the client keeps the session.
						if codes := errs.get(); len(codes) != outage || codes[outage-1] != c.code {
							t.Errorf("reported %v, want %s once per outage", codes, c.code)
						}
						if cl.GetSession().Get() == nil {
							t.Fatal("the client has forgotten the session")
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
func TestOutageWithSeveralErrorsIsReportedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cl := w.signedIn(t)
		withSilentRefresh(t, cl, func(errs *reported) {
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
				t.Errorf("reported %v in %d tries", codes, tries.Load())
			}
			w.breakNetwork(nil)
			w.Store.Up()
			w.RemoveUser("u1")
			time.Sleep(time.Hour)
			if codes := errs.get(); len(codes) != 2 || codes[1] != session.CodeUnauthorized {
				t.Errorf("reported %v, want the end of the session last", codes)
			}
		})
	})
}

func TestSilentRefreshEndsWithTheSessionAndStartsWithTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cl := w.signedIn(t)
		withSilentRefresh(t, cl, func(errs *reported) {
			w.RemoveUser("u1")
			time.Sleep(24 * time.Hour)
			if codes := errs.get(); len(codes) != 1 || codes[0] != session.CodeUnauthorized {
				t.Errorf("reported %v, want AUTH_UNAUTHORIZED once", codes)
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
				t.Errorf("reported %v", codes)
			}
		})
	})
}

// A session that the program has Set may have no expiry.
func TestSilentRefreshOfASessionWithoutExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cl := w.signedIn(t)
		cl.GetSession().Update(func(s *session.Session[profile]) *session.Session[profile] {
			return &session.Session[profile]{User: s.User, AccessToken: s.AccessToken, RefreshToken: s.RefreshToken}
		})
		checkMe(t, cl, "u1") // without a refresh
		if n := w.refreshes(); n != 0 {
			t.Errorf("%d unnecessary refreshes", n)
		}
		withSilentRefresh(t, cl, func(*reported) {
			synctest.Wait()
			if n := w.refreshes(); n != 1 {
				t.Errorf("%d refreshes, want one at once", n)
			}
			time.Sleep(14 * time.Minute)
			synctest.Wait()
			if n := w.refreshes(); n != 2 {
				t.Errorf("%d refreshes, want another before the expiry", n)
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
		withSilentRefresh(t, cl, func(errs *reported) {
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
			t.Error("no request or answer was lost")
		}
		t.Logf("%d refreshes, %d requests or answers lost, still signed in", w.refreshes(), loss.n)
	})
}

// loss loses one exchange in ten.
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
func TestSilentRefreshDoesNotReportASignOut(t *testing.T) {
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
					withSilentRefresh(t, c, func(errs *reported) {
						time.Sleep(14 * time.Minute)
						synctest.Wait() // a refresh is in progress
						if n := w.refreshes(); n != 1 {
							t.Fatalf("%d refreshes in progress", n)
						}
						w.delayAnswers("/logout", 3*time.Second)
						if err := c.SignOut(t.Context()); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Hour)
						if codes := errs.get(); len(codes) > 0 {
							t.Errorf("reported %v", codes)
						}
					})
				})
			})
		}
	}
}

// The client refuses an answer of another session. It must not refresh again at once.
func TestSilentRefreshPausesAfterARefusedAnswer(t *testing.T) {
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
		withSilentRefresh(t, c, func(*reported) { time.Sleep(20 * time.Minute) })
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
			t.Errorf("the next refresh: %v", err)
		}
	})
}
