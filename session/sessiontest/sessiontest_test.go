package sessiontest_test

import (
	"testing"
	"testing/synctest"
)

// TestExamples runs the examples of random histories.
func TestExamples(t *testing.T) {
	t.Parallel()
	t.Run("Model", func(t *testing.T) { synctest.Test(t, longHistory) })
	t.Run("Compare", func(t *testing.T) { synctest.Test(t, sameHistory) })
}
