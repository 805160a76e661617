package memstore_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session/sessiontest"
)

func TestFeedConformance(t *testing.T) {
	t.Parallel()
	sessiontest.RunFeedInBubble(t, func(*testing.T) sessiontest.FeedHarness {
		return sessiontest.FeedHarness{Feed: memstore.NewFeed(), Advance: time.Sleep}
	})
}
