package sessiontest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session/sessiontest"
)

// A longer history than those of the suite, with lost writes. Set SESSIONTEST_SEED to the number in
// the message of a failure, and the test repeats it.
func ExampleModel() {
	var t *testing.T // the parameter of your test
	synctest.Test(t, longHistory)
}

func longHistory(t *testing.T) {
	store := memstore.New()
	h := sessiontest.Harness{Store: store, Advance: time.Sleep, Snapshot: store.Snapshot}
	sessiontest.Model(t, h, sessiontest.Seed(t), 2_000)
}
