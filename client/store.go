package client

import (
	"reflect"
	"slices"
	"sync"

	"github.com/lucia-go/lucia/session"
)

// SessionStore holds the session of a client, nil where nobody is signed in,
// and tells subscribers when it changes. It follows the contract of the seed's
// store. It is safe for concurrent use, and all its methods may be called from
// a subscriber.
//
// A session in the store is shared: change a copy and Set that. Set and Update
// change what this program believes and which tokens it sends; cookies, server
// and TokenStore hear nothing of it.
type SessionStore[U any] struct {
	mu    sync.Mutex
	value *session.Session[U]
	subs  []*subscriber[U]
}

type subscriber[U any] struct {
	run     func(*session.Session[U])
	last    *session.Session[U] // what it was told last,
	told    bool                // if anything
	busy    bool                // run is running
	stopped bool
}

// Get returns the session, or nil.
func (s *SessionStore[U]) Get() *session.Session[U] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// Set replaces the session; nil means that nobody is signed in.
func (s *SessionStore[U]) Set(v *session.Session[U]) {
	s.apply(func(*session.Session[U]) (*session.Session[U], bool) { return v, true })
}

// Update sets what fn makes of the present session. Where another goroutine
// changes the session meanwhile, fn is called again with the new one.
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

// Subscribe calls run at once with the session, which is done when Subscribe
// returns, and again after each change, until the returned function is called (a
// call may be under way then, in another goroutine, and goes on). Calls of one run
// never overlap; where changes come faster than run returns, it sees the latest
// only. It runs in the
// goroutine that made the change, so it should be quick, and must not wait for
// the client: not for a refresh, which may be what made the change.
//
// A change is another user, other user data or other tokens: setting an equal
// session notifies nobody.
func (s *SessionStore[U]) Subscribe(run func(*session.Session[U])) (unsubscribe func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := &subscriber[U]{run: run}
	s.subs = append(s.subs, sub)
	s.notifyLocked(sub) // nobody else can have begun to
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		sub.stopped = true
		s.subs = slices.DeleteFunc(s.subs, func(other *subscriber[U]) bool { return other == sub })
	}
}

// apply replaces the session in one step by what fn returns, if fn says true.
// fn runs under the lock: it must not call the store.
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
			s.tell(sub)
		}
	}
	return ok
}

// tell brings one subscriber up to date. Where it is being told already, by
// another goroutine or by this one further up the stack, that call goes on
// until the subscriber has seen the latest.
func (s *SessionStore[U]) tell(sub *subscriber[U]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifyLocked(sub)
}

// notifyLocked is tell for who has s.mu.
func (s *SessionStore[U]) notifyLocked(sub *subscriber[U]) {
	if sub.busy {
		return
	}
	sub.busy = true
	defer func() { sub.busy = false }()
	for !sub.stopped && !(sub.told && sameSession(sub.last, s.value)) {
		sub.last, sub.told = s.value, true
		s.unlocked(func() { sub.run(sub.last) })
	}
}

// unlocked runs fn without the lock, which is held again afterwards even if fn
// panics.
func (s *SessionStore[U]) unlocked(fn func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	fn()
}

// sameSession reports whether a subscriber could tell a from b.
func sameSession[U any](a, b *session.Session[U]) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	return a.ID == b.ID && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken &&
		reflect.DeepEqual(a.User, b.User)
}
