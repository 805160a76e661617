package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

var errDown = errors.New("connection refused")

// jarsOf signs in n users a second before the outage, so that no call has just succeeded.
func jarsOf(t *testing.T, a *app, n int) []jar {
	t.Helper()
	jars := make([]jar, n)
	for i := range jars {
		jars[i] = signIn(t, a.Engine, fmt.Sprint("user", i))
	}
	time.Sleep(time.Second)
	a.store.took()
	return jars
}

// fails refreshes the jar while the store is down and returns how long that took.
func (j jar) fails(t *testing.T, a *app) time.Duration {
	t.Helper()
	begin := time.Now()
	_, err := j.refresh(t, a.Engine)
	unavailable(t, err, session.CodeDatabaseFetchFailed)
	return time.Since(begin)
}

// kinds returns the kinds of the events since its last call.
func (a *app) kinds(t *testing.T) (kinds []session.EventKind) {
	t.Helper()
	for range a.events(t) {
		kinds = append(kinds, (<-a.event).Kind)
	}
	return kinds
}

func TestBreakerRefusesWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]struct {
		fail func(context.Context, <-chan struct{}) error
		took time.Duration
	}{
		"it refuses":             {func(context.Context, <-chan struct{}) error { return errDown }, 0},
		"it hangs":               {func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return ctx.Err() }, engine.DefaultTimeout},
		"it and its client hang": {func(_ context.Context, release <-chan struct{}) error { <-release; return errDown }, engine.DefaultTimeout},
		"its client panics":      {func(context.Context, <-chan struct{}) error { panic("boom") }, 0},
		"it fails as if the caller had gone away": {func(context.Context, <-chan struct{}) error { return context.Canceled }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				loads := 0
				a := newApp(t, nil)
				jars := jarsOf(t, a, 10)
				a.load = func(context.Context) (profile, error) { loads++; return profile{}, nil }
				a.store.set(func(ctx context.Context, _ string) error { return down.fail(ctx, release) })

				for _, j := range jars[:3] { // one after the other, the worst case
					if took := j.fails(t, a); took != down.took {
						t.Errorf("an early failure after %v, want %v", took, down.took)
					}
				}
				unavailable := session.EventUnavailable
				if diff := cmp.Diff([]session.EventKind{unavailable, unavailable, session.EventBreakerOpened, unavailable}, a.kinds(t)); diff != "" && down.took == 0 {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				a.store.took()
				loads = 0
				for _, j := range jars {
					if took := j.fails(t, a); took != 0 {
						t.Errorf("refused after %v", took)
					}
				}
				refuseAll(t, a, jars[0])
				if calls := a.store.took(); len(calls) != 0 || loads != 0 {
					t.Errorf("refused calls made store calls %v and %d calls of LoadUser", calls, loads)
				}
				if kinds := a.kinds(t); len(kinds) != 0 {
					t.Errorf("refused calls are reported: %q", kinds)
				}

				// One call a second is let through.
				for range 5 {
					time.Sleep(time.Second)
					for _, j := range jars {
						go func() { _, _ = j.refresh(t, a.Engine) }()
					}
					synctest.Wait()
					if n := a.store.took()["Refresh"]; n != 1 {
						t.Errorf("%d calls are let through in a second", n)
					}
				}
				a.store.set(nil)
				close(release)
				time.Sleep(engine.DefaultTimeout + time.Second)
				a.kinds(t)
				for i := range jars { // no user has lost a session
					if o, err := jars[i].refresh(t, a.Engine); err != nil {
						t.Errorf("user %d afterwards: %v, %v", i, o, err)
					}
				}
				if diff := cmp.Diff([]session.EventKind{session.EventBreakerClosed}, a.kinds(t)); diff != "" {
					t.Errorf("events afterwards (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// refuseAll makes the other calls that an open breaker refuses.
func refuseAll(t *testing.T, a *app, j jar) {
	t.Helper()
	begin := time.Now()
	_, err := a.SignIn(t.Context(), "user0")
	unavailable(t, err, session.CodeDatabaseUpdateFailed)
	_, err = a.Sessions(t.Context(), "user0")
	unavailable(t, err, session.CodeDatabaseFetchFailed)
	_, err = j.peek(t, a.Engine)
	unavailable(t, err, session.CodeDatabaseFetchFailed)
	if took := time.Since(begin); took != 0 {
		t.Errorf("refused after %v", took)
	}
}

// open opens the breaker.
func open(t *testing.T, a *app, jars []jar) {
	t.Helper()
	a.store.set(func(context.Context, string) error { return errDown })
	for _, j := range jars[:3] {
		j.fails(t, a)
	}
	a.store.took()
	jars[0].fails(t, a)
	if calls := a.store.took(); len(calls) != 0 {
		t.Fatal("the breaker is closed")
	}
	a.kinds(t)
}

// Sign-outs and revocations are not refused, even if the breaker is open. One that succeeds closes
// it.
func TestBreakerRefusesNoEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*app, session.ID) error{
		"sign-out":   func(a *app, id session.ID) error { return a.SignOut(context.Background(), "user3", id) },
		"ended":      func(a *app, id session.ID) error { return a.EndSession(context.Background(), "user3", id) },
		"revocation": func(a *app, id session.ID) error { return a.RevokeUser(context.Background(), "user3") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, nil)
				jars := jarsOf(t, a, 4)
				open(t, a, jars)
				id := idOf(t, a.Engine, jars[3])
				unavailable(t, end(a, id), session.CodeDatabaseUpdateFailed)
				a.store.set(nil)
				if err := end(a, id); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]session.EventKind{session.EventUnavailable, session.EventBreakerClosed}, a.kinds(t)); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if o, _ := jars[3].refresh(t, a.Engine); o != session.Missing {
					t.Errorf("the ended session: %v", o)
				}
			})
		})
	}
}

// An open breaker also keeps confirmations from the store. They are sent when it is closed.
func TestBreakerHoldsConfirmationsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j := signIn(t, a.Engine, "u1")
		j.must(t, a.Engine, session.Rotated)
		jars := jarsOf(t, a, 3)
		time.Sleep(2 * time.Minute)
		open(t, a, jars)
		j.use(t, a.Engine)
		if calls := a.store.took(); len(calls) != 0 {
			t.Errorf("store calls %v", calls)
		}
		a.store.set(nil)
		time.Sleep(time.Second)
		j.use(t, a.Engine) // this one is let through, and closes the breaker
		if kinds := a.kinds(t); len(kinds) != 1 || kinds[0] != session.EventBreakerClosed || a.store.took()["Confirm"] != 1 {
			t.Errorf("events %q", kinds)
		}
	})
}

func TestBreakerStaysClosed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, a *app, jars []jar){
		"callers leave": func(t *testing.T, a *app, jars []jar) {
			a.store.set(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
			for range 100 {
				for i := range jars {
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(2*time.Second, cancel)
					if _, err := a.Sessions(ctx, fmt.Sprint("user", i)); !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
			}
		},
		"callers have deadlines of their own": func(t *testing.T, a *app, jars []jar) {
			a.store.set(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
			for range 100 {
				for i := range jars {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					if _, err := a.Sessions(ctx, fmt.Sprint("user", i)); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					cancel()
				}
			}
		},
		"LoadUser fails": func(t *testing.T, a *app, jars []jar) {
			a.load = func(context.Context) (profile, error) { return profile{}, errDown }
			for range 100 {
				for _, j := range jars {
					j.fails(t, a)
				}
				time.Sleep(time.Minute)
			}
		},
		"LoadUser leaves the store no time": func(t *testing.T, a *app, jars []jar) {
			a.load = func(context.Context) (profile, error) { time.Sleep(2900 * time.Millisecond); return profile{}, nil }
			a.store.set(func(context.Context, string) error { time.Sleep(500 * time.Millisecond); return nil })
			for range 20 {
				for _, j := range jars {
					j.fails(t, a)
				}
				time.Sleep(time.Minute)
			}
		},
		"the data of two users is broken": func(t *testing.T, a *app, jars []jar) {
			a.store.set(func(context.Context, string) error { return errDown })
			for range 100 {
				for _, j := range jars[:2] {
					j.fails(t, a)
				}
				time.Sleep(time.Minute)
			}
		},
		"most of a cluster is down": func(t *testing.T, a *app, jars []jar) {
			if o, err := jars[0].refresh(t, a.Engine); err != nil {
				t.Error(o, err)
			}
			for range 100 {
				a.store.set(func(context.Context, string) error { return errDown })
				for _, j := range jars[1:] {
					j.fails(t, a)
				}
				a.store.set(nil)
				if _, err := jars[0].refresh(t, a.Engine); err != nil {
					t.Error(err)
				}
				time.Sleep(900 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, nil)
				jars := jarsOf(t, a, 10)
				test(t, a, jars)
				a.load = nil
				a.store.set(nil)
				for i := range jars {
					if o, err := jars[i].refresh(t, a.Engine); err != nil {
						t.Errorf("user %d afterwards: %v, %v", i, o, err)
					}
				}
				for _, kind := range a.kinds(t) {
					if kind != session.EventUnavailable {
						t.Errorf("event %q", kind)
					}
				}
			})
		})
	}
}

// A call that hangs does not hold the breaker: the next call is let through a second later,
// whatever happens to the first.
func TestBreakerIsNotHeldByACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		jars := jarsOf(t, a, 10)
		open(t, a, jars)
		release := make(chan struct{})
		a.store.set(func(context.Context, string) error { <-release; return nil })
		time.Sleep(time.Second)
		go func() { _, _ = jars[0].refresh(t, a.Engine) }()
		synctest.Wait()
		a.store.set(nil)
		jars[1].fails(t, a)
		time.Sleep(time.Second)
		if o, err := jars[2].refresh(t, a.Engine); err != nil {
			t.Errorf("the next call: %v, %v", o, err)
		}
		close(release)
	})
}
