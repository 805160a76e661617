package sessiontest

import (
	"math"
	"time"

	"github.com/lucia-go/lucia/session"
)

// present is quick with ByActivity: a session's life counts from the last activity.
var present = session.Policy{Idle: slow.Idle, ByActivity: true, Lifetime: slow.Lifetime}

var activityCases = []testCase{
	{
		name:        "activity: a background refresh extends nothing",
		explanation: "With Policy.ByActivity a refresh without activity rotates and leaves ExpiresAt alone.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			ends := e.record(s).ExpiresAt
			e.pass(2 * time.Millisecond)
			first := e.confirmed(s)
			e.pass(time.Millisecond)
			r := e.refresh(s, presented(first), present, true)
			e.outcome(r, session.Rotated)
			e.same("expiry after a rotation", r.Record.ExpiresAt, ends)
			r = e.refresh(s, presented(r.Record), present, true)
			e.outcome(r, session.Current)
			e.same("expiry after the same token again", r.Record.ExpiresAt, ends)
			r = e.refresh(s, presented(first), present, true)
			e.outcome(r, session.Repeated)
			e.same("expiry after the predecessor", r.Record.ExpiresAt, ends)
		},
	},
	{
		name:        "activity: it extends the session, whatever the outcome",
		explanation: "With Policy.ByActivity an activity extends the session when it rotates and when it does not.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			first := e.confirmed(s)
			for _, want := range []struct {
				outcome session.Outcome
				token   func() session.Record
			}{
				{session.Rotated, func() session.Record { return first }},
				{session.Current, func() session.Record { return e.record(s) }},
				{session.Repeated, func() session.Record { return first }},
				{session.Adopted, func() session.Record {
					rec := e.record(s)
					rec.Generation++
					return rec
				}},
			} {
				e.pass(3 * time.Millisecond)
				p := presented(want.token())
				p.Active, p.ActiveAgo = true, time.Millisecond
				r := e.refresh(s, p, present, true)
				e.outcome(r, want.outcome)
				e.same("expiry", r.Record.ExpiresAt, r.Now.Add(present.Idle-time.Millisecond))
			}
		},
	},
	{
		name:        "activity: an older one changes nothing",
		explanation: "The latest activity of several tabs counts, in whatever order they arrive, and none counts as later than now.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			for _, ago := range []time.Duration{-time.Hour, 0, time.Hour, present.Idle, math.MaxInt64, math.MinInt64} {
				before := e.record(s).ExpiresAt
				p := presented(e.record(s))
				p.Active, p.ActiveAgo = true, ago
				r := e.refresh(s, p, present, true)
				want := before
				if ago <= 0 {
					want = r.Now.Add(present.Idle)
				}
				e.same("expiry", r.Record.ExpiresAt, want)
			}
		},
	},
	{
		name:        "activity: the lifetime and a stricter policy limit it",
		explanation: "No activity takes a session past CreatedAt + Lifetime, and no session lives longer than Idle from now.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			p := presented(e.record(s))
			stricter := present
			stricter.Idle = time.Hour
			r := e.refresh(s, p, stricter, true)
			e.same("expiry under a stricter policy", r.Record.ExpiresAt, r.Now.Add(time.Hour))
			p.Active = true
			stricter.Lifetime = time.Hour + time.Minute
			stricter.Idle = 2 * time.Hour
			r = e.refresh(s, p, stricter, true)
			e.same("expiry at the lifetime", r.Record.ExpiresAt, r.Record.CreatedAt.Add(stricter.Lifetime))
		},
	},
	{
		name:        "activity: a lost generation's token has its own expiry",
		explanation: "An adopted token's expiry counts if it is later than the record's. A token that has expired does not end a live session.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			rec := e.record(s)
			p := presented(rec)
			p.Generation, p.ExpiresAt = 4, rec.ExpiresAt-7
			r := e.refresh(s, p, present, true)
			e.outcome(r, session.Adopted)
			e.same("expiry of a record that lives longer", r.Record.ExpiresAt, rec.ExpiresAt)
			p.Generation, p.ExpiresAt = 5, 1
			r = e.refresh(s, p, present, true)
			e.outcome(r, session.Adopted)
			e.same("expiry with an expired token", r.Record.ExpiresAt, rec.ExpiresAt)
			e.pass(3 * time.Millisecond)
			p.Generation, p.ExpiresAt = 6, rec.ExpiresAt+1
			r = e.refresh(s, p, present, true)
			e.same("expiry of a token that lives longer", r.Record.ExpiresAt, rec.ExpiresAt+1)
		},
	},
	{
		name:        "activity: without ByActivity it does not count",
		explanation: "An activity changes neither the outcome nor the record of a policy without ByActivity.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 2)
			rec := e.record(s)
			p := presented(rec)
			p.Active = true
			e.pass(2 * time.Millisecond)
			r := e.refresh(s, p, slow, true)
			e.outcome(r, session.Current)
			e.same("record", r.Record, rec)
		},
	},
	{
		name:        "activity: a session without any ends",
		explanation: "A session ends Idle after the last activity, however often it is refreshed in the background.",
		test: func(e *env) {
			policy := present
			policy.Idle = 30 * time.Millisecond
			s := ref{e.user("ann"), session.NewID()}
			rec := e.create(s, policy, plenty)
			for i := 0; e.now() < rec.ExpiresAt-5; i++ {
				r := e.refresh(s, presented(e.record(s)), policy, true)
				if r.Outcome.Alive() {
					e.same("expiry", r.Record.ExpiresAt, rec.ExpiresAt)
				}
				e.pass(5 * time.Millisecond)
			}
			e.waitOrAdvance(rec.ExpiresAt)
			e.gone(s)
		},
	},
}

// waitOrAdvance lets time pass until the store's clock shows target.
func (e *env) waitOrAdvance(target session.Instant) {
	e.Helper()
	if now := e.now(); e.Advance != nil && now < target {
		e.Advance(target.Sub(now))
		return
	}
	e.waitUntil(target)
}
