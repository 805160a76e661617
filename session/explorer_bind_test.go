package session_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// bound returns w with a browser that binds its session to a key of the device, at any time or
// never.
func bound(w world) world {
	w.device = true
	return w
}

// The explorer tries with bound sessions all that it tries with others, and more. The key is
// registered at any time, before or after a crash, or never. The answer that brings the bound token
// may be lost or late like any other. Honest requests sent before the browser had the bound token
// arrive late. A thief has a jar from before the binding, or one from after it.
func TestExplorerFindsNothingWrongWithBoundSessions(t *testing.T) {
	t.Parallel()
	worlds := []struct {
		name  string
		large bool
		world world
	}{
		{"defaults in half-minutes", false, bound(world{delay: 1, grace: 1, disk: 1, settle: 2})},
		{"requests outlive their browser", false, bound(world{delay: 1, grace: 1, disk: 1, settle: 3, outlive: true})},
		{"tokens of pages are used, one request at a time", false, bound(world{delay: 1, grace: 1, disk: 1, settle: 2, bearerAccess: true, single: true})},
		{"long grace, one request at a time", false, bound(world{delay: 2, grace: 2, disk: 1, settle: 3, bearerAccess: true, single: true})},
		{"lost writes, one request at a time", false, bound(world{delay: 1, grace: 1, disk: 1, settle: 2, losses: 1, single: true})},
		{"tokens of pages are used", true, bound(world{delay: 1, grace: 1, disk: 1, settle: 2, bearerAccess: true})},
		{"long grace", true, bound(longGrace)},
		{"lost writes", true, bound(world{delay: 1, grace: 1, disk: 1, settle: 2, losses: 1})},
	}
	for _, tt := range worlds {
		t.Run(tt.name, func(t *testing.T) {
			if tt.large && !*exploreLarge {
				t.Skip("needs -explore.large")
			}
			if raceDetector {
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
			for o := session.Missing; o <= session.Reused; o++ {
				if w.outcomes[o] == 0 {
					t.Errorf("outcome %v never occurred", o)
				}
			}
		})
	}
}

// Each part of how bound tokens are handed out and accepted is necessary: without it the explorer
// finds an honest user who is signed out or a thief who is not.
func TestExplorerNeedsEveryPartOfBinding(t *testing.T) {
	t.Parallel()
	small := bound(world{delay: 1, grace: 1, disk: 1, settle: 2})
	tests := []struct {
		part    string
		world   world
		rule    rule
		without binding
	}{
		{"the bound cookie is handed out for a proof, not for the registration", small, rule{}, binding{early: true}},
		{"a bound token is presented late", small, rule{}, binding{ungated: true}},
		{"a bound token is presented later than it settles", small, rule{}, binding{settleOnly: true}},
		{"a bound cookie needs a proof", small, rule{}, binding{unproved: true}},
		{"a bound cookie counts before a bearer token", small, rule{}, binding{bearers: true}},
		{"a bound generation is adopted", small, rule{refresh: neverAdopt}, binding{}},
		{"an unbound token is reused after the binding", small, rule{refresh: repeatUnbound}, binding{}},
		{"browsers write the key before the cookies", small, rule{}, binding{keyLost: true}},
	}
	for _, tt := range tests {
		t.Run(tt.part, func(t *testing.T) {
			w := tt.world
			w.rule, w.binding = tt.rule, tt.without
			w.device = true
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

func repeatUnbound(rec session.Record, p session.Presentation, policy session.Policy, now session.Instant) (session.Outcome, session.Record) {
	if rec.Generation.Bound() && !p.Generation.Bound() {
		return session.Repeated, rec
	}
	return session.Refresh(rec, p, policy, now)
}
