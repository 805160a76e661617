package redisstore

import (
	"strings"
	"time"
)

// The defaults of the options.
const (
	DefaultPrefix   = "lucia:"
	DefaultTimeout  = time.Second
	DefaultMaxStuck = 1000
)

// Option changes how [New] sets up a Store.
type Option func(*Store)

// WithPrefix sets what the store's keys begin with, instead of
// [DefaultPrefix]. Stores with different prefixes do not see each other's
// sessions. The prefix may be empty. It panics on a prefix with a brace, which
// would put all users of a cluster into one slot.
func WithPrefix(prefix string) Option {
	if strings.ContainsAny(prefix, "{}") {
		panic("redisstore: prefix " + prefix + " contains a brace; braces mark the hash tag")
	}
	return func(s *Store) { s.prefix = prefix }
}

// WithTimeout sets the time within which every call returns, instead of
// [DefaultTimeout], whether or not the client heeds the context it is given. The
// timeouts of the client are to fit it: the package comment says how. It panics
// unless d is positive.
func WithTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("redisstore: timeout is not positive")
	}
	return func(s *Store) { s.bound.timeout = d }
}

// WithMaxStuck sets how many calls may be stuck in the client, their callers
// long answered, before further calls fail at once with [ErrStuck]; the default
// is [DefaultMaxStuck]. Each stuck call holds a goroutine until the client's
// own timeouts end it. Calls that begin before the first of them is stuck come on
// top: the callers' own number bounds those (an app has at most 2,048
// calls under way). It panics unless n is positive.
func WithMaxStuck(n int) Option {
	if n <= 0 {
		panic("redisstore: maximum of stuck calls is not positive")
	}
	return func(s *Store) { s.bound.maxStuck = int64(n) }
}

// WithWait makes Create, Delete and DeleteUser wait until as many replicas have
// what was written, for at most the given time; where fewer have it by then, the
// call fails with [ErrNotReplicated]. So that a failover neither loses a sign-in
// nor brings back a sign-out that was reported as done. Refresh and Confirm do
// not wait: losing one signs nobody out.
//
// The wait comes on top of the store's timeout. Such a call takes four round
// trips (WATCH to choose the connection, the step, WAIT, UNWATCH) instead of
// one.
//
// A call that waits holds a connection, so only half as many wait as there are in
// the client's pool (on a cluster, in that of one node; where the client does not
// say, as with the pipelining faces, in a pool of go-redis' default size), and leave
// the other half to refreshes. That is counted by store: stores that wait have a
// client each. Further calls wait for a place for half of the store's timeout, and
// then fail; nothing has happened.
//
// Where Create fails once its session is there, it removes the session again and
// does not wait for that; nobody has been handed the tokens. The session can
// remain where that fails too (the master has died), where the reply that said it is
// there was lost, or on a replica that got the one and not the other and is then
// promoted: it stays until it expires or is the
// oldest beyond the cap. What Create has dropped because of the cap, it does not
// bring back: in an outage a user at the cap may lose one session.
//
// The time is cut to the millisecond. It panics unless replicas is positive and
// timeout at least a millisecond: to the server no time at all means for ever.
func WithWait(replicas int, timeout time.Duration) Option {
	if replicas <= 0 || timeout < time.Millisecond {
		panic("redisstore: no replicas, or less than a millisecond to wait for them")
	}
	return func(s *Store) { s.wait = wait{replicas: replicas, timeout: timeout} }
}
