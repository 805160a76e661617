package engine

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lucia-go/lucia/session"
)

// revocations records which access tokens this process must refuse before they expire: those of
// sessions that have ended, and those of users to be loaded anew. It learns of them from this
// process's own calls and from the feed. The store is authoritative. A token that is refused here
// costs its owner a refresh, in which the store decides.
//
// Each revocation is a bound: tokens issued up to that second are refused. A process that knows the
// bound before it asks the store and LoadUser issues later tokens. So a token that takes the
// revocation into account is never refused because of it. A process that does not know of a
// revocation may issue tokens after its bound. So each bound of a user that is read from the feed
// is later than those before it.
//
// A revocation is remembered until the tokens that it concerns have expired, however many sessions
// are ended, existing or not. If the memory is full, several revocations are merged into one that
// refuses more tokens.
type revocations struct {
	// keep is the shortest time that a revocation is remembered. slack is the number of seconds by
	// which a bound is later than the clock, because a faster clock may have issued tokens.
	keep, slack int64
	maxUsers    int

	// versions are incremented with every revocation, by the hash of the user. A cached token
	// looks up its user only after its version has changed.
	versions [1 << 12]atomic.Uint64
	seed     maphash.Seed

	mu         sync.RWMutex
	young, old map[string]userRevocations
	youngSince int64 // Unix second
	floor      int64 // bound for all users
	latest     int64 // the greatest bound
}

// userRevocations are the bounds of one user. A value is immutable; an update creates a new one.
type userRevocations struct {
	ended    int64 // of all the user's sessions that have ended
	reload   int64 // of tokens with outdated data
	fed      int64 // the greater of those that were read from the feed
	sessions []sessionRevocation
	count    int // of the ends of single sessions
}

// sessionRevocation is the bound of one session that has ended.
type sessionRevocation struct {
	id    ID
	ended int64
}

// Limits of the memory: of the users with revocations in the time keep, who need some tens of
// megabytes at this limit, and of the sessions of one user.
const (
	maxRevokedUsers    = 1 << 17
	maxRevokedSessions = 128 // more than a user has
)

// Bounds are at most maxAhead later than the clock. Tokens issued after them may be as much later,
// and processes whose clock is slower by the rest of maxLeeway accept them.
const maxAhead = 15 // seconds

func newRevocations(accessTTL, leeway time.Duration) *revocations {
	const maxSlack = 5 * time.Second
	slack := min(maxSlack, accessTTL/10) / time.Second
	return &revocations{
		keep:     int64((accessTTL+leeway+maxLeeway)/time.Second) + maxAhead,
		slack:    int64(slack),
		maxUsers: maxRevokedUsers,
		seed:     maphash.MakeSeed(),
	}
}

// version returns the version of a user.
func (r *revocations) version(userID string) *atomic.Uint64 {
	return &r.versions[maphash.String(r.seed, userID)%uint64(len(r.versions))]
}

// now completes a notice of this process. The notice concerns all tokens issued until now, by any
// process. If there was another revocation in the last seconds, it also concerns the tokens issued
// after that one. A session that has ended never begins again, so its bound is later than all its
// tokens.
func (r *revocations) now(n session.Notice) session.Notice {
	now := time.Now().Unix()
	if n.SessionID != (ID{}) {
		n.IssuedUntil = now + 2*maxAhead
	} else {
		n.IssuedUntil = min(max(now+r.slack, r.bound(n.UserID, n.SessionID)+1), now+maxAhead)
	}
	return n
}

// add records a notice of this process and reports whether it is new.
func (r *revocations) add(n session.Notice) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addLocked(n, 0)
}

// addFed records a notice that was read from the feed. It returns the notice with its bound. The
// clock of the process that published it may be wrong, and the user's tokens are refused until the
// bound. So the bound is at most that of a fast clock within maxLeeway. Only the end of a single
// session keeps its bound, because such a session never begins again.
func (r *revocations) addFed(n session.Notice) session.Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.Kind == session.NoticeEnd && n.SessionID != (ID{}) {
		r.addLocked(n, 0)
		return n
	}
	n.IssuedUntil = min(n.IssuedUntil, time.Now().Unix()+maxAhead+int64(maxLeeway/time.Second))
	u, _ := r.userLocked(n.UserID)
	if n.IssuedUntil <= u.fed {
		n.IssuedUntil = max(n.IssuedUntil, min(u.fed+1, time.Now().Unix()+maxAhead))
	}
	r.addLocked(n, n.IssuedUntil)
	return n
}

// userLocked returns the revocations of a user, and whether the user is in young.
func (r *revocations) userLocked(userID string) (u userRevocations, young bool) {
	if u, young = r.young[userID]; !young {
		u = r.old[userID]
	}
	return u, young
}

func (r *revocations) addLocked(n session.Notice, fed int64) (isNew bool) {
	before, young := r.userLocked(n.UserID)
	after, changed := before.with(n)
	after.fed = max(after.fed, fed)
	if !changed && after.count == before.count && after.fed == before.fed {
		return false
	}
	r.makeRoom(young)
	r.latest = max(r.latest, min(n.IssuedUntil, time.Now().Unix()+maxAhead-1))
	r.young[strings.Clone(n.UserID)] = after // the id may be a small part of a large string
	if changed {
		r.version(n.UserID).Add(1) // last, so that a reader of the new version finds the revocation
	}
	return changed
}

// maxAnnounced is how many ends of sessions of one user are announced individually. A user never
// has so many sessions.
const maxAnnounced = 256

// flooded reports whether n ends a session of a user of whom so many sessions have ended that most
// of them cannot have existed.
func (r *revocations) flooded(n session.Notice) bool {
	if n.Kind != session.NoticeEnd || n.SessionID == (ID{}) {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	u, _ := r.userLocked(n.UserID)
	return u.count >= maxAnnounced
}

// makeRoom makes room for one more user in young. It drops the users who have been in the map for
// the time keep. If there are too many, it drops all users and refuses all tokens of that age, of
// every user.
func (r *revocations) makeRoom(known bool) {
	now := time.Now().Unix()
	switch {
	case r.young == nil || now > r.youngSince+r.keep:
		r.old = nil
		if now <= r.youngSince+2*r.keep {
			r.old = r.young
		}
		r.young, r.youngSince = map[string]userRevocations{}, now
	case !known && len(r.young) >= r.maxUsers:
		r.floor = max(r.floor, r.latest)
		r.young, r.old, r.youngSince = map[string]userRevocations{}, nil, now
		for i := range r.versions {
			r.versions[i].Add(1)
		}
	}
}

// with returns u with a notice added, and whether that has changed u. If u has too many sessions,
// with merges the first one into the bound for all. That costs the user's other sessions a refresh
// if their tokens are of that age. Tokens that are issued later are accepted.
func (u userRevocations) with(n session.Notice) (after userRevocations, changed bool) {
	if n.Kind == session.NoticeReload {
		changed = n.IssuedUntil > u.reload
		u.reload = max(u.reload, n.IssuedUntil)
		return u, changed
	}
	if n.SessionID != (ID{}) {
		u.count++
	}
	if n.IssuedUntil <= u.ended {
		return u, false
	}
	sessions := make([]sessionRevocation, 0, len(u.sessions)+1)
	if n.SessionID == (ID{}) {
		for _, s := range u.sessions {
			if s.ended > n.IssuedUntil {
				sessions = append(sessions, s)
			}
		}
		u.ended, u.sessions = n.IssuedUntil, sessions
		return u, true
	}
	for _, s := range u.sessions {
		if s.id != n.SessionID {
			sessions = append(sessions, s)
		} else if n.IssuedUntil <= s.ended {
			return u, false
		}
	}
	sessions = append(sessions, sessionRevocation{n.SessionID, n.IssuedUntil})
	if len(sessions) > maxRevokedSessions {
		u.ended = max(u.ended, min(sessions[0].ended, time.Now().Unix()+maxAhead-1))
		sessions = sessions[1:]
	}
	u.sessions = sessions
	return u, true
}

// bounds returns the two bounds for the tokens of a session: tokens issued up to ended are refused
// because the session has ended, and tokens issued up to reload because their data is outdated.
func (r *revocations) bounds(userID string, id ID) (ended, reload int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	u, _ := r.userLocked(userID)
	ended = max(r.floor, u.ended)
	for _, s := range u.sessions {
		if s.id == id {
			ended = max(ended, s.ended)
		}
	}
	return ended, u.reload
}

// bound returns the greater of the bounds.
func (r *revocations) bound(userID string, id ID) int64 {
	ended, reload := r.bounds(userID, id)
	return max(ended, reload)
}

// ended reports whether the session of an access token issued at iat has ended since.
func (r *revocations) ended(userID string, id ID, iat int64) bool {
	ended, _ := r.bounds(userID, id)
	return iat <= ended
}

// check returns the error for a token that is revoked. It looks up the session only if a user with
// the same version has been revoked since the last look-up.
func (r *revocations) check(v *verifiedToken) error {
	// The version is read before the look-up, so that a revocation during the look-up causes
	// another one next time. Reading it afterwards would miss that revocation.
	version := v.version.Load()
	if v.checkedVersion.Load() == version {
		return nil
	}
	ended, reload := r.bounds(v.userID, v.id)
	switch {
	case v.iat <= ended:
		return accessErrors.revoked
	case v.iat <= reload:
		return accessErrors.outdated
	}
	v.checkedVersion.Store(version)
	return nil
}

// verifiedToken is the part of a verified access token that revocations check.
type verifiedToken struct {
	userID string
	id     ID
	iat    int64

	version        *atomic.Uint64 // of the user
	checkedVersion atomic.Uint64  // the version at which the token was last found valid
}

// mark is what this process knew before a step that issues an access token.
type mark struct {
	started int64 // Unix second
	bound   int64
}

// mark is called before LoadUser and the store's step.
func (r *revocations) mark(t *subject) mark {
	return mark{time.Now().Unix(), r.bound(t.userID, t.id)}
}

// issue returns the iat of an access token made by a step that began at m. It is the current time,
// but later than all revocations that were known before the step. If there was a revocation during
// the step, the iat is early enough for the token to be refused.
func (r *revocations) issue(t *subject, m mark) int64 {
	now := time.Now().Unix()
	bound := r.bound(t.userID, t.id)
	if bound > m.bound {
		return min(m.started, bound)
	}
	return max(now, min(bound+1, now+maxAhead))
}
