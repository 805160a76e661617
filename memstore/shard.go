package memstore

import (
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/lucia-go/lucia/session"
)

// sweepUsers is how many users a call checks for expired sessions. With three, a third as many
// users are added as are checked, so of n sessions at most n/3 can have expired since they were
// last checked, which is half as many as are live. Because shards are not quite even, the store
// may hold a little more.
const sweepUsers = 3

// shard holds some of the users. The caller of its methods must hold mu.
type shard struct {
	mu    sync.Mutex
	users map[string]*user
	// ring holds the same users in an order in which a sweep can continue. next is the index of the
	// place to check next. A map would not do, because iteration over it cannot be continued.
	ring []place
	next int
}

// place is a user's place in the ring.
type place struct {
	*user
	// due is when to check the user: none of the user's sessions expires earlier. It is a field
	// of place so that a sweep over users without expired sessions reads only the ring and does
	// not load each user from elsewhere in memory.
	due session.Instant
}

// user holds the sessions of one user. Outside of calls every user has at least one session.
type user struct {
	id       string
	at       int // index in the shard's ring
	sessions []entry
}

type entry struct {
	id      session.ID
	rec     session.Record
	details *session.Details // nil if there are none
}

// newEntry returns an entry whose strings are not parts of larger ones, such as a header.
func newEntry(id session.ID, rec session.Record, d session.Details) entry {
	if d == (session.Details{}) {
		return entry{id: id, rec: rec}
	}
	d.Label, d.ActorID = strings.Clone(d.Label), strings.Clone(d.ActorID)
	return entry{id, rec, &d}
}

func (e entry) listed() session.Entry {
	if e.details == nil {
		return session.Entry{Record: e.rec}
	}
	return session.Entry{Record: e.rec, Details: *e.details}
}

// userOrNew returns the user with that id and creates it if necessary. The caller must add a
// session to it.
func (sh *shard) userOrNew(id string) *user {
	u := sh.users[id]
	if u == nil {
		// The id may be a small part of a large string, such as a request body.
		u = &user{id: strings.Clone(id), at: len(sh.ring)}
		sh.users[u.id] = u
		sh.ring = append(sh.ring, place{u, math.MaxInt64})
	}
	return u
}

// expires records that a session of the user expires at then.
func (sh *shard) expires(u *user, then session.Instant) {
	p := &sh.ring[u.at]
	p.due = min(p.due, then)
}

// remove removes the user with all sessions.
func (sh *shard) remove(u *user) {
	delete(sh.users, u.id)
	last := len(sh.ring) - 1
	moved := sh.ring[last]
	sh.ring[u.at], moved.at = moved, u.at
	sh.ring[last] = place{}
	sh.ring = sh.ring[:last]
}

// drop removes one session, and the user if no session is left.
func (sh *shard) drop(u *user, id session.ID) {
	u.drop(id)
	if len(u.sessions) == 0 {
		sh.remove(u)
	}
}

// sweep checks the next few users and drops their expired sessions.
func (sh *shard) sweep(now session.Instant) {
	for range min(sweepUsers, len(sh.ring)) {
		if sh.next >= len(sh.ring) {
			sh.next = 0
		}
		p := &sh.ring[sh.next]
		if now < p.due {
			sh.next++
			continue
		}
		p.due = p.dropExpired(now)
		if len(p.sessions) == 0 {
			sh.remove(p.user) // another user takes this place and is checked next
		} else {
			sh.next++
		}
	}
}

// find returns the session with that id, or nil if there is none. The pointer is valid until the
// user's sessions change. A nil user has no sessions.
func (u *user) find(id session.ID) *entry {
	if u == nil {
		return nil
	}
	for i := range u.sessions {
		if u.sessions[i].id == id {
			return &u.sessions[i]
		}
	}
	return nil
}

func (u *user) drop(id session.ID) {
	u.sessions = slices.DeleteFunc(u.sessions, func(e entry) bool { return e.id == id })
}

// dropExpired drops the expired sessions and returns when the next one expires.
func (u *user) dropExpired(now session.Instant) (next session.Instant) {
	next = math.MaxInt64
	u.sessions = slices.DeleteFunc(u.sessions, func(e entry) bool {
		if e.rec.Live(now) {
			next = min(next, e.rec.ExpiresAt)
		}
		return !e.rec.Live(now)
	})
	return next
}

// held returns the live sessions. A nil user has none.
func (u *user) held(now session.Instant) (list []session.Candidate) {
	if u == nil {
		return nil
	}
	for _, e := range u.sessions {
		if e.rec.Live(now) {
			list = append(list, session.Candidate{ID: e.id, IssuedAt: e.rec.IssuedAt, ActorID: e.listed().ActorID})
		}
	}
	return list
}
