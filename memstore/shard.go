package memstore

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/lucia-go/lucia/session"
)

// sweepUsers is how many users a call looks at for expired sessions. At three,
// a third as many come in as are looked at, so that of n sessions held at most
// n/3 can have expired since they were last looked at: half as many as live.
// That shards are not quite even makes it a little more.
const sweepUsers = 3

// shard holds some of the users. Its methods need mu held.
type shard struct {
	mu    sync.Mutex
	users map[string]*user
	// ring holds the same users in an order that a sweep can resume: next is
	// the index of the place to look at next. (A map has no place to resume at.)
	ring []place
	next int
}

// place is a user's place in the ring.
type place struct {
	*user
	// due is when to look at the user: no session expires before. It stands here
	// so that a sweep over users with nothing to drop stays within the ring and
	// does not fetch each from somewhere in memory.
	due session.Instant
}

// user holds the sessions of one user. There is no user without a session
// except inside a call.
type user struct {
	id       string
	at       int // index in the shard's ring
	sessions []entry
}

type entry struct {
	id  session.ID
	rec session.Record
}

// userOrNew returns the user of that id, which the caller is about to give a
// session.
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

// expires notes that a session of the user expires then.
func (sh *shard) expires(u *user, then session.Instant) {
	p := &sh.ring[u.at]
	p.due = min(p.due, then)
}

// remove forgets the user and all sessions.
func (sh *shard) remove(u *user) {
	delete(sh.users, u.id)
	last := len(sh.ring) - 1
	moved := sh.ring[last]
	sh.ring[u.at], moved.at = moved, u.at
	sh.ring[last] = place{}
	sh.ring = sh.ring[:last]
}

// drop ends one session, and forgets a user who then has none.
func (sh *shard) drop(u *user, id session.ID) {
	u.drop(id)
	if len(u.sessions) == 0 {
		sh.remove(u)
	}
}

// sweep looks at the next few users and drops their expired sessions.
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
			sh.remove(p.user) // another user comes to this place: look there next
		} else {
			sh.next++
		}
	}
}

// find returns the session of that id, nil where there is none. The pointer is
// good until the user's sessions change. A nil user has no sessions.
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

// dropExpired drops the expired sessions, and returns when the next expires.
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

// dropLeastRecent drops the session that was least recently issued a token:
// smallest IssuedAt first, then smallest ID.
func (u *user) dropLeastRecent() {
	least := slices.MinFunc(u.sessions, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.rec.IssuedAt, b.rec.IssuedAt), bytes.Compare(a.id[:], b.id[:]))
	})
	u.drop(least.id)
}
