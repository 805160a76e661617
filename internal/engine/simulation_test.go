package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// world is an app of several processes with its users, in simulated time. mu guards a part of it,
// because LoadUser runs in goroutines of the engines.
type world struct {
	*testing.T
	rng   *rand.Rand
	store *tap
	cable []*cable
	nodes []*engine.Engine[profile]

	mu      sync.Mutex
	version map[string]int // of each user's data
	down    bool           // the store and the app's database
	users   []*person

	idleEnds, returns int // idle ends, and people who came back to their session
}

// person is a user with one session.
type person struct {
	id     string
	jar    jar
	ended  time.Time // zero while the session lives
	idle   bool      // whether it ended because the person was away
	stream <-chan struct{}
	host   *engine.Engine[profile] // the process that has the stream

	active time.Time // the last activity that the server has accepted
	away   bool      // whether the person is away, with the page open
	back   time.Time // when they come back

	reloaded time.Time // the last ReloadUser, and the least version from then on
	atLeast  int
}

const (
	simulatedUsers     = 1000
	simulatedProcesses = 4
	simulatedTime      = 10 * time.Minute

	simulatedAccess = time.Minute
	simulatedGrace  = 5 * time.Second
	simulatedIdle   = 3 * time.Minute

	// leeway is how long an access token is accepted after its expiry.
	leeway = simulatedAccess / 10
	// idleBound is the longest life of a session without activity.
	idleBound = simulatedIdle + simulatedAccess + simulatedGrace + leeway
)

var errOutage = errors.New("an outage")

func (w *world) fault(context.Context, string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errOutage
	}
	return nil
}

func (w *world) setDown(down bool) {
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
	for _, c := range w.cable {
		c.set(down, false)
	}
}

// start starts process i, with new keys from some time on.
func (w *world) start(i int, secret []byte, previous ...[]byte) {
	e := newEngine(w, func(c *engine.Config[profile]) {
		c.Secret, c.PreviousSecrets = secret, previous
		c.Store, c.Feed = w.store, w.cable[i]
		c.AccessTTL, c.RefreshTTL, c.IdleTimeout = simulatedAccess, 30*time.Minute, simulatedIdle
		c.Cache = 1 << 20 // otherwise it grows to its limit
		c.Grace, c.Settle = simulatedGrace, 10*time.Second
		c.LoadUser = func(_ context.Context, id string) (profile, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.down {
				return profile{}, errOutage
			}
			return profile{fmt.Sprint(w.version[id])}, nil
		}
	})
	if w.nodes[i] != nil {
		w.nodes[i].Close()
	}
	w.nodes[i] = e
	w.Cleanup(e.Close)
}

// visit is a request of a person to any process, or of their open page while they are away. It
// checks that the answer is right.
func (w *world) visit(p *person) {
	e := w.nodes[w.rng.IntN(len(w.nodes))]
	mayBeOver := p.away && time.Since(p.active) >= simulatedIdle
	returns := p.away && !time.Now().Before(p.back)
	if returns {
		p.away = false
	}
	s, err := e.Verify(p.jar.access, p.jar.fingerprint)
	refreshed := err != nil || !p.away && e.IsQuiet(&s)
	if refreshed {
		refresh := p.jar.refreshActive
		if p.away {
			refresh = p.jar.refresh
		}
		o, refreshErr := refresh(w, e)
		switch {
		case errors.Is(refreshErr, session.CodeDatabaseFetchFailed):
			return // during the outage the browser tries again later
		case !o.Alive() && p.ended.IsZero() && mayBeOver:
			p.ended, p.idle = time.Now(), true
			w.idleEnds++
			return
		case !o.Alive() && p.ended.IsZero():
			w.Errorf("%v: %s has lost their session: %v, after %v", w.now(), p.id, o, err)
			p.ended = time.Now()
			return
		case !o.Alive():
			return
		case !p.ended.IsZero():
			w.Errorf("%v: %s has a new token after their session ended", w.now(), p.id)
			return
		}
		if s, err = e.Verify(p.jar.access, p.jar.fingerprint); err != nil {
			w.Errorf("%v: %s has a new token that is refused: %v", w.now(), p.id, err)
			return
		}
	}
	if !p.ended.IsZero() && time.Since(p.ended) > p.bound() && !w.wasCut(p.ended) {
		w.Errorf("%v: %s is signed in %v after their session ended (idle: %v, refreshed: %v)",
			w.now(), p.id, time.Since(p.ended), p.idle, refreshed)
	}
	if quiet := time.Since(p.active); quiet > idleBound {
		w.Errorf("%v: %s is signed in %v after their last activity (refreshed: %v)", w.now(), p.id, quiet, refreshed)
	}
	if p.ended.IsZero() && w.reconnects(p) {
		p.stream, p.host = e.Ended(w.Context(), s), e
	}
	if p.ended.IsZero() && !p.away {
		p.active = time.Now()
		if returns {
			w.returns++
		}
	}
	var version int
	fmt.Sscan(s.User.Data.Username, &version)
	if time.Since(p.reloaded) > aSecond && !w.wasCut(p.reloaded) && version < p.atLeast {
		w.Errorf("%v: %s has version %d of their data, want %d", w.now(), p.id, version, p.atLeast)
	}
}

// reconnects reports whether a person's browser opens the stream again: after a restart of the
// process that had it, and in an outage, in which a stream closes when the session is over by the
// store's last answer, even if there was activity since then.
func (w *world) reconnects(p *person) bool {
	outage := w.now() > outageFrom && w.now() < outageTo+time.Minute
	return !slices.Contains(w.nodes, p.host) || outage && isClosed(p.stream)
}

// bound returns how long after the end of the session another process may accept its tokens. An
// idle end is not published, because no access token expires later than its session.
func (p *person) bound() time.Duration {
	if p.idle {
		return leeway
	}
	return aSecond
}

// The outage, in time since the start.
const (
	outageFrom = 5 * time.Minute
	outageTo   = 6 * time.Minute
)

func (w *world) now() time.Duration { return time.Since(epoch) }

// epoch is when a bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// wasCut reports whether some processes may not know yet what happened at t, because of the outage.
func (w *world) wasCut(t time.Time) bool {
	return t.Sub(epoch) < outageTo && w.now() < outageTo+aSecond && w.now() > outageFrom
}

// TestSimulation runs ten minutes of an app with four processes and a thousand users. There are
// sign-outs, revocations, reloads, people who go away, a change of keys with a rolling restart, and
// an outage of the store and the feed.
//
// No honest session is lost: neither that of a person who is active, nor that of one who comes back
// within IdleTimeout. No ended session is accepted after its bound: a second, or the leeway of
// access tokens after an idle end, which itself comes in time. Streams close with their sessions,
// changed data is seen, and memory does not grow.
//
// The test is not parallel to others, whose memory it would measure.
func TestSimulation(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	seed := uint64(1)
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, rng: rand.New(rand.NewPCG(seed, 0)), store: newTap(), version: map[string]int{}}
		w.store.set(w.fault)
		feed := memstore.NewFeed()
		w.nodes = make([]*engine.Engine[profile], simulatedProcesses)
		for range simulatedProcesses {
			w.cable = append(w.cable, &cable{Feed: feed})
		}
		first, second := slices.Repeat([]byte("a"), 32), slices.Repeat([]byte("b"), 32)
		for i := range w.nodes {
			w.start(i, first)
		}
		for i := range simulatedUsers {
			w.join(fmt.Sprintf("user-%d", i))
		}
		var heaps []uint64
		for step := range int(simulatedTime / (100 * time.Millisecond)) {
			time.Sleep(100 * time.Millisecond)
			switch w.now().Truncate(100 * time.Millisecond) {
			case 2 * time.Minute: // every process accepts the new key
				for i := range w.nodes {
					w.start(i, first, second)
				}
			case 3 * time.Minute, 3*time.Minute + 10*time.Second, 3*time.Minute + 20*time.Second, 3*time.Minute + 30*time.Second:
				w.start(int((w.now()-3*time.Minute)/(10*time.Second)), second, first)
			case outageFrom:
				w.setDown(true)
			case outageTo:
				w.setDown(false)
			}
			for range 25 { // each user about every four seconds
				w.visit(w.users[w.rng.IntN(len(w.users))])
			}
			w.act()
			if step%1000 == 999 {
				heaps = append(heaps, w.heap())
			}
		}
		time.Sleep(aSecond)
		w.checkStreams()
		t.Logf("%d idle ends, %d people came back in time, heap after each 100 s: %v KiB", w.idleEnds, w.returns, heaps)
		if w.idleEnds < 100 || w.returns < 100 {
			t.Errorf("%d idle ends and %d people who came back in time, want 100 of each", w.idleEnds, w.returns)
		}
		if last, first := heaps[len(heaps)-1], heaps[2]; last > first+first/8 {
			t.Errorf("the heap has grown from %d to %d KiB: %v", first, last, heaps)
		}
	})
}

// join signs a user in and opens a stream.
func (w *world) join(id string) {
	e := w.nodes[w.rng.IntN(len(w.nodes))]
	s, err := e.SignIn(w.Context(), id)
	if err != nil {
		w.Fatalf("sign-in: %v", err)
	}
	p := &person{id: id, active: time.Now(), jar: jar{s.Fingerprint, s.Session.AccessToken, s.Session.RefreshToken, s.RefreshCookie}}
	p.stream, p.host = e.Ended(w.Context(), s.Session), e
	w.users = append(w.users, p)
}

// act ends or reloads one session or sends its person away, and signs another user in for one whose
// session ended some time ago.
func (w *world) act() {
	if w.now() > outageFrom-aSecond && w.now() < outageTo+aSecond {
		return
	}
	i := w.rng.IntN(len(w.users))
	p, e := w.users[i], w.nodes[w.rng.IntN(len(w.nodes))]
	switch n := w.rng.IntN(10); {
	case !p.ended.IsZero():
		if time.Since(p.ended) > 90*time.Second {
			w.checkStream(p)
			w.users = slices.Delete(w.users, i, i+1)
			w.join(p.id)
		}
	case n == 0:
		if err := e.SignOut(w.Context(), p.id, idOf(w, e, p.jar)); err != nil {
			w.Errorf("SignOut: %v", err)
		}
		p.ended = time.Now()
	case n == 1:
		if err := e.RevokeUser(w.Context(), p.id); err != nil {
			w.Errorf("RevokeUser: %v", err)
		}
		p.ended = time.Now()
	case n < 4:
		w.mu.Lock()
		w.version[p.id]++
		p.atLeast = w.version[p.id]
		w.mu.Unlock()
		if err := e.ReloadUser(w.Context(), p.id); err != nil {
			w.Errorf("ReloadUser: %v", err)
		}
		p.reloaded = time.Now()
	case n < 7 && !p.away:
		p.away, p.back = true, time.Now().Add(time.Duration(w.rng.Int64N(int64(simulatedIdle))))
		if n == 6 {
			p.back = epoch.Add(2 * simulatedTime) // not in this test
		}
	}
}

func (w *world) checkStreams() {
	for _, p := range w.users {
		w.checkStream(p)
	}
}

// checkStream checks that a stream has closed if and only if its session has ended. The streams of
// a process that was restarted end with it.
func (w *world) checkStream(p *person) {
	if !slices.Contains(w.nodes, p.host) || time.Since(p.ended) <= aSecond {
		return
	}
	if p.ended.IsZero() && time.Since(p.active) >= simulatedIdle {
		return // it may have ended without a request since
	}
	if p.ended.IsZero() == isClosed(p.stream) {
		w.Errorf("%v: %s: the session has ended at %v, the stream has ended: %v", w.now(), p.id, p.ended.Sub(epoch), isClosed(p.stream))
	}
}

// heap returns the size of the live heap in KiB.
func (w *world) heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc >> 10
}
