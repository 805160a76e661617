package redisstore

import (
	"strings"
	"time"
)

// The defaults of the options.
const (
	DefaultPrefix  = "lucia:"
	DefaultTimeout = time.Second
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

// WithTimeout sets the deadline of every call, instead of [DefaultTimeout]. The
// client heeds it if its ContextTimeoutEnabled is set; the package comment says how
// the client's own timeouts should fit it. It panics unless d is positive.
func WithTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("redisstore: timeout is not positive")
	}
	return func(s *Store) { s.timeout = d }
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
// A call that waits holds a connection, so at most half as many calls wait as the
// client's pool has connections (on a cluster, the pool of one node; for the
// pipelining faces, which do not say, a pool of go-redis' default size). The other
// half is left to refreshes. The store counts its own calls only: stores that wait
// have a client each. Further calls wait for a place for half of the store's timeout
// and then fail; nothing has happened.
//
// If Create fails once its session is there, it removes the session again, within
// the store's timeout; the tokens have not been handed out. The session remains until
// it expires or is the oldest beyond the limit if the removal fails too (the master
// has died), if the reply to the first step was lost, or if a replica is promoted that
// has the session and not its removal. What Create dropped because of the limit stays
// dropped: in an outage a user at the limit may lose one session.
//
// The time is cut to the millisecond. It panics unless replicas is positive and
// timeout at least a millisecond: to the server no time at all means for ever.
func WithWait(replicas int, timeout time.Duration) Option {
	if replicas <= 0 || timeout < time.Millisecond {
		panic("redisstore: no replicas, or less than a millisecond to wait for them")
	}
	return func(s *Store) { s.wait = wait{replicas: replicas, timeout: timeout} }
}
