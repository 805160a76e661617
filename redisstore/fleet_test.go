package redisstore_test

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

// browser is a well-behaved client: one session, and what a browser keeps of it.
// After an error it keeps what it has and tries again; it takes over what it is
// handed. One goroutine uses it.
type browser struct {
	fleet  *fleet
	user   string
	id     session.ID
	newest session.Presented // the newest token, and its cookie's HandedAt
	seen   session.Instant   // when the newest access token was handed out
	signed time.Time         // when it signed in
	leaves bool              // it wants to sign out, and has not been told that it has
	fault  string            // why its session is lost, if it is
	gone   bool              // whether the store says that there is no such session
}

// fleet is many browsers on one store.
type fleet struct {
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

// ending is a sign-out that the store has reported as done.
type ending struct {
	user string
	id   session.ID
	at   time.Time
}

// newFleet signs n browsers in, three to a user.
func newFleet(t *testing.T, store session.Store, policy session.Policy, n int) *fleet {
	t.Helper()
	f := &fleet{T: t, store: store, policy: policy}
	for i := range n {
		b := &browser{fleet: f, user: fmt.Sprintf("user-%d", i/3)}
		for try := 0; !b.signIn(); try++ {
			if try == 10 {
				t.Fatalf("cannot sign in: %v", f.lastError)
			}
		}
		f.browsers = append(f.browsers, b)
	}
	return f
}

// run lets the browsers work until stop is closed.
func (f *fleet) run(stop <-chan struct{}) (wait func()) {
	const workers = 12
	var wg sync.WaitGroup
	for w := range workers {
		var mine []*browser
		for i := w; i < len(f.browsers); i += workers {
			mine = append(mine, f.browsers[i])
		}
		wg.Go(func() {
			pace := time.NewTicker(4 * time.Millisecond)
			defer pace.Stop()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-pace.C:
					mine[i%len(mine)].act()
				}
			}
		})
	}
	return wg.Wait
}

// act is what a browser does next.
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
	rec, err := b.fleet.store.Create(ctx, session.CreateParams{UserID: b.user, ID: id, Policy: b.fleet.policy, Max: 1000})
	if b.fleet.failed(err) {
		return false
	}
	b.fleet.signIns.Add(1)
	b.id, b.signed, b.seen = id, time.Now(), rec.CreatedAt
	b.newest = session.Presented{
		Generation: rec.Generation, IssuedAt: rec.IssuedAt, ExpiresAt: rec.ExpiresAt, HandedAt: rec.CreatedAt,
	}
	return true
}

// signOut ends the session, and begins another once it has ended.
func (b *browser) signOut() {
	b.leaves = true
	if b.fleet.failed(b.fleet.store.Delete(context.Background(), b.user, b.id)) {
		return
	}
	b.fleet.signOuts.Add(1)
	b.leaves = false
	b.fleet.mu.Lock()
	b.fleet.ended = append(b.fleet.ended, ending{b.user, b.id, time.Now()})
	b.fleet.mu.Unlock()
	for try := 0; !b.signIn(); try++ {
		if try == 20 {
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
		handed = b.newest.HandedAt // the browser has that cookie: none is set
	}
	b.seen = r.Now
	b.newest = session.Presented{
		Generation: r.Record.Generation, IssuedAt: r.Record.IssuedAt, ExpiresAt: r.Record.ExpiresAt, HandedAt: handed,
	}
	return true
}

func (f *fleet) failed(err error) bool {
	if err == nil {
		return false
	}
	f.errors.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastError = err
	return true
}

// recover has every browser refresh once, as often as it takes, and returns how
// long that took.
func (f *fleet) recover(limit time.Duration) time.Duration {
	f.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, b := range f.browsers {
		for b.leaves {
			b.signOut()
		}
		for b.fault == "" && !b.refresh() {
			if time.Since(start) > limit {
				f.Fatalf("no recovery after %v: %v", limit, f.lastError)
			}
			<-tick.C
		}
	}
	return time.Since(start)
}

// window is a time in which the servers lost what was written; zero: none.
type window struct{ from, to time.Time }

func (w window) contains(t time.Time) bool {
	return !w.from.IsZero() && !t.Before(w.from) && !t.After(w.to)
}

// settle counts what the servers lost: sessions that began, and ended ones that
// came back, within the window. Any others fail the test.
func (f *fleet) settle(w window) (unsigned, back int) {
	f.Helper()
	for _, b := range f.browsers {
		switch {
		case b.fault == "":
		case b.gone && w.contains(b.signed):
			unsigned++
		default:
			f.lost++
			f.Errorf("session of %s lost: %s", b.user, b.fault)
		}
	}
	live := make(map[string]map[session.ID]session.Record)
	for _, e := range f.ended {
		if live[e.user] == nil {
			var err error
			if live[e.user], err = f.store.List(context.Background(), e.user); err != nil {
				f.Fatalf("List: %v", err)
			}
		}
		if _, ok := live[e.user][e.id]; ok {
			back++
			if !w.contains(e.at) {
				f.Errorf("session of %s, which ended at %v, is back", e.user, e.at)
			}
		}
	}
	return unsigned, back
}

// replay presents to each session that has come that far a token two generations
// old, and expects the theft to be seen. It returns how many were.
func (f *fleet) replay() (caught int) {
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
		f.Error("no session came far enough to replay a token")
	}
	return caught
}
