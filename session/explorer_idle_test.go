package session_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// smallIdle has delays of one tick, like "defaults in half-minutes" in the explorer of rotation.
var smallIdle = idleWorld{idle: 2, ttl: 2, grace: 1, settle: 2, delay: 1, disk: 1, tabs: 1, exchanges: 1}

// fineIdle has two ticks for a delay.
var fineIdle = idleWorld{idle: 4, ttl: 4, grace: 2, settle: 3, delay: 2, disk: 1, tabs: 1, exchanges: 1}

func (w idleWorld) with(change func(*idleWorld)) idleWorld {
	change(&w)
	return w
}

// lossyIdle is a world whose store may lose its last write, and with it an activity. The promise
// that remains is a third of idle without the life of an access token.
var lossyIdle = smallIdle.with(func(w *idleWorld) { w.idle, w.promise, w.losses = 4, 1, 1 })

// The explorer of idle timeouts takes the real Refresh through everything that can happen to the
// activities of one person in a small world, breadth first and exhaustively: page views that reach
// the store and page views that do not, forms, a module in each of two tabs that reports sooner or
// later, a tab that sleeps and reports long afterwards, background refreshes at any time, answers
// that are late, lost and out of order, a browser that crashes and comes back with the cookies it
// had on disk, generations that are confirmed and rotated, and a store that loses its last write.
//
// In no state may a session end within IdleTimeout of an activity. In no state may it live longer
// than IdleTimeout + AccessTTL + Grace after the last activity has reached the server.
func TestIdleExplorerFindsNothingWrong(t *testing.T) {
	t.Parallel()
	worlds := []struct {
		name  string
		large bool
		world idleWorld
	}{
		{"one tab", false, smallIdle},
		{"two tabs", false, smallIdle.with(func(w *idleWorld) { w.tabs = 2 })},
		{"two requests under way", false, smallIdle.with(func(w *idleWorld) { w.exchanges = 2 })},
		{"rotations and crashes", false, smallIdle.with(func(w *idleWorld) { w.confirms, w.crashes = true, true })},
		{"an access token much shorter than idle", false, smallIdle.with(func(w *idleWorld) { w.idle = 5 })},
		{"an access token as long as idle", false, smallIdle.with(func(w *idleWorld) { w.idle, w.ttl = 3, 3 })},
		{"finer time", false, fineIdle},
		{"a lost write", false, lossyIdle},
		{"two tabs, two requests", true, smallIdle.with(func(w *idleWorld) { w.tabs, w.exchanges = 2, 2 })},
		{"two requests, rotations and crashes", true, smallIdle.with(func(w *idleWorld) { w.exchanges, w.confirms, w.crashes = 2, true, true })},
		{"a lost write, two tabs", true, lossyIdle.with(func(w *idleWorld) { w.tabs = 2 })},
		{"a lost write, rotations", true, lossyIdle.with(func(w *idleWorld) { w.confirms = true })},
	}
	for _, tt := range worlds {
		t.Run(tt.name, func(t *testing.T) {
			if tt.large && !*exploreLarge {
				t.Skip("needs -explore.large")
			}
			if raceDetector && tt.world.losses > 0 {
				t.Skip("too slow under the race detector, and a single goroutine has no races")
			}
			began := time.Now()
			w := tt.world
			n, trace, complete := w.explore(50_000_000)
			if trace != "" {
				t.Fatal(trace)
			}
			if !complete {
				t.Fatalf("unfinished after %d states", n)
			}
			t.Logf("%d states, %v", n, time.Since(began).Round(time.Millisecond))
			// A world in which an outcome never occurs shows nothing about it.
			for o := session.Rotated; o <= session.Repeated; o++ {
				if w.outcomes[o] == 0 {
					t.Errorf("outcome %v never occurred", o)
				}
			}
			if w.views == 0 || w.ends == 0 || w.losses > 0 && w.outcomes[session.Adopted] == 0 {
				t.Errorf("%d page views without the store, %d idle ends, %d adoptions: want some of each kind", w.views, w.ends, w.outcomes[session.Adopted])
			}
		})
	}
}

// Without any single part, a session ends too early or too late somewhere in the same worlds.
func TestIdleExplorerNeedsEveryPart(t *testing.T) {
	t.Parallel()
	two := smallIdle.with(func(w *idleWorld) { w.tabs = 2 })
	tests := []struct {
		part  string
		world idleWorld
		rule  idleRule
	}{
		{"a background refresh extends nothing", smallIdle, idleRule{refresh: extendAlways}},
		{"a background refresh is no activity", smallIdle, idleRule{allActive: true}},
		{"an activity counts when the token is not rotated", smallIdle, idleRule{refresh: extendWhenRotated}},
		{"the later of two activities counts", two, idleRule{refresh: lastReportCounts}},
		{"how long ago an activity was counts", smallIdle, idleRule{refresh: activeNow}},
		{"idle is longer by the life of an access token", smallIdle, idleRule{noTTL: true}},
		{"idle is longer by the delay of a request", fineIdle, idleRule{noGrace: true}},
		{"a page view refreshes if its token records no activity", smallIdle, idleRule{blindViews: true}},
		{"an activity after a pause is reported at once", fineIdle, idleRule{lateReports: true}},
		{"an adopted token's expiry counts", lossyIdle, idleRule{refresh: adoptWithoutExpiry}},
		{"a lost write may cost more than half of idle", lossyIdle.with(func(w *idleWorld) { w.promise = 2 }), idleRule{}},
	}
	for _, tt := range tests {
		t.Run(tt.part, func(t *testing.T) {
			w := tt.world
			w.idleRule = tt.rule
			n, trace, _ := w.explore(5_000_000)
			if trace == "" {
				t.Fatalf("without this nothing goes wrong in %d states", n)
			}
			if testing.Verbose() {
				t.Logf("without this:\n%s", trace)
			}
		})
	}
}

func extendAlways(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	policy.ByActivity = false
	return session.Refresh(rec, p, policy, now)
}

func extendWhenRotated(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	outcome, after := session.Refresh(rec, p, policy, now)
	if outcome != session.Rotated && outcome.Alive() {
		after.ExpiresAt = rec.ExpiresAt
	}
	return outcome, after
}

func lastReportCounts(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	outcome, after := session.Refresh(rec, p, policy, now)
	if outcome.Alive() && p.Active {
		after.ExpiresAt = max(now.Add(policy.Idle-p.ActiveAgo), now+1)
	}
	return outcome, after
}

func activeNow(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	p.ActiveAgo = 0
	return session.Refresh(rec, p, policy, now)
}

func adoptWithoutExpiry(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if p.Generation > rec.Generation {
		p.ExpiresAt = 0
	}
	return session.Refresh(rec, p, policy, now)
}
