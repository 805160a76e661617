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

// generations returns ann's sessions.
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

// check holds the sessions to a step that may have been cut short: they are as they
// were or as the step makes them, and doing it once more makes them so.
func (st step) check(t *testing.T, s session.Store, at string) {
	t.Helper()
	got := generations(t, s)
	if !maps.Equal(got, before) && !maps.Equal(got, st.after) {
		t.Errorf("%s, killed %s: %v, want %v or %v", st.name, at, got, before, st.after)
	}
	if err := st.call(context.Background(), s); err != nil {
		t.Fatalf("%s, again after it was killed %s: %v", st.name, at, err)
	}
	if got := generations(t, s); !maps.Equal(got, st.after) {
		t.Errorf("%s, again after it was killed %s: %v, want %v", st.name, at, got, st.after)
	}
}

// TestKilledAppLeavesNothingHalfDone kills the process that calls the store before
// and after each statement of each call.
func TestKilledAppLeavesNothingHalfDone(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		s := d.store(t, unhurried)
		for _, st := range steps {
			for point := 2; ; point++ {
				e := errand{Driver: d.driver, URL: d.url, Do: st.name, Statement: point / 2, After: point%2 == 1}
				prepare(t, s)
				cmd, _, _ := e.start(t)
				err := cmd.Wait()
				st.check(t, s, fmt.Sprintf("at statement %d, after it: %v", e.Statement, e.After))
				if err == nil {
					if e.Statement < 2 {
						t.Errorf("%s took no statement", st.name)
					}
					break // it had fewer statements
				}
				exit := new(exec.ExitError)
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("%s: %v, want it killed", st.name, err)
				}
			}
		}
	})
}

// TestKilledServerLeavesNothingHalfDone kills PostgreSQL before and after each
// statement of each call, and starts it again.
func TestKilledServerLeavesNothingHalfDone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the server some forty times")
	}
	t.Parallel()
	server := testenv.Postgres(t)
	d := postgresAt(server.Addr)
	s := d.store(t, unhurried)
	for _, st := range steps {
		for point, killed := 2, true; killed; point++ {
			prepare(t, s)
			killed = false
			seen := 0
			db := d.tapped(t, func(_ string, done bool) {
				if !done {
					seen++
				}
				if !killed && seen == point/2 && done == (point%2 == 1) {
					killed = true
					server.Kill()
					server.Restart()
				}
			})
			at := fmt.Sprintf("at statement %d, after it: %v", point/2, point%2 == 1)
			// The store tries again by itself, as the connection was lost.
			if err := st.call(context.Background(), sqlstore.New(db, d.dialect, unhurried)); err != nil {
				t.Errorf("%s, server killed %s: %v", st.name, at, err)
			}
			if got := generations(t, s); !maps.Equal(got, st.after) {
				t.Errorf("%s, server killed %s: %v, want %v", st.name, at, got, st.after)
			}
			db.Close()
		}
	}
}
