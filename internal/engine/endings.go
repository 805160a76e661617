package engine

import (
	"strings"
	"sync/atomic"
	"time"
)

// revocations is what this process knows of sessions that ended before their access
// tokens did. The truth is in the store: a token that is refused here costs its owner
// a refresh, at which the store decides. Other processes honor such a token until it
// expires.
//
// Memory is bounded by the number of users, and what one user can make it remember is
// bounded as well: no number of sessions that a user ends, real or made up, makes the
// process forget what another user has ended.
type revocations struct {
	users   *recent[string, userRevocations]
	orders  *atomic.Uint64
	version *atomic.Uint64 // counts the ends
}

// userRevocations is what has ended of one user. It does not change: an update makes a
// new one.
type userRevocations struct {
	// all says when all sessions of the user were ended. Zero: never.
	all revocation
	// sessions are those that differ from all, the latest last.
	sessions []sessionRevocation
}

// revocation is an end at a Unix second. order distinguishes ends and begins of the
// same second.
type revocation struct {
	at    int64
	order uint64
}

// sessionRevocation is the end of one session, or its begin after all were ended.
type sessionRevocation struct {
	id    ID
	at    int64  // Unix second of its end; 0: it has not ended
	began uint64 // the order of its begin; 0: unknown
}

// Bounds of what is remembered. maxRevokedUsers is a lower bound, the upper one is
// twice as many: some 60 MB if all of them have as many ended sessions and as long an
// id as they may have, and a few megabytes with ordinary ones.
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

// next returns a number greater than all before.
func (e revocations) next() uint64 { return e.orders.Add(1) }

func (e revocations) endSession(userID string, id ID) {
	s := sessionRevocation{id: id, at: time.Now().Unix()}
	e.update(userID, func(u userRevocations) userRevocations { return u.with(s) })
	e.version.Add(1)
}

func (e revocations) endUser(userID string) {
	all := revocation{at: time.Now().Unix(), order: e.next()}
	e.update(userID, func(userRevocations) userRevocations { return userRevocations{all: all} })
	e.version.Add(1)
}

// begin says that a session was made by a call that began at order, at the Unix
// second started: it may be the one in which all of the user's sessions were ended
// before.
func (e revocations) begin(userID string, id ID, order uint64, started int64) {
	u, ok := e.users.get(userID)
	if !ok || order < u.all.order || started > u.all.at {
		return
	}
	e.update(userID, func(u userRevocations) userRevocations {
		return u.with(sessionRevocation{id: id, began: order})
	})
}

func (e revocations) update(userID string, change func(userRevocations) userRevocations) {
	// The id may be a small part of a large string, such as a request body.
	e.users.update(strings.Clone(userID), change)
}

// with returns u with one more session. Of too many the first is folded into all:
// whatever was issued up to its end is refused. That costs the user's other sessions
// a refresh if they have tokens that old.
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

// ended reports whether the session of an access token issued at iat was ended
// at that second or later.
func (e revocations) ended(userID string, id ID, iat int64) bool {
	u, ok := e.users.get(userID)
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

// ended reports whether the session of the token was ended at the token's iat or
// later. It looks again only if something has ended since it last looked.
func (m *Manager[U]) ended(v *verified[U]) bool {
	// Counted before looking: what ends while this looks makes the next one look
	// again. The count after looking would spare a token that has just ended.
	news := m.endings.version.Load()
	if v.checkedVersion.Load() == news {
		return false
	}
	if m.endings.ended(v.session.User.ID, v.session.ID, v.iat) {
		return true
	}
	v.checkedVersion.Store(news)
	return false
}

// issue returns the iat of an access token made by a step that began at started:
// now, or started where the session has been ended since, so that a token made
// while somebody signs out is refused like those made before.
func (e revocations) issue(t subject, started int64) int64 {
	now := time.Now().Unix()
	if e.ended(t.userID, t.id, started) {
		return started
	}
	return now
}
