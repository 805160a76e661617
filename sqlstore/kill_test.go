package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// generations returns the generations of ann's sessions, by the first byte of their ids.
func generations(t *testing.T, s session.Store) map[byte]session.Generation {
	t.Helper()
	live, err := s.List(context.Background(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[byte]session.Generation)
	for id, rec := range live {
		all[id[0]] = rec.Generation
	}
	return all
}

// confirmed returns the first byte of the id of ann's session whose generation is confirmed, or 0.
func confirmed(t *testing.T, s session.Store) (id byte) {
	t.Helper()
	live, err := s.List(context.Background(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range live {
		if rec.ConfirmedAt != 0 {
			id = i[0]
		}
	}
	return id
}

// check checks the sessions after a step that may have been interrupted. They must be unchanged or
// as the step makes them. If the step is repeated, they must be as it makes them.
func (st step) check(t *testing.T, s session.Store, had feedState, at string) {
	t.Helper()
	feed := feedOf(t, s)
	if feed != had && (!st.publishes || feed != had.with(1)) {
		t.Errorf("%s, killed %s: the feed has %+v, had %+v", st.name, at, feed, had)
	}
	got, confirmed := generations(t, s), confirmed(t, s)
	if (!maps.Equal(got, before) || confirmed != 0) && (!maps.Equal(got, st.after) || confirmed != st.confirmed) {
		t.Errorf("%s, killed %s: %v, want %v or %v; confirmed %d", st.name, at, got, before, st.after, confirmed)
	}
	if _, err := st.call(context.Background(), s); err != nil {
		t.Fatalf("%s, again after it was killed %s: %v", st.name, at, err)
	}
	st.checkDone(t, s, "again after it was killed "+at)
	if got := feedOf(t, s); st.publishes && got != feed.with(1) {
		t.Errorf("%s, again after it was killed %s: the feed has %+v, had %+v", st.name, at, got, feed)
	}
}

// feedState counts the notices of the feed: those about ann, and expired ones about others.
type feedState struct{ ann, expired int }

// with is the feed after n notices about ann have been published, which sweeps it.
func (f feedState) with(n int) feedState { return feedState{f.ann + n, 0} }

func feedOf(t *testing.T, s session.Store) (f feedState) {
	t.Helper()
	notices, _, err := s.(session.Feed).ReadFeed(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices {
		if n.UserID == "ann" {
			f.ann++
		} else {
			f.expired++
		}
		if n.Kind != session.NoticeEnd || n.IssuedUntil != 7 {
			t.Errorf("the feed has %+v", n)
		}
	}
	return f
}

// expire gives the feed one expired notice.
func expire(t *testing.T, s session.Store) (f feedState) {
	t.Helper()
	const keep = 5
	for f.expired != 1 { // a slow publication sweeps its own notice
		if _, err := publish("bob", keep*time.Millisecond)(context.Background(), s); err != nil {
			t.Fatal(err)
		}
		f = feedOf(t, s)
	}
	for range keep + 1 {
		pass(t, s)
	}
	return f
}

// checkDone checks the sessions after a step.
func (st step) checkDone(t *testing.T, s session.Store, when string) {
	t.Helper()
	if got := generations(t, s); !maps.Equal(got, st.after) {
		t.Errorf("%s, %s: %v, want %v", st.name, when, got, st.after)
	}
	if got := confirmed(t, s); got != st.confirmed {
		t.Errorf("%s, %s: %d is confirmed, want %d", st.name, when, got, st.confirmed)
	}
}

// points calls cut for each point at which a call can be interrupted: before each of its statements
// and after the last. cut reports whether the call has that many statements.
func points(cut func(statement int, after bool) bool) {
	statement := 1
	for cut(statement, false) {
		statement++
	}
	cut(statement-1, true)
}

// TestKilledAppLeavesNothingHalfDone kills the process that calls the store, before each statement
// of each call and after the last.
func TestKilledAppLeavesNothingHalfDone(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		s := d.store(t, longTimeout)
		restore := prepared(t, d, s)
		for _, st := range killed {
			kills := 0
			points(func(statement int, after bool) bool {
				restore()
				had := expire(t, s)
				cmd, _, _ := childTask{Driver: d.driver, URL: d.url, Do: st.name, Statement: statement, After: after}.start(t)
				err := cmd.Wait()
				st.check(t, s, had, fmt.Sprintf("at statement %d (after it: %v)", statement, after))
				if err == nil {
					return false
				}
				exit := new(exec.ExitError)
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("%s: %v, want a killed process", st.name, err)
				}
				kills++
				return true
			})
			if kills < 2 {
				t.Errorf("%s was killed %d times, want once a statement and once after", st.name, kills)
			}
		}
	})
}

// TestKilledServerLeavesNothingHalfDone kills PostgreSQL at the same points and starts it again.
// The store repeats the call by itself, because the connection was lost.
func TestKilledServerLeavesNothingHalfDone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the server some thirty times")
	}
	t.Parallel()
	server := testenv.Postgres(t, "-c", "fsync=off") // fsync matters only for power failures
	d := postgresAt(server.Addr)
	s := d.store(t, longTimeout)
	restore := prepared(t, d, s)
	for _, st := range killed {
		points(func(statement int, after bool) bool {
			restore()
			had := expire(t, s)
			down, seen := false, 0
			db := d.tapped(t, func(_ string, done bool) {
				if !done {
					seen++
				}
				if !down && seen == statement && done == after {
					down = true
					server.Kill()
					server.Restart()
				}
			})
			defer db.Close()
			at := fmt.Sprintf("at statement %d (after it: %v)", statement, after)
			if _, err := st.call(context.Background(), sqlstore.New(db, d.dialect, longTimeout)); err != nil {
				t.Errorf("%s, server killed %s: %v", st.name, at, err)
			}
			st.checkDone(t, s, "server killed "+at)
			if got := feedOf(t, s); st.publishes && got != had.with(1) && got != had.with(2) {
				t.Errorf("%s, server killed %s: the feed has %+v, had %+v", st.name, at, got, had)
			}
			return down
		})
	}
}
