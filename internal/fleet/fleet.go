// Package fleet simulates many well-behaved browsers on one store. With it, tests measure how many
// sessions are lost by failures of a server.
package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// browser is a well-behaved client with one session, and what a browser keeps of it. After an error
// it keeps its tokens and tries again. It uses the tokens that it gets. Only one goroutine uses it.
type browser struct {
	fleet  *Fleet
	user   string
	id     session.ID
	newest session.Presentation // the newest token, and its cookie's HandedAt
	seen   session.Instant      // when the newest access token was handed out
	signed span                 // when it signed in
	leaves bool                 // it is signing out, and the store has not confirmed that
	fault  string               // why its session is lost, or empty
	gone   bool                 // whether the store has no such session
}

// Fleet is many browsers on one store.
type Fleet struct {
	*testing.T
	store    session.Store
	policy   session.Policy
	browsers []*browser
	lost     int // sessions, at the end

	refreshes, errors, signIns, signOuts atomic.Int64
	outcomes                             [session.Reused + 1]atomic.Int64

	mu        sync.Mutex
	lastError error
	ended     []ending
}

// ending is a sign-out that the store has confirmed.
type ending struct {
	user string
	id   session.ID
	at   span
}

// span is the time that a call took. The store did what the call asked for within it.
type span struct{ from, to time.Time }

// New signs in n browsers, three for each user.
func New(t *testing.T, store session.Store, policy session.Policy, n int) *Fleet {
	t.Helper()
	f := &Fleet{T: t, store: store, policy: policy}
	for i := range n {
		b := &browser{fleet: f, user: fmt.Sprintf("user-%d", i/3)}
		for start := time.Now(); !b.signIn(); {
			if time.Since(start) > patience {
				t.Fatalf("cannot sign in: %v", f.lastError)
			}
		}
		f.browsers = append(f.browsers, b)
	}
	return f
}

// Outcomes returns how many refreshes have had an outcome so far.
func (f *Fleet) Outcomes(o session.Outcome) int { return int(f.outcomes[o].Load()) }

// run lets the browsers work until stop is closed.
func (f *Fleet) run(stop <-chan struct{}) (wait func()) {
	const workers = 12
	var wg sync.WaitGroup
	for w := range workers {
		var mine []*browser
		for i := w; i < len(f.browsers); i += workers {
			mine = append(mine, f.browsers[i])
		}
		wg.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-tick.C:
					mine[i%len(mine)].act()
				}
			}
		})
	}
	return wg.Wait
}

// pace is how often a worker acts. patience is how long the browsers try before the test fails. It
// only ends a test that hangs: a busy machine may be slow, and Sentinels do nothing for half a
// minute after the machine has stood still.
const (
	pace     = 4 * time.Millisecond
	patience = 3 * time.Minute
)

// act performs the next step of a browser.
func (b *browser) act() {
	switch n := rand.IntN(100); {
	case b.fault != "":
	case n < 2 || b.leaves:
		b.signOut()
	case n < 30:
		b.confirm()
	default:
		b.refresh()
	}
}

func (b *browser) signIn() bool {
	ctx := context.Background()
	id := session.NewID()
	start := time.Now()
	made, err := b.fleet.store.Create(ctx, session.CreateParams{UserID: b.user, ID: id, Policy: b.fleet.policy, Max: 1000})
	if b.fleet.failed(err) {
		return false
	}
	b.fleet.signIns.Add(1)
	rec := made.Record
	b.id, b.signed, b.seen = id, span{start, time.Now()}, rec.CreatedAt
	b.newest = session.Presentation{
		Generation: rec.Generation, IssuedAt: rec.IssuedAt, ExpiresAt: rec.ExpiresAt, HandedAt: rec.CreatedAt,
	}
	return true
}

// signOut ends the session, and begins another once it has ended.
func (b *browser) signOut() {
	b.leaves = true
	start := time.Now()
	if b.fleet.failed(b.fleet.store.Delete(context.Background(), b.user, b.id)) {
		return
	}
	b.fleet.signOuts.Add(1)
	b.leaves = false
	b.fleet.mu.Lock()
	b.fleet.ended = append(b.fleet.ended, ending{b.user, b.id, span{start, time.Now()}})
	b.fleet.mu.Unlock()
	for start := time.Now(); !b.signIn(); Pause(pace) {
		if time.Since(start) > patience {
			b.fault = "cannot sign in again"
			return
		}
	}
}

func (b *browser) confirm() {
	b.fleet.failed(b.fleet.store.Confirm(context.Background(), session.ConfirmParams{
		UserID: b.user, ID: b.id, Generation: b.newest.Generation, HandedAt: b.seen, Policy: b.fleet.policy,
	}))
}

// refresh reports whether the store answered.
func (b *browser) refresh() bool {
	f := b.fleet
	r, err := f.store.Refresh(context.Background(), session.RefreshParams{
		UserID: b.user, ID: b.id, Presented: b.newest, Policy: f.policy, RevokeUser: true,
	})
	if f.failed(err) {
		return false
	}
	f.refreshes.Add(1)
	f.outcomes[r.Outcome].Add(1)
	if !r.Outcome.Alive() {
		b.gone = r.Outcome == session.Missing
		b.fault = fmt.Sprintf("%v: presented %+v at %d, store has %+v", r.Outcome, b.newest, r.Now, r.Record)
		return true
	}
	handed := r.Now
	if r.Record.Generation == b.newest.Generation && (r.Outcome == session.Current || r.Outcome == session.Adopted) {
		handed = b.newest.HandedAt // the browser has that cookie, so the answer sets none
	}
	b.seen = r.Now
	b.newest = session.Presentation{
		Generation: r.Record.Generation, IssuedAt: r.Record.IssuedAt, ExpiresAt: r.Record.ExpiresAt, HandedAt: handed,
	}
	return true
}

func (f *Fleet) failed(err error) bool {
	if err == nil {
		return false
	}
	f.errors.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastError = err
	return true
}

// recover makes every browser refresh until it succeeds once, and returns how long that took.
func (f *Fleet) recover() time.Duration {
	f.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, b := range f.browsers {
		for b.leaves {
			b.signOut()
		}
		for b.fault == "" && !b.refresh() {
			if time.Since(start) > patience {
				f.Fatalf("no recovery after %v: %v", patience, f.lastError)
			}
			<-tick.C
		}
	}
	return time.Since(start)
}

// Window is a time in which the servers lost writes. The zero Window is none.
type Window struct{ From, To time.Time }

// mayContain reports whether the store may have done within the window what a call asked for.
func (w Window) mayContain(call span) bool {
	return !w.From.IsZero() && !call.to.Before(w.From) && !call.from.After(w.To)
}

// settle counts what the servers lost within the window: new sessions, and ends of sessions, which
// came back. A loss outside of the window fails the test.
func (f *Fleet) settle(w Window) (unsigned, back int) {
	f.Helper()
	for _, b := range f.browsers {
		switch {
		case b.fault == "":
		case b.gone && w.mayContain(b.signed):
			unsigned++
		default:
			f.lost++
			f.Errorf("session of %s lost: %s", b.user, b.fault)
		}
	}
	live := make(map[string]map[session.ID]session.Entry)
	for _, e := range f.ended {
		if live[e.user] == nil {
			var err error
			if live[e.user], err = f.store.List(context.Background(), e.user); err != nil {
				f.Fatalf("List: %v", err)
			}
		}
		if _, ok := live[e.user][e.id]; ok {
			back++
			if !w.mayContain(e.at) {
				f.Errorf("session of %s, which ended between %v and %v, is back", e.user, e.at.from, e.at.to)
			}
		}
	}
	return unsigned, back
}

// replay presents, to each session with enough generations, a token that is two generations old. It
// expects that the reuse is detected, and returns how often it was.
func (f *Fleet) replay() (caught int) {
	f.Helper()
	revoked := make(map[string]bool)
	for _, b := range f.browsers {
		if b.fault != "" || b.newest.Generation < 3 || revoked[b.user] {
			continue
		}
		stolen := b.newest
		stolen.Generation -= 2
		r, err := f.store.Refresh(context.Background(), session.RefreshParams{
			UserID: b.user, ID: b.id, Presented: stolen, Policy: f.policy, RevokeUser: true,
		})
		if err != nil || r.Outcome != session.Reused {
			f.Errorf("replay of generation %d of %d = %v, %v, want reused", stolen.Generation, b.newest.Generation, r.Outcome, err)
			continue
		}
		revoked[b.user] = true
		caught++
	}
	if caught == 0 {
		f.Error("no session has enough generations to replay a token")
	}
	return caught
}

// Drill lets the browsers work before, during and after the fault, and waits until all of them
// work again.
func (f *Fleet) Drill(fault func() int, calm time.Duration) {
	f.Helper()
	stop := make(chan struct{})
	wait := f.run(stop)
	Pause(700 * time.Millisecond)
	faults := fault()
	before := f.errors.Load()
	recovery := f.recoverOne()
	Pause(calm)
	close(stop)
	wait()
	took := f.recover()
	f.Logf("faults %d, errors by their end %d, first answer after %v, all sessions refreshed in %v", faults, before, recovery, took)
}

// recoverOne returns how long it takes until a call for a session of its own succeeds.
func (f *Fleet) recoverOne() time.Duration {
	f.Helper()
	start := time.Now()
	for b := (&browser{fleet: f, user: "watchman"}); !b.signIn(); {
		if time.Since(start) > patience {
			f.Fatalf("no recovery after %v: %v", patience, f.lastError)
		}
	}
	return time.Since(start)
}

// grow gives a session a third generation, if none has one.
func (f *Fleet) grow() {
	f.Helper()
	var young *browser
	for _, b := range f.browsers {
		switch {
		case b.fault != "":
		case b.newest.Generation >= 3:
			return
		default:
			young = b
		}
	}
	if young == nil {
		f.Fatal("all sessions are lost")
	}
	for start := time.Now(); young.fault == "" && young.newest.Generation < 3; Pause(pace) {
		if time.Since(start) > patience {
			f.Fatalf("no session has three generations after %v: %v", patience, f.lastError)
		}
		young.confirm()
		young.refresh()
	}
}

// Report checks and prints what happened to the sessions.
func (f *Fleet) Report(w Window) {
	f.Helper()
	f.grow()
	unsigned, back := f.settle(w)
	caught := f.replay()
	f.Logf("sessions %d, refreshes %d (rotated %d, repeated %d, adopted %d), sign-ins %d, sign-outs %d, failed calls %d: "+
		"lost=%d; in a lost window: sign-ins lost %d, sign-outs undone %d; replayed tokens caught %d",
		len(f.browsers), f.refreshes.Load(), f.outcomes[session.Rotated].Load(), f.outcomes[session.Repeated].Load(),
		f.outcomes[session.Adopted].Load(), f.signIns.Load(), f.signOuts.Load(), f.errors.Load(),
		f.lost, unsigned, back, caught)
	if f.lastError != nil {
		f.Logf("the last failed call: %v", f.lastError)
	}
}

// Pause lets the fault last for d. No test depends on that duration.
func Pause(d time.Duration) { <-time.After(d) }

// PauseUntilFailure lets the fault last for d, and on until a call has failed because of it.
func (f *Fleet) PauseUntilFailure(d time.Duration) {
	f.Helper()
	before := f.errors.Load()
	Pause(d)
	f.until("no call has failed", func() bool { return f.errors.Load() > before })
}

// AwaitOutcomes waits until n more refreshes have had an outcome.
func (f *Fleet) AwaitOutcomes(o session.Outcome, n int) {
	f.Helper()
	want := f.Outcomes(o) + n
	f.until(fmt.Sprintf("not %d refreshes were %v", n, o), func() bool { return f.Outcomes(o) >= want })
}

func (f *Fleet) until(not string, done func() bool) {
	f.Helper()
	for start := time.Now(); !done(); Pause(pace) {
		if time.Since(start) > patience {
			f.Fatalf("after %v %s", patience, not)
		}
	}
}

// Repeat calls do n times, with a pause after each, and returns n.
func Repeat(n int, every time.Duration, do func()) int {
	for range n {
		do()
		Pause(every)
	}
	return n
}

// AwaitAll waits until sign-ins of many users succeed one after the other, which shows that every
// shard serves again.
func (f *Fleet) AwaitAll() {
	f.Helper()
	start := time.Now()
	for i := 0; i < 50; {
		b := &browser{fleet: f, user: "watchman-" + string(rune('A'+i))}
		if b.signIn() {
			i++
			continue
		}
		if time.Since(start) > patience {
			f.Fatalf("no recovery after %v: %v", patience, f.lastError)
		}
		Pause(20 * time.Millisecond)
	}
	f.Logf("every shard serves again after %v", time.Since(start))
}
