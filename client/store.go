package client

import (
	"reflect"
	"slices"
	"sync"

	"github.com/lucia-go/lucia/session"
)

// SessionStore holds the session of a client and notifies subscribers when it changes. The
// session is nil while the client is signed out. SessionStore follows the contract of the session
// store of lucia-sveltekit 0.9. It is safe for concurrent use, and a subscriber may call all its
// methods.
//
// A session in the store is shared. To change it, change a copy and call Set. Set and Update
// change only this program's view and the tokens that it sends. They do not change cookies, the
// server or the TokenStore.
type SessionStore[U any] struct {
	mu    sync.Mutex
	value *session.Session[U]
	subs  []*subscriber[U]
}

type subscriber[U any] struct {
	run      func(*session.Session[U])
	last     *session.Session[U] // what run was last called with,
	reported bool                // if it was called
	busy     bool                // whether run is being called
	stopped  bool
}

// Get returns the session, or nil.
func (s *SessionStore[U]) Get() *session.Session[U] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// Set replaces the session. Nil means signed out.
func (s *SessionStore[U]) Set(v *session.Session[U]) {
	s.apply(func(*session.Session[U]) (*session.Session[U], bool) { return v, true })
}

// Update replaces the session by the result of fn. If another goroutine changes the session in
// the meantime, fn is called again with the new one.
func (s *SessionStore[U]) Update(fn func(*session.Session[U]) *session.Session[U]) {
	for done := false; !done; {
		before := s.Get()
		after := fn(before)
		s.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
			done = now == before
			return after, done
		})
	}
}

// Subscribe calls run with the session before it returns, and again after each change until
// unsubscribe is called. A call that is in progress in another goroutine at that time is
// completed. Calls of one run never overlap. If changes come faster than run returns, run sees
// only the latest.
//
// run is called in the goroutine that made the change. It should be quick, and it must not wait
// for the client, for instance for a refresh, which may be the cause of the change.
//
// A change is another user, other user data or other tokens. Setting an equal session calls no
// subscriber.
func (s *SessionStore[U]) Subscribe(run func(*session.Session[U])) (unsubscribe func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := &subscriber[U]{run: run}
	s.subs = append(s.subs, sub)
	s.notifyLocked(sub) // still under the lock, so no other goroutine comes first
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		sub.stopped = true
		s.subs = slices.DeleteFunc(s.subs, func(other *subscriber[U]) bool { return other == sub })
	}
}

// apply replaces the session in one step by what fn returns if fn reports true. fn runs under the
// lock and must not call the store.
func (s *SessionStore[U]) apply(fn func(*session.Session[U]) (*session.Session[U], bool)) bool {
	s.mu.Lock()
	next, ok := fn(s.value)
	if ok {
		s.value = next
	}
	subs := slices.Clone(s.subs)
	s.mu.Unlock()
	if ok {
		for _, sub := range subs {
			s.notify(sub)
		}
	}
	return ok
}

// notify brings one subscriber up to date. If a call of the subscriber is in progress, in another
// goroutine or further up the stack, that call continues until the subscriber has seen the latest
// session.
func (s *SessionStore[U]) notify(sub *subscriber[U]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifyLocked(sub)
}

// notifyLocked is notify for callers that hold s.mu.
func (s *SessionStore[U]) notifyLocked(sub *subscriber[U]) {
	if sub.busy {
		return
	}
	sub.busy = true
	defer func() { sub.busy = false }()
	for !sub.stopped && !(sub.reported && sameSession(sub.last, s.value)) {
		sub.last, sub.reported = s.value, true
		s.unlocked(func() { sub.run(sub.last) })
	}
}

// unlocked runs fn without the lock and takes the lock again afterwards, even if fn panics.
func (s *SessionStore[U]) unlocked(fn func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	fn()
}

// sameSession reports whether a and b look the same to a subscriber.
func sameSession[U any](a, b *session.Session[U]) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	return a.ID == b.ID && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken &&
		reflect.DeepEqual(a.User, b.User)
}
