package sessiontest

import (
	"strings"

	"github.com/lucia-go/lucia/session"
)

var identityCases = []testCase{
	{
		name:        "user ids of any bytes",
		explanation: "User ids that differ in any byte are different users; no byte has a meaning.",
		test:        userIDs,
	},
	{
		name:        "session ids of any bytes",
		explanation: "Session ids are raw bytes: zeros, line ends and high bits included.",
		test: func(e *env) {
			user := e.user("ann")
			ids := []session.ID{
				{}, {1}, {15: 1}, {0xff}, {15: 0xff}, {0x80}, {'\r', '\n'}, {'\n'}, {0, '%', 's'}, {0xc3, 0xa9}, {0xe9},
				session.ID([]byte("abcdefghijklmnop")), session.ID([]byte("ABCDEFGHIJKLMNOP")), session.ID([]byte("0123456789012345")),
			}
			for i, id := range ids {
				e.create(ref{user, id}, slow, plenty)
				e.alive(user, ids[:i+1]...)
			}
			for i, id := range ids {
				s := ref{user, id}
				e.outcome(e.refresh(s, presented(e.record(s)), slow, true), session.Rotated)
				e.delete(s)
				e.alive(user, ids[i+1:]...)
			}
		},
	},
	{
		name:        "one session id, two users",
		explanation: "A session belongs to its user: the same id under another user is another session.",
		test: func(e *env) {
			ann := e.reach(e.user("ann"), 2)
			rec := e.record(ann)
			bob := ref{e.user("bob"), ann.id}
			e.outcome(e.refresh(bob, presented(rec), slow, true), session.Missing)
			e.create(bob, slow, plenty)
			e.same("record of the first user", e.record(ann), rec)
			e.delete(bob)
			e.same("record of the first user", e.record(ann), rec)
		},
	},
	{
		name:        "list returns a map of its own",
		explanation: "What a caller does to the result of List does not reach the store.",
		test: func(e *env) {
			s := e.signIn(e.user("ann"), slow)
			clear(e.list(s.user))
			e.list(s.user)[session.NewID()] = session.Record{}
			e.alive(s.user, s.id)
		},
	},
}

// userIDs checks ids that a store with a syntax of its own might confuse or split. They have no
// common prefix, because the first byte matters too.
func userIDs(e *env) {
	long := strings.Repeat("x", session.MaxUserIDBytes-1)
	ids := []string{
		"a", "A", " a", "a ", "a\x00", "\x00a", "\x00", "a\n", "a\r\n", "\t",
		"{a}", "a}{", "{", "}", "{}", "{a", "a:b", "a:", ":a", "a/b", "a*", "a?", "[a]", "a|b", "a,b", "a=b",
		"%61", "a%00", "\\x61", `"a"`, "'a'", "1", "01", "1.0", "nil", "null", "-1",
		"é", "e\u0301", "\u00a0", "\u200b", "\U0001F600", "ß", "ss", "\xff", "\xfe", "\xc3\xa9\xff",
		long + "a", long + "b", "a" + long, "b" + long,
	}
	// A server under test outlives the case, and these ids have no prefix of their own.
	defer func() {
		for _, id := range ids {
			e.deleteUser(id)
		}
	}()
	for _, id := range ids {
		e.deleteUser(id)
	}
	sessions := make([]ref, len(ids))
	for i, id := range ids {
		e.alive(id)
		sessions[i] = e.signIn(id, slow)
		e.confirm(sessions[i], 1, e.now(), quick)
		e.outcome(e.refresh(sessions[i], presented(e.record(sessions[i])), slow, true), session.Rotated)
	}
	for i, s := range sessions {
		e.alive(s.user, s.id)
		switch i % 3 {
		case 0:
			e.delete(s)
		case 1:
			e.deleteUser(s.user)
		case 2:
			e.outcome(e.refresh(s, session.Presentation{}, slow, true), session.Reused)
		}
		e.alive(s.user)
	}
}
