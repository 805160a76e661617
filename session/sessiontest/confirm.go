package sessiontest

import (
	"time"

	"github.com/lucia-go/lucia/session"
)

var confirmCases = []testCase{
	{
		name:        "confirm of a missing session",
		explanation: "A late confirm makes no record and is no error.",
		test: func(e *env) {
			s := ref{e.user("ann"), session.NewID()}
			e.confirm(s, 1, e.now(), quick)
			e.alive(s.user)
			other := e.signIn(s.user, slow)
			e.confirm(s, 1, e.now(), quick)
			e.alive(s.user, other.id)
		},
	},
	{
		name:        "confirm of the current generation",
		explanation: "A settled token of the current generation sets ConfirmedAt to the store's clock, and nothing else.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			rec, before := e.record(s), e.now()
			e.confirm(s, 2, rec.IssuedAt, quick)
			got, after := e.record(s), e.now()
			if got.ConfirmedAt < before || got.ConfirmedAt > after {
				e.Errorf("confirmed at %d, want between %d and %d", got.ConfirmedAt, before, after)
			}
			rec.ConfirmedAt = got.ConfirmedAt
			e.same("record", got, rec)
		},
	},
	{
		name:        "confirm is once",
		explanation: "A second confirm does not move ConfirmedAt. Otherwise repeated confirms would postpone the next rotation forever.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			rec := e.confirmed(s)
			e.pass(2 * time.Millisecond)
			e.confirm(s, 2, rec.IssuedAt, quick)
			e.same("record", e.record(s), rec)
		},
	},
	{
		name:        "confirm of another generation",
		explanation: "A token of an older generation, or of one that the store has lost, does not confirm the current one.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 3)
			rec := e.record(s)
			for _, g := range []session.Generation{0, 1, 2, 4, 3 + 256} {
				e.confirm(s, g, rec.IssuedAt, quick)
				e.same("record", e.record(s), rec)
			}
		},
	},
	{
		name:        "confirm of an unsettled token",
		explanation: "Only a token handed out at least Settle ago proves that the browser has the generation on disk.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			rec, policy := e.record(s), slow
			for _, handed := range []session.Instant{0, e.now().Add(time.Hour), e.now()} {
				e.confirm(s, 2, handed, policy)
				e.same("record", e.record(s), rec)
			}
			if e.Advance == nil {
				return
			}
			policy.Settle = 20 * time.Millisecond
			handed := e.now()
			e.pass(policy.Settle - time.Millisecond)
			e.confirm(s, 2, handed, policy)
			e.same("record a millisecond early", e.record(s), rec)
			e.pass(time.Millisecond)
			e.confirm(s, 2, handed, policy)
			rec.ConfirmedAt = e.now()
			e.same("record at the boundary", e.record(s), rec)
		},
	},
	{
		name:        "confirm of one session",
		explanation: "Other sessions of the user stay as they are.",
		test: func(e *env) {
			s, other := e.reach(e.user("ann"), 2), e.reach(e.user("ann"), 2)
			rec := e.record(other)
			e.confirmed(s)
			e.same("record of the other session", e.record(other), rec)
		},
	},
}
