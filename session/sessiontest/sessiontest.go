// Package sessiontest is the conformance suite of [session.Store]. The test of
// a store calls it in one line:
//
//	func TestConformance(t *testing.T) {
//		sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
//			return sessiontest.Harness{Store: open(t)}
//		})
//	}
//
// Two tests with random histories can also be called by themselves, for longer:
// [Model] checks a store step by step against the rule, [Compare] drives two
// stores through the same history and checks each, so that they agree.
package sessiontest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Harness is a store under test, and what a test can do to it from outside.
type Harness struct {
	// Store is the store. It may hold sessions from elsewhere: the suite uses
	// user ids of its own, new in every case.
	Store session.Store

	// Advance moves the store's clock forward by exactly d, which is whole
	// milliseconds; otherwise the clock stands still. In a bubble of
	// testing/synctest that is time.Sleep. Nil for a store that lives in real
	// time: the suite then waits, never long, until the store's clock has come
	// far enough, allows for the time that passes during a call, and leaves out
	// what needs a clock that stands still.
	Advance func(d time.Duration)

	// Snapshot remembers what the store holds; restore puts it back to that, any
	// number of times, as if it had lost its writes since. Nil where that cannot
	// be done: lost writes are then left out.
	Snapshot func() (restore func())
}

// Run runs the suite, each case as a subtest. It calls open for each case with
// that case's t; open registers its own t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

// RunInBubble is Run with each case in a bubble of testing/synctest of its own:
// for stores whose clock is time.Now.
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
	// explanation says what is broken in a store that fails, and for whom.
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
