package sessiontest

import (
	"context"
	"errors"
	"time"

	"github.com/lucia-go/lucia/session"
)

var failureCases = []testCase{
	{
		name:        "a context that has ended",
		explanation: "A call whose context has already ended returns an error that wraps ctx.Err() and changes nothing.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			rec, ctx := e.record(s), e.cancelled()
			for name, call := range calls(e, s, rec) {
				if err := call(ctx); !errors.Is(err, context.Canceled) {
					e.Errorf("%s: error %v, want one that wraps %v", name, err, context.Canceled)
				}
				e.same("record after "+name, e.record(s), rec)
				e.alive(s.user, s.id)
			}
		},
	},
	{
		name:        "a lost rotation is adopted",
		explanation: "After a store lost its last writes, the record takes over the browser's newer generation, and the user stays signed in.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			lose := e.snapshot()
			rec := e.rotate(s)
			lose()
			e.outcome(e.refresh(s, presented(rec), slow, true), session.Adopted)
			e.outcome(e.refresh(s, presented(rec), slow, true), session.Current)
		},
	},
	{
		name:        "a lost sign-in is missing",
		explanation: "If the store lost a sign-in, the user must sign in again. No call makes a record of it.",
		test: func(e *env) {
			user := e.user("ann")
			old := e.signIn(user, slow)
			lose := e.snapshot()
			s := e.signIn(user, slow)
			lose()
			e.gone(s)
			e.alive(user, old.id)
		},
	},
}

// snapshot saves the store's state, or skips the case.
func (e *env) snapshot() (restore func()) {
	e.Helper()
	if e.Snapshot == nil {
		e.Skip("the harness has no Snapshot, so it cannot lose writes")
	}
	return e.Snapshot()
}

// calls returns calls of every method that would change or show session s, whose record is rec, or
// create another session of its user.
func calls(e *env, s ref, rec session.Record) map[string]func(context.Context) error {
	handed := rec.IssuedAt.Add(-time.Hour)
	return map[string]func(context.Context) error{
		"Create": func(ctx context.Context) error {
			_, err := e.Store.Create(ctx, session.CreateParams{UserID: s.user, ID: session.NewID(), Policy: slow, Max: 1})
			return err
		},
		"Refresh": func(ctx context.Context) error {
			_, err := e.Store.Refresh(ctx, session.RefreshParams{UserID: s.user, ID: s.id, Policy: slow, RevokeUser: true})
			return err
		},
		"Confirm": func(ctx context.Context) error {
			c := session.ConfirmParams{UserID: s.user, ID: s.id, Generation: rec.Generation, HandedAt: handed, Policy: quick}
			return e.Store.Confirm(ctx, c)
		},
		"Delete":     func(ctx context.Context) error { return e.Store.Delete(ctx, s.user, s.id) },
		"DeleteUser": func(ctx context.Context) error { return e.Store.DeleteUser(ctx, s.user) },
		"List": func(ctx context.Context) error {
			_, err := e.Store.List(ctx, s.user)
			return err
		},
	}
}
