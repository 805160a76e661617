package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// hanging returns what the store does, call by call. Each call waits for its channel and ignores
// its context. Further calls do not wait.
func hanging(turns ...<-chan struct{}) func(context.Context, string) error {
	next := make(chan (<-chan struct{}), len(turns))
	for _, turn := range turns {
		next <- turn
	}
	close(next)
	return func(context.Context, string) error {
		if turn, ok := <-next; ok {
			<-turn
		}
		return nil
	}
}

func TestRefreshThatHangsIsNotJoinedAfterItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j := signIn(t, a.Engine, "u1")
		credentials := j.credentials(t, a.Engine)
		first, second := make(chan struct{}), make(chan struct{})
		a.store.set(hanging(first, second))
		a.store.took()
		refresh := func() error {
			_, err := a.Refresh(t.Context(), j.fingerprint, credentials...)
			return err
		}

		begin := time.Now()
		unavailable(t, refresh(), session.CodeDatabaseFetchFailed)
		if took := time.Since(begin); took != engine.DefaultTimeout {
			t.Fatalf("the first took %v", took)
		}
		later := make(chan error, 2)
		go func() { later <- refresh() }()
		synctest.Wait()
		if n := a.store.took()["Refresh"]; n != 2 {
			t.Fatalf("%d calls, want one that hangs and a new one", n)
		}
		close(first) // the first call returns while the second is in progress
		synctest.Wait()
		go func() { later <- refresh() }()
		synctest.Wait()
		close(second)
		for range 2 {
			if err := <-later; err != nil {
				t.Errorf("later: %v", err)
			}
		}
		if n := a.store.took()["Refresh"]; n != 0 {
			t.Errorf("the third made %d calls beside the second's", n)
		}
	})
}

func TestRefreshThatIsDoneIsNotJoined(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	const browsers, times = 16, 500
	jars := make([]jar, browsers)
	for i := range jars {
		jars[i] = signIn(t, a.Engine, fmt.Sprint("user", i))
	}
	a.store.took()
	var wg sync.WaitGroup
	for _, j := range jars {
		credentials := j.credentials(t, a.Engine)
		wg.Go(func() {
			for range times {
				if _, err := a.Refresh(t.Context(), j.fingerprint, credentials...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := a.UnderWay(); n != 0 {
		t.Errorf("%d refreshes are still under way", n)
	}
	if n := a.store.took()["Refresh"]; n != browsers*times {
		t.Errorf("%d calls of the store, want one for each of %d consecutive refreshes", n, browsers*times)
	}
}

func TestFailedRefreshIsReportedOnceHoweverManyShareIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail  func(ctx context.Context, release <-chan struct{}) error
		leave bool // before it fails
	}{
		"fails":                        {func(context.Context, <-chan struct{}) error { return errors.New("down") }, false},
		"hangs until its context ends": {func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return ctx.Err() }, false},
		"hangs":                        {func(_ context.Context, release <-chan struct{}) error { <-release; return errors.New("late") }, false},
		"hangs until its context ends, callers gone": {func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return ctx.Err() }, true},
		"hangs, callers gone":                        {func(_ context.Context, release <-chan struct{}) error { <-release; return errors.New("late") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				a := newApp(t, nil)
				j := signIn(t, a.Engine, "u1")
				credentials := j.credentials(t, a.Engine)
				a.store.set(func(ctx context.Context, _ string) error {
					time.Sleep(time.Second)
					return c.fail(ctx, release)
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.leave {
					time.AfterFunc(500*time.Millisecond, cancel)
				}
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						_, err := a.Refresh(ctx, j.fingerprint, credentials...)
						unavailable(t, err, session.CodeDatabaseFetchFailed)
					})
				}
				wg.Wait()
				if !c.leave && a.events(t) != 1 {
					t.Errorf("%d events when the callers have their answers, want 1", a.events(t))
				}
				time.Sleep(engine.DefaultTimeout)
				if a.events(t) != 1 {
					t.Errorf("%d events when the time is up, want 1", a.events(t))
				}
				close(release)
				time.Sleep(time.Minute)
				if a.events(t) != 1 {
					t.Errorf("%d events in the end, want 1", a.events(t))
				}
				if n := a.UnderWay(); n != 0 {
					t.Errorf("%d refreshes under way in the end", n)
				}
			})
		})
	}
}

// OnEvent delays no call. It is called with one event at a time.
func TestCallersDoNotWaitForOnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var kinds []session.EventKind
		a := newApp(t, func(c *engine.Config[profile]) {
			c.OnEvent = func(e session.Event) {
				<-release
				kinds = append(kinds, e.Kind)
			}
		})
		j := signIn(t, a.Engine, "u1")
		credentials := j.credentials(t, a.Engine)
		a.store.set(func(ctx context.Context, _ string) error { return errors.New("down") })
		begin := time.Now()
		_, err := a.Refresh(t.Context(), j.fingerprint, credentials...)
		unavailable(t, err, session.CodeDatabaseFetchFailed)
		a.store.set(nil)
		if _, err := a.Refresh(t.Context(), j.fingerprint, credentials...); err != nil {
			t.Errorf("the next: %v", err)
		}
		if err := a.RevokeUser(t.Context(), "u1"); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the callers waited %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush = %v while OnEvent hangs", err)
		}
		close(release)
		if err := a.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		want := []session.EventKind{session.EventBegan, session.EventUnavailable, session.EventEnded}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
