package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// moreSteps are steps that concern the same session as those of [steps].
var moreSteps = []step{
	{name: "rotation of the oldest", call: refreshOf(1, 1, true)},
	{name: "repetition", call: refreshOf(3, 1, true)},
	{name: "reuse of an only session", call: refreshOf(3, 0, true)},
	{
		name: "sign-in in place of a session",
		call: func(ctx context.Context, s session.Store) (string, error) {
			_, err := s.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{2}, Policy: long, Max: 3})
			return "", err
		},
	},
}

// TestStepsAreAtomic runs one call between any two statements of another, for all pairs of calls.
// The results and the remaining sessions must be those of the two calls one after the other.
func TestStepsAreAtomic(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some hundred pairs of calls")
	}
	all := append(append([]step{}, steps...), moreSteps...)
	onDatabases(t, func(t *testing.T, d database) {
		plain := d.store(t, longTimeout)
		restore := prepared(t, d, plain)
		for _, first := range all {
			for _, second := range all {
				orders := []string{inOrder(t, first, second, false), inOrder(t, second, first, true)}
				for statement, more := 1, true; more; statement++ {
					var got string
					restore()
					got, more = interleaved(t, d, plain, first, second, statement)
					if got != orders[0] && got != orders[1] {
						t.Errorf("%s, with %s before its statement %d:\n got %s\nwant %s\n  or %s",
							first.name, second.name, statement, got, orders[0], orders[1])
					}
				}
			}
		}
	})
}

// inOrder returns the results of two calls one after the other on the reference store. If swapped
// is set, it reports the second result first.
func inOrder(t *testing.T, a, b step, swapped bool) string {
	t.Helper()
	s := memstore.New()
	prepare(t, s)
	results := [2]string{}
	for i, st := range []step{a, b} {
		result, err := st.call(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		results[i] = result
	}
	if swapped {
		results[0], results[1] = results[1], results[0]
	}
	return summary(t, s, results)
}

func summary(t *testing.T, s session.Store, results [2]string) string {
	t.Helper()
	live, err := s.List(context.Background(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	confirmed := make(map[byte]bool)
	for id, rec := range live {
		confirmed[id[0]] = rec.ConfirmedAt != 0
	}
	return fmt.Sprintf("%q, generations %v, confirmed %v", results, generations(t, s), confirmed)
}

// interleaved runs second before the given statement of first. It waits until second has ended or
// waits for first. It reports whether first has that many statements.
func interleaved(t *testing.T, d database, plain session.Store, first, second step, statement int) (string, bool) {
	t.Helper()
	ctx := context.Background()
	var results [2]string
	seen, done := 0, make(chan error, 1)
	db := d.tapped(t, func(_ string, after bool) {
		if after {
			return
		}
		if seen++; seen != statement {
			return
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			var err error
			results[1], err = second.call(ctx, plain)
			done <- err
		}()
		const waits = 30 * time.Millisecond // after which second is assumed to wait for first
		select {
		case <-ended:
		case <-time.After(waits):
		}
	})
	defer db.Close()
	var err error
	if results[0], err = first.call(ctx, sqlstore.New(db, d.dialect, longTimeout)); err != nil {
		t.Errorf("%s: %v", first.name, err)
	}
	if seen < statement {
		results[1], err = second.call(ctx, plain)
		done <- err
	}
	if err := <-done; err != nil {
		t.Errorf("%s: %v", second.name, err)
	}
	return summary(t, plain, results), seen >= statement
}
