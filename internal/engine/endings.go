package engine

import (
	"strings"
	"sync/atomic"
	"time"
)

// revocations is what this process knows of sessions that ended before their access
// tokens did. The truth is in the store; a token that is refused here costs its
// owner a refresh, at which the store decides. Other processes honour such a
// token until it expires.
type revocations struct {
	sessions *recent[ownSession, revocation]
	users    *recent[string, revocation] // when all sessions of the user were ended
	orders   *atomic.Uint64
	version  *atomic.Uint64 // counts the ends
}

// ownSession is a session of a user. The id alone would let whoever learns it,
// and it is no secret, end a session in this process that is not theirs.
type ownSession struct {
	userID string
	id     ID
}

// revocation is one end, or the begin of a session after one.
type revocation struct {
	at    int64  // Unix second of the end; born: a begin
	order uint64 // tells begins and ends of one second apart
}

// born marks a session that began after all of its user's were ended.
const born = -1

// maxRevocations bounds what is remembered: twice as many at most, some 20 MB if
// every user id is as long as it may be, and a quarter of that with ordinary
// ones.
const maxRevocations = 1 << 15

func newRevocations() revocations {
	return revocations{
		sessions: newRecent[ownSession, revocation](maxRevocations),
		users:    newRecent[string, revocation](maxRevocations),
		orders:   new(atomic.Uint64),
		version:  new(atomic.Uint64),
	}
}

// next returns a number greater than all before.
func (e revocations) next() uint64 { return e.orders.Add(1) }

func (e revocations) endSession(userID string, id ID) {
	e.sessions.put(ownSession{strings.Clone(userID), id}, revocation{at: time.Now().Unix()})
	e.version.Add(1)
}

func (e revocations) endUser(userID string) {
	// The id may be a small part of a large string, such as a request body.
	e.users.put(strings.Clone(userID), revocation{at: time.Now().Unix(), order: e.next()})
	e.version.Add(1)
}

// begin says that a session was made by a call that began at order. It is told
// apart from those that endUser ended in the same second.
func (e revocations) begin(userID string, id ID, order uint64) {
	if _, cut := e.users.get(userID); cut {
		e.sessions.put(ownSession{strings.Clone(userID), id}, revocation{at: born, order: order})
	}
}

// ended reports whether the session of an access token issued at iat was ended
// at that second or later.
func (e revocations) ended(userID string, id ID, iat int64) bool {
	s, known := e.sessions.get(ownSession{userID, id})
	if known && iat <= s.at {
		return true
	}
	cut, ok := e.users.get(userID)
	if !ok || iat > cut.at {
		return false
	}
	return !known || s.at != born || s.order < cut.order
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
