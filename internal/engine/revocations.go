package engine

import (
	"strings"
	"sync/atomic"
	"time"
)

// revocations records the sessions that this process knows to have ended before their access
// tokens expired. The store is authoritative: a token that is refused here costs its owner a
// refresh, at which the store decides. Other processes accept such a token until it expires.
//
// Memory is bounded by the number of users, and also for each user. However many sessions a user
// ends, real or made up, the process does not forget the revocations of another user.
type revocations struct {
	users   *recent[string, userRevocations]
	orders  *atomic.Uint64
	version *atomic.Uint64 // incremented with every revocation
}

// userRevocations are the revocations of one user. A value is immutable; an update creates a new
// one.
type userRevocations struct {
	// all is when all sessions of the user were revoked. It is zero if they never were.
	all revocation
	// sessions are the sessions that differ from all, the latest last.
	sessions []sessionRevocation
}

// revocation is a revocation at a Unix second. order orders the revocations and sign-ins of the
// same second.
type revocation struct {
	at    int64
	order uint64
}

// sessionRevocation is the revocation of one session, or its start after all were revoked.
type sessionRevocation struct {
	id    ID
	at    int64  // Unix second of its revocation; 0 if it was not revoked
	began uint64 // the order of its start; 0 if unknown
}

// Bounds of the memory. maxRevokedUsers is a lower bound; the upper bound is twice as many. That
// is about 60 MB if all of these users have ended as many sessions and have as long an id as
// possible, and a few megabytes with ordinary users.
const (
	maxRevokedUsers    = 1 << 15
	maxRevokedSessions = 16 // of one user
)

func newRevocations() revocations {
	return revocations{
		users:   newRecent[string, userRevocations](maxRevokedUsers),
		orders:  new(atomic.Uint64),
		version: new(atomic.Uint64),
	}
}

// next returns a number greater than all numbers before.
func (r revocations) next() uint64 { return r.orders.Add(1) }

func (r revocations) endSession(userID string, id ID) {
	s := sessionRevocation{id: id, at: time.Now().Unix()}
	r.update(userID, func(u userRevocations) userRevocations { return u.with(s) })
	r.version.Add(1)
}

func (r revocations) endUser(userID string) {
	all := revocation{at: time.Now().Unix(), order: r.next()}
	r.update(userID, func(userRevocations) userRevocations { return userRevocations{all: all} })
	r.version.Add(1)
}

// begin records the start of a session by a call that began at order, at the Unix second started.
// That second may be the one in which all of the user's sessions were revoked before.
func (r revocations) begin(userID string, id ID, order uint64, started int64) {
	u, ok := r.users.get(userID)
	if !ok || order < u.all.order || started > u.all.at {
		return
	}
	r.update(userID, func(u userRevocations) userRevocations {
		return u.with(sessionRevocation{id: id, began: order})
	})
}

func (r revocations) update(userID string, change func(userRevocations) userRevocations) {
	// The id may be a small part of a large string, such as a request body.
	r.users.update(strings.Clone(userID), change)
}

// with returns u with one more session. If there are too many, the first is merged into all:
// every token issued up to its revocation is refused. That costs the user's other sessions a
// refresh if they have tokens of that age.
func (u userRevocations) with(s sessionRevocation) userRevocations {
	sessions := make([]sessionRevocation, 0, len(u.sessions)+1)
	for _, known := range u.sessions {
		if known.id != s.id {
			sessions = append(sessions, known)
		}
	}
	sessions = append(sessions, s)
	if len(sessions) > maxRevokedSessions {
		u.all.at = max(u.all.at, sessions[0].at)
		sessions = sessions[1:]
	}
	u.sessions = sessions
	return u
}

// ended reports whether the session of an access token issued at iat was revoked in that second
// or later.
func (r revocations) ended(userID string, id ID, iat int64) bool {
	u, ok := r.users.get(userID)
	if !ok {
		return false
	}
	var began uint64
	for _, s := range u.sessions {
		if s.id == id {
			if iat <= s.at {
				return true
			}
			began = s.began
		}
	}
	return iat <= u.all.at && began <= u.all.order
}

// ended reports whether the session of the token was revoked at the token's iat or later. It
// looks up the session only if something was revoked since the last look-up.
func (e *Engine[U]) ended(v *verified[U]) bool {
	// The version is read before the look-up, so that a revocation during the look-up causes
	// another one next time. Reading it afterwards would miss that revocation.
	version := e.revocations.version.Load()
	if v.checkedVersion.Load() == version {
		return false
	}
	if e.revocations.ended(v.session.User.ID, v.session.ID, v.iat) {
		return true
	}
	v.checkedVersion.Store(version)
	return false
}

// issue returns the iat of an access token made by a step that began at started. It is now, or
// started if the session was revoked since, so that a token made during a sign-out is refused
// like those before.
func (r revocations) issue(t subject, started int64) int64 {
	now := time.Now().Unix()
	if r.ended(t.userID, t.id, started) {
		return started
	}
	return now
}
