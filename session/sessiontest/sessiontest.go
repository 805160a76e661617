// Package sessiontest is the conformance suite of [session.Store]. The test of a store calls it in
// one line:
//
//	func TestConformance(t *testing.T) {
//		sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
//			return sessiontest.Harness{Store: open(t)}
//		})
//	}
//
// Two tests with random histories can also be called by themselves, for longer runs: [Model] checks
// a store against the rule step by step, and [Compare] does so with two stores and one history,
// which shows that they agree.
//
// [RunFeed] is the suite of [session.Feed].
package sessiontest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Harness is a store under test and what a test can do to it from outside.
type Harness struct {
	// Store is the store. It may hold sessions from elsewhere, because the suite uses user ids of
	// its own, new in every case.
	Store session.Store

	// Advance moves the store's clock forward by exactly d, in whole milliseconds. At other times
	// the clock stands still. In a bubble of testing/synctest, Advance is time.Sleep. It is nil if
	// the store's clock runs by itself. The suite then waits, never for long, until that clock has
	// advanced far enough, allows for the time that passes during a call, and omits what needs a
	// clock that stands still.
	Advance func(d time.Duration)

	// Snapshot saves the store's state. restore returns the store to it, any number of times, as if
	// the later writes were lost. Snapshot is nil if the test cannot do that. The suite then loses
	// no writes.
	Snapshot func() (restore func())
}

// Run runs the suite, each case as a subtest. It calls open for each case with the t of that case.
// open registers its own t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

// RunInBubble is Run with each case in its own bubble of testing/synctest. It is for stores whose
// clock is time.Now.
func RunInBubble(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, open) })
		})
	}
}

// testCase is one clause of the contract.
type testCase struct {
	name string
	// explanation says what a store that fails breaks, and for whom.
	explanation string
	test        func(*env)
}

func (c testCase) run(t *testing.T, open func(*testing.T) Harness) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.explanation)
		}
	})
	c.test(newEnv(t, open(t)))
}

func cases() []testCase {
	return slices.Concat(createCases, ruleCases, activityCases, confirmCases, deleteCases, identityCases, failureCases, longCases)
}
