package sessiontest

import (
	"time"

	"github.com/lucia-go/lucia/session"
)

var ruleCases = []testCase{
	{
		name:        "refresh of a missing session",
		explanation: "An unknown user or session is an outcome and not an error, and the result contains the store's clock.",
		test: func(e *env) {
			s := e.signIn(e.user("ann"), slow)
			p := presented(e.record(s))
			for _, missing := range []ref{{e.user("bob"), s.id}, {s.user, session.NewID()}} {
				r := e.refresh(missing, p, slow, true)
				e.outcome(r, session.Missing)
				if r.Now == 0 {
					e.Error("Missing without the store's clock")
				}
				e.alive(missing.user, e.ids(missing.user)...)
			}
			e.alive(s.user, s.id)
			e.alive(e.user("bob"))
		},
	},
	{
		name:        "rule: every row",
		explanation: "Store.Refresh does what session.Refresh says, in every row of the rule and on both sides of each boundary.",
		test:        everyRow,
	},
	{
		name:        "rule: a settled refresh cookie confirms",
		explanation: "Current and Adopted confirm the generation if and only if the refresh cookie is settled.",
		test:        settledRows,
	},
	{
		name:        "rule: large numbers",
		explanation: "Generations use all 32 bits, and instants reach at least the year 9999. A store that rounds or wraps them loses sessions.",
		test: func(e *env) {
			for _, g := range []session.Generation{255, 256, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 2} {
				s := e.signIn(e.user("ann"), slow)
				p := session.Presentation{Generation: g, IssuedAt: 253402300798999, ExpiresAt: 253402300799999}
				e.outcome(e.refresh(s, p, slow, true), session.Adopted)
				e.outcome(e.refresh(s, p, slow, true), session.Current)
				p.Generation--
				e.outcome(e.refresh(s, p, slow, true), session.Repeated)
			}
			for _, g := range []session.Generation{254, 255, 1<<16 - 1, 1<<24 - 1, 1<<31 - 1, 1<<32 - 2} {
				s := e.signIn(e.user("bob"), slow)
				p := session.Presentation{Generation: g, IssuedAt: 1, ExpiresAt: 253402300799999, HandedAt: 1}
				e.outcome(e.refresh(s, p, slow, true), session.Adopted)
				e.pass(time.Millisecond)
				r := e.refresh(s, p, session.Policy{Idle: time.Hour, Lifetime: slow.Lifetime}, true)
				e.outcome(r, session.Rotated)
				e.same("generation", r.Record.Generation, g+1)
			}
		},
	},
	{
		name:        "rule: bound generations",
		explanation: "A bound generation, from 1<<31 on, is adopted, confirmed, listed and rotated like any other, and every unbound one is reused from then on.",
		test: func(e *env) {
			for _, first := range []session.Generation{session.BoundGenerations | 1, session.BoundGenerations | 0x7ff<<20 | 1} {
				s := e.reach(e.user("ann"), 3)
				old := presented(e.record(s))
				p := session.Presentation{Generation: first, IssuedAt: old.IssuedAt, ExpiresAt: old.ExpiresAt, HandedAt: 1}
				r := e.refresh(s, p, quick, true)
				e.outcome(r, session.Adopted)
				e.same("generation", e.record(s).Generation, first)
				e.pass(2 * time.Millisecond)
				r = e.refresh(s, p, quick, true)
				e.outcome(r, session.Rotated)
				e.same("generation", r.Record.Generation, first+1)
				e.outcome(e.refresh(s, p, slow, true), session.Repeated)
				rec := e.confirmed(s)
				e.same("confirmed generation", rec.Generation, first+1)
				e.outcome(e.refresh(s, old, slow, false), session.Reused)
				e.alive(s.user)
			}
		},
	},
	{
		name:        "rule: the policy is the call's",
		explanation: "A store keeps no policy. The policy of the call decides its outcome and the expiry that it sets.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 3)
			rec := e.confirmed(s)
			e.outcome(e.refresh(s, presented(rec), slow, true), session.Current)
			e.pass(time.Millisecond)
			short := session.Policy{Idle: time.Hour, Lifetime: 2 * time.Hour}
			r := e.refresh(s, presented(rec), short, true)
			e.outcome(r, session.Rotated)
			e.same("expiry", r.Record.ExpiresAt, r.Now.Add(short.Idle))
		},
	},
	{
		name:        "rule: durations are in whole milliseconds",
		explanation: "The durations of a policy are truncated to the millisecond before any calculation.",
		test: func(e *env) {
			part := time.Millisecond - time.Nanosecond
			policy := session.Policy{Grace: part, Settle: part, Idle: slow.Idle + part, Lifetime: slow.Lifetime + part}
			s := ref{e.user("ann"), session.NewID()}
			rec := e.create(s, policy, plenty)
			e.same("expiry", rec.ExpiresAt, rec.CreatedAt.Add(slow.Idle))
			rec = e.refresh(s, presented(rec), policy, true).Record
			e.confirm(s, rec.Generation, rec.IssuedAt, policy)
			if rec = e.record(s); rec.ConfirmedAt == 0 {
				e.Fatalf("with a settle time of less than a millisecond, unconfirmed: %+v", rec)
			}
			e.pass(time.Millisecond)
			e.outcome(e.refresh(s, presented(rec), policy, true), session.Rotated)
		},
	},
	{
		name:        "rule: the lifetime ends a session that is refreshed forever",
		explanation: "No rotation takes a session past CreatedAt + Lifetime.",
		test: func(e *env) {
			s := ref{e.user("ann"), session.NewID()}
			end := e.create(s, slow, plenty).CreatedAt.Add(slow.Idle + time.Minute)
			policy := quick
			policy.Lifetime = slow.Idle + time.Minute
			for range 5 {
				rec := e.confirmed(s)
				e.pass(time.Millisecond)
				r := e.refresh(s, presented(rec), policy, true)
				e.outcome(r, session.Rotated)
				e.same("expiry", r.Record.ExpiresAt, min(r.Now.Add(policy.Idle), end))
				policy.Idle *= 2
			}
			e.same("expiry in the end", e.record(s).ExpiresAt, end)
		},
	},
	{
		name:        "an expired session does not exist",
		explanation: "From ExpiresAt on, a session does not exist for any method, and no call brings it back.",
		test: func(e *env) {
			policy := slow
			policy.Idle = 20 * time.Millisecond
			s := ref{e.user("ann"), session.NewID()}
			rec := e.create(s, policy, plenty)
			if e.Advance != nil {
				e.pass(policy.Idle - time.Millisecond)
				e.same("record in its last millisecond", e.record(s), rec)
				e.pass(time.Millisecond)
			} else {
				e.waitUntil(rec.ExpiresAt)
			}
			e.gone(s)
		},
	},
}

// ids returns the ids of the user's live sessions.
func (e *env) ids(user string) (ids []session.ID) {
	e.Helper()
	for id := range e.list(user) {
		ids = append(ids, id)
	}
	return ids
}

// everyRow takes a session to generation 3, confirms it or not, lets time pass and presents
// something. If the clock runs by itself, a boundary may be missed. refresh still checks the
// outcome against the rule.
func everyRow(e *env) {
	const grace = 20 * time.Millisecond
	policy := session.Policy{Grace: grace, Settle: slow.Settle, Idle: slow.Idle, Lifetime: slow.Lifetime}
	const never = -1
	rows := []struct {
		presented session.Generation
		confirmed time.Duration // how long ago; never
		want      session.Outcome
	}{
		{0, never, session.Reused},
		{1, never, session.Reused},
		{2, never, session.Repeated},
		{3, never, session.Current},
		{4, never, session.Adopted},
		{9, never, session.Adopted},
		{0, 0, session.Reused},
		{1, 0, session.Reused},
		{2, 0, session.Repeated},
		{2, grace, session.Repeated},
		{2, grace + time.Millisecond, session.Reused},
		{3, 0, session.Current},
		{3, grace + time.Millisecond, session.Current},
		{3, 2 * grace, session.Current},
		{3, 2*grace + time.Millisecond, session.Rotated},
		{4, 0, session.Adopted},
		{4, 2*grace + time.Millisecond, session.Adopted},
	}
	for _, row := range rows {
		s := e.reach(e.user("ann"), 3)
		rec := e.record(s)
		if row.confirmed != never {
			rec = e.confirmed(s)
			e.pass(row.confirmed)
		}
		p := presented(rec)
		p.Generation = row.presented
		r := e.refresh(s, p, policy, false)
		if e.Advance != nil && r.Outcome != row.want {
			e.Errorf("generation %d of 3, confirmed %v ago (-1: never): %v, want %v",
				row.presented, row.confirmed, r.Outcome, row.want)
		}
	}
}

// settledRows presents the current and a lost generation with cookies that were handed out at
// various times before.
func settledRows(e *env) {
	const settle = 20 * time.Millisecond
	policy := slow
	policy.Settle = settle
	rows := []struct {
		ago       time.Duration // since the cookie was handed out
		confirmed bool
	}{
		{-time.Hour, false}, // a clock that was set back
		{0, false},
		{settle - time.Millisecond, false},
		{settle, true},
		{time.Hour, true},
	}
	for _, row := range rows {
		for ahead := range session.Generation(2) {
			s := e.reach(e.user("ann"), 2)
			rec := e.record(s)
			p := presented(rec)
			p.Generation += ahead
			p.HandedAt = e.now().Add(-row.ago)
			r := e.refresh(s, p, policy, true)
			if confirmed := r.Record.ConfirmedAt != 0; e.Advance != nil && confirmed != row.confirmed {
				e.Errorf("%v with a cookie handed out %v ago: confirmed = %v", r.Outcome, row.ago, confirmed)
			}
			e.refresh(s, presented(rec), policy, true) // no cookie: changes nothing
		}
	}
	s := e.reach(e.user("bob"), 2)
	p := presented(e.record(s))
	e.outcome(e.refresh(s, p, policy, true), session.Current)
	p.Generation, p.ExpiresAt = 7, e.now()
	e.outcome(e.refresh(s, p, policy, true), session.Missing)
	e.alive(s.user, s.id)
}
