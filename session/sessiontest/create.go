package sessiontest

import (
	"bytes"
	"slices"
	"time"

	"github.com/lucia-go/lucia/session"
)

var createCases = []testCase{
	{
		name:        "create begins a session",
		explanation: "Create stores session.Begin with the store's clock, returns it, and List shows it.",
		test: func(e *env) {
			before := e.now()
			s := ref{e.user("ann"), session.NewID()}
			rec := e.create(s, slow, plenty)
			if after := e.now(); rec.CreatedAt < before || rec.CreatedAt > after {
				e.Errorf("created at %d, want between %d and %d", rec.CreatedAt, before, after)
			}
			e.alive(s.user, s.id)
		},
	},
	{
		name:        "create bounds the session by the lifetime",
		explanation: "A session ends after Policy.Lifetime where that is shorter than Policy.Idle.",
		test: func(e *env) {
			policy := session.Policy{Idle: time.Hour, Lifetime: 59 * time.Minute}
			rec := e.create(ref{e.user("ann"), session.NewID()}, policy, plenty)
			e.same("expiry", rec.ExpiresAt, rec.CreatedAt.Add(policy.Lifetime))
		},
	},
	{
		name:        "create twice is one session",
		explanation: "Repeating a step whose reply was lost is harmless: the second Create of an ID replaces the first.",
		test: func(e *env) {
			s := ref{e.user("ann"), session.NewID()}
			e.create(s, slow, plenty)
			e.pass(time.Millisecond)
			e.create(s, slow, plenty)
			e.alive(s.user, s.id)
			e.outcome(e.refresh(s, presented(e.record(s)), slow, true), session.Rotated)
			e.delete(s)
			e.gone(s)
		},
	},
	{
		name:        "cap drops the least recently refreshed",
		explanation: "Over the cap the session goes whose current token was issued first, not the one created first.",
		test: func(e *env) {
			user := e.user("ann")
			first, second := e.signIn(user, slow), ref{user, session.NewID()}
			e.pass(time.Millisecond)
			e.create(second, slow, plenty)
			e.pass(time.Millisecond)
			e.rotate(first)
			e.pass(time.Millisecond)
			third := ref{user, session.NewID()}
			e.create(third, slow, 2)
			e.alive(user, first.id, third.id)
		},
	},
	{
		name:        "cap counts rotations only",
		explanation: "A refresh that hands the same generation out again does not make a session more recent.",
		test: func(e *env) {
			user := e.user("ann")
			first := e.reach(user, 2)
			e.pass(time.Millisecond)
			second := ref{user, session.NewID()}
			e.create(second, slow, plenty)
			e.pass(time.Millisecond)
			e.outcome(e.refresh(first, presented(e.record(first)), slow, true), session.Current)
			third := ref{user, session.NewID()}
			e.create(third, slow, 2)
			e.alive(user, second.id, third.id)
		},
	},
	{
		name:        "cap breaks ties by the smallest id",
		explanation: "Of sessions issued in the same millisecond the smallest ID, compared byte by byte, goes first.",
		test: func(e *env) {
			user := e.user("ann")
			ids := []session.ID{{0x7f, 1}, {0x80}, {0x7f, 0xff}, {0, 0, 9}, {0xff}, {0, 1}}
			issued := make(map[session.ID]session.Instant)
			for _, id := range ids {
				issued[id] = e.create(ref{user, id}, slow, plenty).IssuedAt
			}
			slices.SortFunc(ids, func(a, b session.ID) int {
				if d := issued[a].Sub(issued[b]); d != 0 { // in real time some may be later
					return int(d)
				}
				return bytes.Compare(a[:], b[:])
			})
			last := ref{user, session.ID{0, 0, 1}}
			e.create(last, slow, 4)
			e.alive(user, append(ids[3:], last.id)...)
		},
	},
	{
		name:        "cap of sessions weeks apart",
		explanation: "The oldest goes, however much older it is. Where the store's clock runs by itself this is not waited for.",
		test: func(e *env) {
			if e.Advance == nil {
				return
			}
			year := session.Policy{Idle: 365 * 24 * time.Hour, Lifetime: 365 * 24 * time.Hour}
			user := e.user("ann")
			var ids []session.ID
			for range 4 {
				ids = append(ids, e.signIn(user, year).id)
				e.pass(30 * 24 * time.Hour)
			}
			last := ref{user, session.NewID()}
			e.create(last, year, 2)
			e.alive(user, ids[3], last.id)
		},
	},
	{
		name:        "cap never drops the new session",
		explanation: "The session just created stays even if it has the smallest ID of its millisecond, or if the cap was lowered.",
		test: func(e *env) {
			user := e.user("ann")
			for range 5 {
				e.signIn(user, slow)
			}
			zero := ref{user, session.ID{}}
			e.create(zero, slow, 1)
			e.alive(user, zero.id)
		},
	},
	{
		name:        "cap counts live sessions only",
		explanation: "An expired session takes no place: it does not exist, whether or not the store still holds it.",
		test: func(e *env) {
			user := e.user("ann")
			living := e.signIn(user, slow)
			short := session.Policy{Idle: 2 * time.Millisecond, Lifetime: slow.Lifetime}
			e.create(ref{user, session.NewID()}, short, plenty)
			e.pass(2 * time.Millisecond)
			last := ref{user, session.NewID()}
			e.create(last, slow, 2)
			e.alive(user, living.id, last.id)
		},
	},
	{
		name:        "cap counts one user's sessions",
		explanation: "Sessions of other users take no place, and none of them goes.",
		test: func(e *env) {
			ann, bob := e.signIn(e.user("ann"), slow), ref{e.user("bob"), session.NewID()}
			e.create(bob, slow, 1)
			e.alive(ann.user, ann.id)
			e.alive(bob.user, bob.id)
		},
	},
	{
		name:        "cap of a hundred",
		explanation: "The default cap is a hundred sessions a user; with one more the oldest goes, and only it.",
		test: func(e *env) {
			user := e.user("ann")
			first := e.signIn(user, slow)
			e.pass(time.Millisecond)
			var rest []session.ID
			for range 100 {
				s := ref{user, session.NewID()}
				_, err := e.Store.Create(e.Context(), session.CreateParams{UserID: user, ID: s.id, Policy: slow, Max: 100})
				if err != nil {
					e.Fatalf("Create: %v", err)
				}
				rest = append(rest, s.id)
			}
			e.alive(user, rest...)
			e.same("record of the dropped session", e.record(first), session.Record{})
		},
	},
}
