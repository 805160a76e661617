package session_test

import (
	"flag"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

var exploreLarge = flag.Bool("explore.large", false, "explore larger worlds, which takes minutes and some gigabytes of memory")

// The explorer takes the real Refresh and Confirm through everything that can happen to one session
// in a small world, breadth first and exhaustively: two tabs, two requests under way, answers that
// are late, lost, out of order or without their body, repeated store calls, access tokens used at
// any time and confirmed at any time later, a browser that crashes and comes back with the cookies
// it had on disk, a store that loses its last writes, and sign-out. In no state may an honest
// request be refused, a thief's old token be accepted, or a session that has ended come back.
//
// There are two kinds of worlds, which differ in the requests of a browser that crashes. If these
// end with the browser, it suffices that Settle covers the delay of an answer and the writing to
// disk. With the defaults, each is half a minute. If they may still arrive, Settle must cover their
// delay too. With the defaults, delays are then a quarter of a minute.
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
				t.Skip("too slow under the race detector, and a single goroutine has no races")
			}
			began := time.Now()
			w := tt.world
			x, complete := w.explore(100_000_000)
			if x.wrong != "" {
				t.Fatal(x.trace())
			}
			if !complete {
				t.Fatalf("unfinished after %d states", len(x.states))
			}
			t.Logf("%d states, %d moves, %v", len(x.states), x.moves, time.Since(began).Round(time.Millisecond))
			// A world in which an outcome never occurs shows nothing about that row of the rule.
			for o := session.Missing; o <= session.Reused; o++ {
				if w.outcomes[o] == 0 && (o != session.Adopted || w.losses > 0) {
					t.Errorf("outcome %v never occurred", o)
				}
			}
		})
	}
}

// longGrace is a world in which every part of the rule is necessary: a request or an answer may be
// under way longer than the browser needs to write its cookies to disk.
var longGrace = world{delay: 2, grace: 2, disk: 1, settle: 3, bearerAccess: true}

// outliving returns w with requests that may arrive after their browser has crashed.
func outliving(w world) world {
	w.outlive, w.bearerAccess = true, true
	return w
}

// Without any single part the rule fails somewhere in the same worlds. So each part is necessary,
// and the explorer would notice that it is missing.
func TestExplorerNeedsEveryPartOfTheRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		part  string
		world world
		rule  rule
	}{
		{"the higher of bearer token and cookie counts", longGrace, rule{noMaximum: true}},
		{"an unconfirmed generation has no successor", longGrace, rule{refresh: alwaysRotate}},
		{"Current leaves the refresh cookie alone", longGrace, rule{alwaysReset: true}},
		{"only what has settled confirms", longGrace, rule{unsettled: true}},
		{"settle covers a delay and the writing", world{delay: 2, grace: 2, disk: 1, settle: 2}, rule{}},
		{"settle covers two delays if requests outlive their browser", outliving(longGrace), rule{}},
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
				t.Skip("too slow under the race detector, and a single goroutine has no races")
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
