package sessiontest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session/sessiontest"
)

// One history for two stores shows that they agree. Both stores read the clock of the bubble, so
// only the first Advance moves it.
func ExampleCompare() {
	var t *testing.T // the parameter of your test
	synctest.Test(t, sameHistory)
}

func sameHistory(t *testing.T) {
	first := sessiontest.Harness{Store: memstore.New(), Advance: time.Sleep}
	second := sessiontest.Harness{Store: memstore.New(), Advance: func(time.Duration) {}}
	sessiontest.Compare(t, first, second, sessiontest.Seed(t), 2_000)
}
