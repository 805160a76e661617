package sessiontest_test

import (
	"testing"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session/sessiontest"
)

// The conformance suite, in the test of a store.
func ExampleRun() {
	var t *testing.T // the parameter of your test
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
		return sessiontest.Harness{Store: memstore.New()}
	})
}

// The suite for a feed. Two values that share what is below them are the feed in two processes.
func ExampleRunFeed() {
	var t *testing.T // the parameter of your test
	sessiontest.RunFeed(t, func(t *testing.T) sessiontest.FeedHarness {
		return sessiontest.FeedHarness{Feed: memstore.NewFeed()}
	})
}
