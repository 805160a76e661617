package sessiontest

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lucia-go/lucia/session"
)

// The details of the sessions in cases and histories: ordinary values and the limits.
var (
	labels    = []string{"Firefox on Windows", "Chrome on Android", "é\u2028<script>'\"\\x41 \\", strings.Repeat("x", session.MaxLabelBytes)}
	addresses = []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("0.0.0.0/0"),
		netip.MustParsePrefix("255.255.255.255/32"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("ffff::1/128"), netip.MustParsePrefix("10.128.0.0/9"),
	}
	actors = []string{"root", "\x00\\x00\\\\'é\u2028", strings.Repeat("a", session.MaxUserIDBytes)}
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
		explanation: "A session ends after Policy.Lifetime if that is shorter than Policy.Idle.",
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
		explanation: "Beyond the cap, Create deletes the session whose current token was issued first, not the one that was created first.",
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
		explanation: "A refresh that hands out the same generation again does not make a session more recent.",
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
		explanation: "Of sessions issued in the same millisecond, Create deletes the one with the smallest ID first, compared byte by byte.",
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
		explanation: "Create deletes the oldest session, however old it is. The case does not wait for weeks if the store's clock cannot be advanced.",
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
		explanation: "An expired session does not count, whether or not the store still holds it.",
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
		explanation: "Sessions of other users do not count, and none of them is deleted.",
		test: func(e *env) {
			ann, bob := e.signIn(e.user("ann"), slow), ref{e.user("bob"), session.NewID()}
			e.create(bob, slow, 1)
			e.alive(ann.user, ann.id)
			e.alive(bob.user, bob.id)
		},
	},
	{
		name:        "details are kept as they are",
		explanation: "List returns the details that Create was given, and no refresh changes them. Users see them in the list of their sessions.",
		test: func(e *env) {
			user := e.user("ann")
			for _, label := range append(labels, "") {
				for _, address := range append(addresses, netip.Prefix{}) {
					for _, actor := range append(actors, "") {
						s, d := ref{user, session.NewID()}, session.Details{Label: label, Address: address, ActorID: actor}
						e.begin(session.CreateParams{UserID: user, ID: s.id, Policy: slow, Max: 1000, Details: d})
					}
				}
			}
			s, d := ref{e.user("bob"), session.NewID()}, session.Details{Label: labels[0], Address: addresses[1], ActorID: actors[0]}
			e.begin(session.CreateParams{UserID: s.user, ID: s.id, Policy: slow, Max: plenty, Details: d})
			kept := func(after string) {
				e.Helper()
				e.same("details after "+after, e.listed(s.user)[s.id].Details, d)
			}
			e.rotate(s)
			kept("a rotation")
			e.rotate(s)
			kept("a confirmation and a rotation")
			p := presented(e.record(s))
			p.Generation--
			e.outcome(e.refresh(s, p, slow, true), session.Repeated)
			kept("a repetition")
			p.Generation += 3
			e.outcome(e.refresh(s, p, slow, true), session.Adopted)
			kept("an adoption")
		},
	},
	{
		name:        "a replaced session has the new details",
		explanation: "The second Create of an ID replaces the details, too.",
		test: func(e *env) {
			s := ref{e.user("ann"), session.NewID()}
			for _, d := range []session.Details{{Label: labels[0], Address: addresses[0]}, {ActorID: "root"}, {}} {
				e.begin(session.CreateParams{UserID: s.user, ID: s.id, Policy: slow, Max: plenty, Details: d})
			}
			e.alive(s.user, s.id)
		},
	},
	{
		name:        "refuse changes nothing",
		explanation: "With Refuse a session beyond Max is not begun, and no session of the user ends.",
		test: func(e *env) {
			user := e.user("ann")
			first, second := e.signIn(user, slow), e.signIn(user, slow)
			third := session.CreateParams{UserID: user, ID: session.NewID(), Policy: slow, Max: 2, Refuse: true}
			for range 2 {
				if r := e.begin(third); r.Created() {
					e.Fatalf("a third session with a cap of two: %+v", r)
				}
			}
			e.alive(user, first.id, second.id)
			e.delete(first)
			if r := e.begin(third); !r.Created() {
				e.Fatal("refused although there is room")
			}
			if r := e.begin(third); !r.Created() {
				e.Fatal("a repeated call is refused because of the session that it made")
			}
			e.alive(user, second.id, third.ID)
		},
	},
	{
		name:        "refuse counts live sessions only",
		explanation: "An expired session does not count, so it must not keep its user from signing in.",
		test: func(e *env) {
			user := e.user("ann")
			brief := session.Policy{Idle: 2 * time.Millisecond, Lifetime: slow.Lifetime}
			e.create(ref{user, session.NewID()}, brief, plenty)
			e.pass(2 * time.Millisecond)
			if r := e.begin(session.CreateParams{UserID: user, ID: session.NewID(), Policy: slow, Max: 1, Refuse: true}); !r.Created() {
				e.Fatal("refused because of an expired session")
			}
		},
	},
	{
		name:        "former sessions do not count",
		explanation: "The sessions that the same browser had end with the sign-in. Counting them would end another device's.",
		test: func(e *env) {
			for _, refuse := range []bool{false, true} {
				user := e.user(fmt.Sprint(refuse))
				other, former := e.signIn(user, slow), e.signIn(user, slow)
				c := session.CreateParams{
					UserID: user, ID: session.NewID(), Policy: slow, Max: 2, Refuse: refuse, Former: []session.ID{session.NewID(), former.id},
				}
				if r := e.begin(c); !r.Created() {
					e.Fatal("refused because of the browser's own former session")
				}
				e.alive(user, other.id, former.id, c.ID)
			}
		},
	},
	{
		name:        "acting sessions do not count",
		explanation: "A session in which someone acts as the user neither ends one of the user's sessions nor keeps the user from signing in.",
		test: func(e *env) {
			for _, refuse := range []bool{false, true} {
				user := e.user(fmt.Sprint(refuse))
				own, acts := e.signIn(user, slow), session.NewID()
				c := session.CreateParams{UserID: user, ID: acts, Policy: slow, Max: 1, Refuse: refuse, Details: session.Details{ActorID: "root"}}
				if r := e.begin(c); !r.Created() {
					e.Fatal("an acting session is refused")
				}
				e.alive(user, own.id, acts)
				e.delete(own)
				c.ID, c.Details = session.NewID(), session.Details{}
				if r := e.begin(c); !r.Created() {
					e.Fatal("refused because of an acting session")
				}
				e.alive(user, acts, c.ID)
			}
		},
	},
	{
		name:        "cap of a hundred",
		explanation: "The default cap is a hundred sessions a user. With one more, only the oldest is deleted.",
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
