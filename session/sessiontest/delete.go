package sessiontest

import (
	"time"

	"github.com/lucia-go/lucia/session"
)

var deleteCases = []testCase{
	{
		name:        "delete ends one session",
		explanation: "Signing out on one device leaves the others signed in.",
		test: func(e *env) {
			user := e.user("ann")
			a, b, c := e.signIn(user, slow), e.reach(user, 2), e.signIn(user, slow)
			rec := e.record(b)
			e.delete(a)
			e.alive(user, b.id, c.id)
			e.same("record of another session", e.record(b), rec)
			e.gone(a)
		},
	},
	{
		name:        "delete of a missing session",
		explanation: "Signing out twice, or after the session expired, is no error.",
		test: func(e *env) {
			s := e.signIn(e.user("ann"), slow)
			e.delete(ref{s.user, session.NewID()})
			e.delete(ref{e.user("bob"), s.id})
			e.deleteUser(e.user("bob"))
			e.alive(s.user, s.id)
			for range 2 {
				e.delete(s)
				e.deleteUser(s.user)
			}
			e.alive(s.user)
		},
	},
	{
		name:        "delete user ends all of one user's sessions",
		explanation: "Signing out everywhere ends every session of the user and no session of other users.",
		test: func(e *env) {
			ann, bob := e.user("ann"), e.reach(e.user("bob"), 2)
			a, b := e.signIn(ann, slow), e.reach(ann, 3)
			rec := e.record(bob)
			e.deleteUser(ann)
			e.gone(a)
			e.gone(b)
			e.alive(ann)
			e.same("record of another user", e.record(bob), rec)
		},
	},
	{
		name:        "reuse ends all of one user's sessions",
		explanation: "Reused means theft. With RevokeUser all sessions of the user end, and other users keep theirs.",
		test: func(e *env) {
			bob := e.signIn(e.user("bob"), slow)
			s := e.reach(e.user("ann"), 3)
			other := e.signIn(s.user, slow)
			e.outcome(e.refresh(s, session.Presentation{Generation: 1}, slow, true), session.Reused)
			e.gone(s)
			e.gone(other)
			e.alive(s.user)
			e.alive(bob.user, bob.id)
		},
	},
	{
		name:        "reuse ends one session",
		explanation: "Reused without RevokeUser ends the session whose token was reused, and no other.",
		test: func(e *env) {
			s := e.reach(e.user("ann"), 3)
			other := e.signIn(s.user, slow)
			e.outcome(e.refresh(s, session.Presentation{Generation: 1}, slow, false), session.Reused)
			e.gone(s)
			e.alive(s.user, other.id)
		},
	},
	{
		name:        "a user comes back",
		explanation: "After the last session has ended, the user can sign in again; old tokens stay invalid.",
		test: func(e *env) {
			old := e.reach(e.user("ann"), 3)
			e.deleteUser(old.user)
			s := e.signIn(old.user, slow)
			e.gone(old)
			e.alive(s.user, s.id)
			e.outcome(e.refresh(s, presented(e.record(s)), slow, true), session.Rotated)
		},
	},
}

// gone checks that a session does not exist for any method and stays so. No request that was under
// way when the session ended may make a record.
func (e *env) gone(s ref) {
	e.Helper()
	rest := e.ids(s.user)
	now := e.now()
	for g := range session.Generation(6) {
		p := session.Presentation{
			Generation: g, IssuedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour), HandedAt: now.Add(-time.Hour),
		}
		for _, revokeUser := range []bool{false, true} {
			e.outcome(e.refresh(s, p, quick, revokeUser), session.Missing)
		}
		e.confirm(s, g, now.Add(-time.Hour), quick)
	}
	e.delete(s)
	e.same("record of the session that has ended", e.record(s), session.Record{})
	e.alive(s.user, rest...)
}
