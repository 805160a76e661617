package sessiontest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// callers is how many goroutines a concurrent case uses.
const callers = 16

var longCases = []testCase{
	{
		name:        "concurrent refreshes of one token",
		explanation: "If many callers present one token at once, one new generation is made, and all of them get it.",
		test:        oneRotation,
	},
	{
		name:        "concurrent sign-out",
		explanation: "Once Delete has returned, refreshes and confirms that were under way cannot bring the session back.",
		test:        concurrentSignOut,
	},
	{
		name:        "concurrent sign-ins",
		explanation: "A user never has more sessions than the cap, at any moment and in any order of sign-ins.",
		test:        concurrentSignIns,
	},
	{
		name:        "model",
		explanation: "Random histories of several clients, checked step by step against the rule. SESSIONTEST_SEED repeats one.",
		test: func(e *env) {
			steps := 4000
			if testing.Short() || e.Advance == nil {
				steps = 1000
			}
			Model(e.T, e.Harness, Seed(e.T), steps)
		},
	},
}

// together runs f in as many goroutines as callers says and waits for all of them.
func together(f func(i int)) {
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func oneRotation(e *env) {
	s, bystander := e.signIn(e.user("ann"), slow), e.signIn(e.user("ann"), slow)
	untouched := e.record(bystander)
	for range 10 {
		rec := e.confirmed(s)
		e.pass(time.Millisecond)
		refreshing := session.RefreshParams{UserID: s.user, ID: s.id, Presented: presented(rec), Policy: quick, RevokeUser: true}
		var results [callers]session.RefreshResult
		together(func(i int) {
			var err error
			if results[i], err = e.Store.Refresh(e.Context(), refreshing); err != nil {
				e.Errorf("Refresh: %v", err)
			}
		})
		want, rotated := e.record(s), 0
		for _, r := range results {
			switch r.Outcome {
			case session.Rotated:
				rotated++
			case session.Repeated:
			default:
				e.Errorf("one of %[2]d simultaneous refreshes has the outcome %[1]v", r.Outcome, callers)
			}
			e.same("record handed out", r.Record, want)
		}
		e.same("generations made", rotated, 1)
		e.same("generation", want.Generation, rec.Generation+1)
		together(func(int) {
			c := session.ConfirmParams{
				UserID: s.user, ID: s.id, Generation: want.Generation, HandedAt: want.IssuedAt, Policy: quick,
			}
			if err := e.Store.Confirm(e.Context(), c); err != nil {
				e.Errorf("Confirm: %v", err)
			}
		})
	}
	e.same("record of the other session", e.record(bystander), untouched)
}

func concurrentSignOut(e *env) {
	for range 5 {
		s := e.signIn(e.user("ann"), slow)
		rec := e.record(s)
		refreshing := session.RefreshParams{UserID: s.user, ID: s.id, Presented: presented(rec), Policy: slow, RevokeUser: true}
		confirming := session.ConfirmParams{UserID: s.user, ID: s.id, Generation: 2, HandedAt: rec.IssuedAt, Policy: quick}
		atWork := make(chan struct{}, callers)
		var ended atomic.Bool
		together(func(i int) {
			if i == 0 {
				<-atWork
				if err := e.Store.Delete(e.Context(), s.user, s.id); err != nil {
					e.Errorf("Delete: %v", err)
				}
				ended.Store(true)
				return
			}
			for alive, first := true, true; alive; first = false {
				late := ended.Load()
				r, err := e.Store.Refresh(e.Context(), refreshing)
				if err == nil {
					err = e.Store.Confirm(e.Context(), confirming)
				}
				if first {
					atWork <- struct{}{}
				}
				if err != nil {
					e.Errorf("Refresh and Confirm: %v", err)
					return
				}
				alive = r.Outcome.Alive()
				if r.Outcome == session.Reused || alive && late {
					e.Errorf("outcome %v, begun after Delete had returned: %v", r.Outcome, late)
					return
				}
			}
		})
		e.gone(s)
	}
}

func concurrentSignIns(e *env) {
	const most, each = 5, 8
	user, other := e.user("ann"), e.signIn(e.user("bob"), slow)
	together(func(int) {
		for range each {
			c := session.CreateParams{UserID: user, ID: session.NewID(), Policy: slow, Max: most}
			r, err := e.Store.Create(e.Context(), c)
			if err != nil || r.Record.Generation != session.FirstGeneration || len(r.Ended) > 1 {
				e.Errorf("Create = %+v, %v", r, err)
			}
			live, err := e.Store.List(e.Context(), user)
			if err != nil || len(live) > most || len(live) == 0 {
				e.Errorf("List = %d sessions, %v, want 1 to %d", len(live), err, most)
			}
		}
	})
	e.same("sessions in the end", len(e.list(user)), most)
	e.alive(other.user, other.id)
}
