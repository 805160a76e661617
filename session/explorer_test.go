package session_test

import (
	"flag"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

var exploreLarge = flag.Bool("explore.large", false, "explore larger worlds: minutes, and some gigabytes of memory")

// The explorer takes the real Refresh and Confirm through everything that can
// happen to one session in a small world, breadth first and to the last state:
// two tabs, two requests under way, answers late, lost, out of order or without
// their body, calls of the store repeated, access tokens used at any time and
// confirmed at any time later, a browser that crashes and comes back with the
// cookies it had on disk, a store that loses its last writes, sign-out. In no
// state may an honest request be refused, a thief's old token be accepted, or a
// session come back that has ended.
//
// The worlds are of two kinds, because it matters what becomes of the requests
// of a browser that crashes. If they end with it, it suffices that Settle covers
// the delay of an answer and the writing to disk: with the defaults, half a
// minute each. If they may still arrive, Settle must cover their delay too: with
// the defaults, delays of a quarter of a minute.
func TestExplorerFindsNothingWrong(t *testing.T) {
	t.Parallel()
	worlds := []struct {
		name  string
		large bool
		world world
	}{
		{"defaults in half-minutes", false, world{delay: 1, grace: 1, disk: 1, settle: 2, bearerAccess: true}},
		{"defaults in quarter-minutes, requests outlive their browser", false, outliving(world{delay: 1, grace: 2, disk: 2, settle: 4})},
		{"settle of three, requests outlive their browser", false, outliving(world{delay: 1, grace: 1, disk: 1, settle: 3})},
		{"long grace", false, longGrace},
		{"lost writes", false, world{delay: 1, grace: 1, disk: 1, settle: 2, losses: 1}},
		{"lost writes, requests outlive their browser", true, outliving(world{delay: 1, grace: 1, disk: 1, settle: 3, losses: 1})},
		{"writes lost twice", true, world{delay: 1, grace: 1, disk: 1, settle: 2, losses: 2}},
		{"finer time", true, outliving(world{delay: 2, grace: 2, disk: 2, settle: 6})},
		{"nothing forgotten", true, world{delay: 1, grace: 1, disk: 1, settle: 2, bearerAccess: true, exact: true}},
		{"nothing forgotten, requests outlive their browser", true, world{delay: 1, grace: 1, disk: 1, settle: 3, outlive: true, exact: true}},
	}
	for _, tt := range worlds {
		t.Run(tt.name, func(t *testing.T) {
			if tt.large && !*exploreLarge {
				t.Skip("needs -explore.large")
			}
			if raceDetector && (tt.world.losses > 0 || tt.world.grace > 1) {
				t.Skip("too large for the race detector, which has nothing to find here")
			}
			began := time.Now()
			w := tt.world
			x, complete := w.explore(100_000_000)
			if x.wrong != "" {
				t.Fatal(x.trace())
			}
			if !complete {
				t.Fatalf("not finished after %d states", len(x.states))
			}
			t.Logf("%d states, %d moves, %v", len(x.states), x.moves, time.Since(began).Round(time.Millisecond))
			// A world in which some row of the rule is never met proves nothing of it.
			for o := session.Missing; o <= session.Reused; o++ {
				if w.outcomes[o] == 0 && (o != session.Adopted || w.losses > 0) {
					t.Errorf("outcome %v never came out", o)
				}
			}
		})
	}
}

// longGrace is a world in which every part of the rule is needed: what is under
// way may be so for longer than it takes the browser to write its cookies.
var longGrace = world{delay: 2, grace: 2, disk: 1, settle: 3, bearerAccess: true}

// outliving is w with requests that may arrive after their browser has crashed.
func outliving(w world) world {
	w.outlive, w.bearerAccess = true, true
	return w
}

// Without any one of its parts the rule fails somewhere in the same worlds: the
// part is needed, and the explorer would see it missing.
func TestExplorerNeedsEveryPartOfTheRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		part  string
		world world
		rule  rule
	}{
		{"the higher of bearer token and cookie speaks", longGrace, rule{noMaximum: true}},
		{"an unconfirmed generation has no successor", longGrace, rule{refresh: alwaysRotate}},
		{"Current leaves the refresh cookie alone", longGrace, rule{alwaysReset: true}},
		{"only what has settled confirms", longGrace, rule{unsettled: true}},
		{"settle covers a delay and the writing", world{delay: 2, grace: 2, disk: 1, settle: 2}, rule{}},
		{"settle covers two delays where requests outlive their browser", outliving(longGrace), rule{}},
		{"a predecessor is repeated", longGrace, rule{refresh: neverRepeat}},
		{"a predecessor has a grace period", longGrace, rule{refresh: noGrace}},
		{"a successor waits for twice the grace period", longGrace, rule{refresh: rotateAfterGrace}},
		{"a lost generation is adopted", world{delay: 1, grace: 1, disk: 1, settle: 2, losses: 1}, rule{refresh: neverAdopt}},
		{"an old token is reused", longGrace, rule{refresh: neverReuse}},
		{"nothing makes a record", longGrace, rule{refresh: makeRecord}},
	}
	for _, tt := range tests {
		t.Run(tt.part, func(t *testing.T) {
			if raceDetector && tt.world.delay > 1 {
				t.Skip("too large for the race detector, which has nothing to find here")
			}
			w := tt.world
			w.rule = tt.rule
			x, _ := w.explore(5_000_000)
			if x.wrong == "" {
				t.Fatalf("without this nothing goes wrong in %d states", len(x.states))
			}
			if testing.Verbose() {
				t.Logf("without this, in %d steps:\n%s", len(x.path()), x.trace())
			}
		})
	}
}

func alwaysRotate(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if p.Generation == rec.Generation {
		rec.ConfirmedAt = 1
	}
	return session.Refresh(rec, p, policy, now)
}

func neverRepeat(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if p.Generation < rec.Generation {
		return session.Reused, session.Record{}
	}
	return session.Refresh(rec, p, policy, now)
}

func noGrace(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if p.Generation < rec.Generation && rec.ConfirmedAt != 0 {
		return session.Reused, session.Record{}
	}
	return session.Refresh(rec, p, policy, now)
}

func rotateAfterGrace(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if p.Generation == rec.Generation && rec.ConfirmedAt != 0 && now > rec.ConfirmedAt.Add(policy.Grace) {
		rec.ConfirmedAt = 1
	}
	return session.Refresh(rec, p, policy, now)
}

func neverAdopt(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if rec.Generation != 0 && p.Generation > rec.Generation {
		return session.Reused, session.Record{}
	}
	return session.Refresh(rec, p, policy, now)
}

func neverReuse(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	outcome, after := session.Refresh(rec, p, policy, now)
	if outcome == session.Reused {
		return session.Repeated, rec
	}
	return outcome, after
}

func makeRecord(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if rec.Generation == 0 {
		rec = session.Begin(policy, now)
		rec.Generation = p.Generation
	}
	return session.Refresh(rec, p, policy, now)
}
