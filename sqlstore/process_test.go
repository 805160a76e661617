package sqlstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// TestTwoProcessesMakeOneSuccessor checks that 64 concurrent refreshes of one token, from two
// processes, make one new generation and all return it.
func TestTwoProcessesMakeOneSuccessor(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		s := d.store(t, longTimeout)
		for round := range 5 {
			id := session.ID{byte(round)}
			rec := create(t, s, "ann", id, long, 100)
			e := childTask{Driver: d.driver, URL: d.url, Do: "refresh", Callers: 32, Params: session.RefreshParams{
				UserID: "ann", ID: id, Policy: long, RevokeUser: true,
				Presented: session.Presentation{Generation: rec.Generation, IssuedAt: rec.IssuedAt, ExpiresAt: rec.ExpiresAt},
			}}
			results := runTogether(t, e, e)
			live, err := s.List(context.Background(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			rotated := 0
			for _, r := range results {
				if r.Outcome == session.Rotated {
					rotated++
				} else if r.Outcome != session.Repeated {
					t.Errorf("outcome %v", r.Outcome)
				}
				if r.Record != live[id].Record || r.Record.Generation != 2 {
					t.Errorf("handed out %+v, want %+v of generation 2", r.Record, live[id])
				}
			}
			if rotated != 1 || len(results) != 64 {
				t.Errorf("%d of %d refreshes rotated, want 1 of 64", rotated, len(results))
			}
		}
	})
}

// TestTwoProcessesKeepTheLimit checks that concurrent sign-ins of one user from two processes never
// exceed the limit.
func TestTwoProcessesKeepTheLimit(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		s := d.store(t, longTimeout)
		e := childTask{Driver: d.driver, URL: d.url, Do: "sign in", Callers: 32, Params: session.RefreshParams{UserID: "ann", Policy: long}}
		runTogether(t, e, e)
		live, err := s.List(context.Background(), "ann")
		if err != nil || len(live) != 5 {
			t.Errorf("%d sessions in the end, %v, want 5", len(live), err)
		}
	})
}

// runTogether runs each task in a process of its own and lets all of them begin at the same time.
func runTogether(t *testing.T, errands ...childTask) (all []session.RefreshResult) {
	t.Helper()
	var ends []func()
	var begins []io.Writer
	for _, e := range errands {
		cmd, in, out := e.start(t)
		if line, err := out.ReadString('\n'); line != "ready\n" {
			t.Fatalf("the other process printed %q, %v", line, err)
		}
		begins = append(begins, in)
		ends = append(ends, func() {
			var results []session.RefreshResult
			if err := json.NewDecoder(out).Decode(&results); err != nil {
				t.Error(err)
			}
			all = append(all, results...)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, w := range begins {
		if _, err := io.WriteString(w, "go\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range ends {
		end()
	}
	return all
}

// step is a call of the store on the sessions of ann that [prepare] makes. after are the sessions
// after it: generations by the first byte of the session id. confirmed is that byte of a session
// whose generation the step confirms, or 0. publishes is set if it publishes a notice about ann.
type step struct {
	name      string
	call      func(context.Context, session.Store) (result string, err error)
	after     map[byte]session.Generation
	confirmed byte
	publishes bool
}

// before are the sessions that [prepare] makes.
var before = map[byte]session.Generation{1: 1, 2: 3, 3: 2}

// prepare gives ann three sessions, in the order of their ids: one that has just begun, one of
// three generations, one of two.
func prepare(t *testing.T, s session.Store) {
	t.Helper()
	ctx := context.Background()
	if err := s.DeleteUser(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	rule := long
	rule.Grace, rule.Settle = 0, 0
	for _, id := range []byte{1, 2, 3} {
		create(t, s, "ann", session.ID{id}, rule, 100)
		for generation := session.Generation(1); generation < before[id]; generation++ {
			pass(t, s)
			err := s.Confirm(ctx, session.ConfirmParams{UserID: "ann", ID: session.ID{id}, Generation: generation, HandedAt: 1, Policy: rule})
			if err != nil {
				t.Fatal(err)
			}
			pass(t, s)
			r, err := s.Refresh(ctx, session.RefreshParams{
				UserID: "ann", ID: session.ID{id}, Presented: session.Presentation{Generation: generation}, Policy: rule,
			})
			if err != nil || r.Outcome != session.Rotated {
				t.Fatalf("Refresh = %+v, %v, want a rotation", r, err)
			}
		}
		pass(t, s)
	}
}

// prepared does what prepare does and returns a function that does it again.
func prepared(t *testing.T, d database, s *sqlstore.Store) (again func()) {
	t.Helper()
	prepare(t, s)
	db := d.pool(t)
	db.SetMaxIdleConns(0) // the server may have been killed since
	return snapshots(t, db, s.Table())()
}

// pass waits until the database's clock shows another millisecond.
func pass(t *testing.T, s session.Store) {
	t.Helper()
	now := func() session.Instant {
		r, err := s.Refresh(context.Background(), session.RefreshParams{UserID: "no one"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Now
	}
	for then := now(); now() == then; {
		time.Sleep(time.Millisecond)
	}
}

func refreshOf(id byte, g session.Generation, revoke bool) func(context.Context, session.Store) (string, error) {
	return func(ctx context.Context, s session.Store) (string, error) {
		r, err := s.Refresh(ctx, session.RefreshParams{
			UserID: "ann", ID: session.ID{id}, Presented: session.Presentation{Generation: g}, Policy: long, RevokeUser: revoke,
		})
		return fmt.Sprint(r.Outcome, " ", r.Record.Generation), err
	}
}

func publish(userID string, keep time.Duration) func(context.Context, session.Store) (string, error) {
	return func(ctx context.Context, s session.Store) (string, error) {
		return "", s.(session.Feed).Publish(ctx, session.Notice{Kind: session.NoticeEnd, UserID: userID, IssuedUntil: 7}, keep)
	}
}

func confirm(id byte, g session.Generation) func(context.Context, session.Store) (string, error) {
	return func(ctx context.Context, s session.Store) (string, error) {
		policy := long
		policy.Settle = 0
		return "", s.Confirm(ctx, session.ConfirmParams{UserID: "ann", ID: session.ID{id}, Generation: g, HandedAt: 1, Policy: policy})
	}
}

var steps = []step{
	{
		name: "create beyond the limit",
		call: func(ctx context.Context, s session.Store) (string, error) {
			_, err := s.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{4}, Policy: long, Max: 2})
			return "", err
		},
		after: map[byte]session.Generation{3: 2, 4: 1},
	},
	{name: "rotation", call: refreshOf(1, 1, true), after: map[byte]session.Generation{1: 2, 2: 3, 3: 2}},
	{
		name: "adoption", after: map[byte]session.Generation{1: 5, 2: 3, 3: 2},
		call: func(ctx context.Context, s session.Store) (string, error) {
			const later = 1 << 50 // than any test
			r, err := s.Refresh(ctx, session.RefreshParams{
				UserID: "ann", ID: session.ID{1}, Policy: long, RevokeUser: true,
				Presented: session.Presentation{Generation: 5, HandedAt: later, ExpiresAt: later},
			})
			return fmt.Sprint(r.Outcome, " ", r.Record.Generation), err
		},
	},
	{name: "confirmation", call: confirm(3, 2), after: before, confirmed: 3},
	{name: "reuse of one", call: refreshOf(2, 1, false), after: map[byte]session.Generation{1: 1, 3: 2}},
	{name: "reuse of all", call: refreshOf(2, 1, true), after: map[byte]session.Generation{}},
	{
		name: "delete", after: map[byte]session.Generation{1: 1, 2: 3},
		call: func(ctx context.Context, s session.Store) (string, error) {
			return "", s.Delete(ctx, "ann", session.ID{3})
		},
	},
	{
		name: "delete user", after: map[byte]session.Generation{},
		call: func(ctx context.Context, s session.Store) (string, error) { return "", s.DeleteUser(ctx, "ann") },
	},
}

// killed are the steps in which processes are killed.
var killed = append(slices.Clip(steps), step{name: "publication", call: publish("ann", time.Hour), after: before, publishes: true})
