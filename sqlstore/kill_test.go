package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"syscall"
	"testing"

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

// check checks the sessions after a step that may have been interrupted. They must be unchanged or
// as the step makes them. If the step is repeated, they must be as it makes them.
func (st step) check(t *testing.T, s session.Store, at string) {
	t.Helper()
	got := generations(t, s)
	if !maps.Equal(got, before) && !maps.Equal(got, st.after) {
		t.Errorf("%s, killed %s: %v, want %v or %v", st.name, at, got, before, st.after)
	}
	if _, err := st.call(context.Background(), s); err != nil {
		t.Fatalf("%s, again after it was killed %s: %v", st.name, at, err)
	}
	if got := generations(t, s); !maps.Equal(got, st.after) {
		t.Errorf("%s, again after it was killed %s: %v, want %v", st.name, at, got, st.after)
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
		for _, st := range steps {
			kills := 0
			points(func(statement int, after bool) bool {
				restore()
				cmd, _, _ := childTask{Driver: d.driver, URL: d.url, Do: st.name, Statement: statement, After: after}.start(t)
				err := cmd.Wait()
				st.check(t, s, fmt.Sprintf("at statement %d (after it: %v)", statement, after))
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
	for _, st := range steps {
		points(func(statement int, after bool) bool {
			restore()
			killed, seen := false, 0
			db := d.tapped(t, func(_ string, done bool) {
				if !done {
					seen++
				}
				if !killed && seen == statement && done == after {
					killed = true
					server.Kill()
					server.Restart()
				}
			})
			defer db.Close()
			at := fmt.Sprintf("at statement %d (after it: %v)", statement, after)
			if _, err := st.call(context.Background(), sqlstore.New(db, d.dialect, longTimeout)); err != nil {
				t.Errorf("%s, server killed %s: %v", st.name, at, err)
			}
			if got := generations(t, s); !maps.Equal(got, st.after) {
				t.Errorf("%s, server killed %s: %v, want %v", st.name, at, got, st.after)
			}
			return killed
		})
	}
}
