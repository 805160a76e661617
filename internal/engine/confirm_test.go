package engine_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// rotated returns an app with a session that has just rotated to generation 2.
func rotated(t *testing.T) (*app, jar) {
	a := newApp(t, nil)
	j := signIn(t, a.Engine, "u1")
	j.must(t, a.Engine, session.Rotated)
	a.store.took()
	return a, j
}

func TestVerifyAsksNoStoreButForOneConfirmationAGeneration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j := signIn(t, a.Engine, "u1")
		for generation := 1; generation <= 3; generation++ {
			for range 14 {
				j.use(t, a.Engine)
				j.use(t, a.Engine)
				time.Sleep(time.Minute)
			}
			calls := a.store.took()
			want := map[int]int{1: 0, 2: 1, 3: 1}[generation]
			delete(calls, "Create")
			if calls["Confirm"] != want || len(calls) != want {
				t.Errorf("generation %d: store calls %v, want %d confirmations", generation, calls, want)
			}
			j.must(t, a.Engine, session.Rotated)
			if calls := a.store.took(); calls["Refresh"] != 1 || len(calls) != 1 {
				t.Errorf("a refresh made store calls %v, want one", calls)
			}
		}
	})
}

func TestConfirmationWaitsUntilTheTokenHasSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, j := rotated(t)
		handed := recordOf(t, a.Engine, "u1").IssuedAt.Time()
		a.store.took()
		for len(a.store.took()) == 0 {
			if time.Since(handed) > engine.DefaultSettle+15*time.Second {
				t.Fatal("no confirmation some time after settle")
			}
			time.Sleep(time.Second)
			j.use(t, a.Engine)
		}
		r := recordOf(t, a.Engine, "u1")
		if r.ConfirmedAt == 0 || r.ConfirmedAt.Time().Sub(handed) < engine.DefaultSettle {
			t.Errorf("confirmed %v after handing out", r.ConfirmedAt.Time().Sub(handed))
		}
	})
}

func TestFailedConfirmationIsSentAtTheNextUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, j := rotated(t)
		time.Sleep(2 * time.Minute)
		a.store.set(func(context.Context, string) error { return errors.New("down") })
		j.use(t, a.Engine)
		a.store.set(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		j.use(t, a.Engine)
		a.store.set(func(context.Context, string) error { panic("boom") })
		j.use(t, a.Engine)
		a.store.set(nil)
		for range 3 {
			j.use(t, a.Engine)
		}
		if calls := a.store.took(); calls["Confirm"] != 4 {
			t.Errorf("store calls %v, want three that fail and one that does not", calls)
		}
		if recordOf(t, a.Engine, "u1").ConfirmedAt == 0 {
			t.Error("not confirmed")
		}
	})
}

func TestConfirmationThatFailsAfterFurtherUsesIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, j := rotated(t)
		time.Sleep(2 * time.Minute)
		a.store.set(func(context.Context, string) error { time.Sleep(time.Second); return errors.New("down") })
		for range 3 { // the first one sends the confirmation, the others see it in progress
			if _, err := a.Verify(j.access, j.fingerprint); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		a.store.set(nil)
		j.use(t, a.Engine)
		if calls := a.store.took(); calls["Confirm"] != 2 {
			t.Errorf("store calls %v, want one confirmation that fails and one that does not", calls)
		}
	})
}

// Any number of requests may use unconfirmed tokens while the store hangs. None of them waits. A
// confirmation beyond the limit is sent when its token is next used. No goroutine is left in the
// end.
func TestConfirmationsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		const sessions, most = 200, 16
		jars := make([]jar, sessions)
		for i := range jars {
			jars[i] = signIn(t, a.Engine, fmt.Sprint("user", i))
			jars[i].must(t, a.Engine, session.Rotated)
		}
		synctest.Wait()
		idle := confirmersOfThisTest(t)
		time.Sleep(2 * time.Minute)
		a.store.took()
		release := make(chan struct{})
		a.store.set(func(context.Context, string) error { <-release; return nil })
		see := func() {
			for i := range jars {
				if _, err := a.Verify(jars[i].access, jars[i].fingerprint); err != nil {
					t.Fatal(err)
				}
			}
		}
		begin := time.Now()
		see()
		if took := time.Since(begin); took != 0 {
			t.Errorf("the requests waited %v", took)
		}
		time.Sleep(time.Minute) // they hang past their timeout
		see()
		synctest.Wait()
		if calls := a.store.took(); calls["Confirm"] != most {
			t.Errorf("%d confirmations under way, want %d", calls["Confirm"], most)
		}
		if n := confirmersOfThisTest(t); n < most {
			t.Errorf("%d goroutines of the engine while %d confirmations are under way", n, most)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := a.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Flush while the store hangs: %v", err)
				}
			})
		}
		wg.Wait()
		close(release)
		a.store.set(nil)
		for sent, sightings := 0, 0; sent < sessions; sightings++ {
			if sightings == sessions {
				t.Fatalf("%d confirmations sent, want %d", sent, sessions)
			}
			if err := a.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			see()
			if err := a.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			sent += a.store.took()["Confirm"]
		}
		for i := range jars {
			if recordOf1(t, a.Engine, jars[i]).ConfirmedAt == 0 {
				t.Fatalf("session %d is not confirmed", i)
			}
		}
		a.store.took()
		see()
		synctest.Wait()
		if calls := a.store.took(); len(calls) != 0 {
			t.Errorf("store calls %v after all were confirmed", calls)
		}
		if n := confirmersOfThisTest(t); n > idle {
			t.Errorf("%d goroutines of the engine, %d before", n, idle)
		}
		if err := a.Flush(t.Context()); err != nil {
			t.Errorf("Flush with nothing to do: %v", err)
		}
	})
}

// confirmersOfThisTest counts the goroutines that package engine started for confirmations in the
// synctest bubble of the caller. Other tests, which run at the same time, have bubbles of their
// own.
func confirmersOfThisTest(t *testing.T) (n int) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for len(stacks) == cap(stacks) { // until all fit
		stacks = make([]byte, 2*cap(stacks))
		stacks = stacks[:runtime.Stack(stacks, true)]
	}
	all := strings.Split(string(stacks), "\n\n")
	bubble := regexp.MustCompile(`synctest bubble \d+\]`).FindString(all[0]) // the caller's stack is first
	if bubble == "" {
		t.Fatalf("not in a bubble: %.80s", all[0])
	}
	for _, s := range all {
		head, _, _ := strings.Cut(s, "\n")
		if strings.Contains(head, bubble) && strings.Contains(s, "engine.(*confirmer)") {
			n++
		}
	}
	return n
}

func TestConcurrentUsesSendOneConfirmation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, j := rotated(t)
		time.Sleep(2 * time.Minute)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { j.use(t, a.Engine) })
		}
		wg.Wait()
		if calls := a.store.took(); calls["Confirm"] != 1 {
			t.Errorf("store calls %v, want one confirmation", calls)
		}
	})
}
