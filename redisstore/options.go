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
type Option func(*options)

type options struct {
	prefix  string
	timeout time.Duration
	wait    wait
}

// WithPrefix sets the prefix of the store's keys. The default is [DefaultPrefix]. Stores with
// different prefixes do not see each other's sessions. The prefix may be empty. WithPrefix panics
// if it contains a brace, which would put all users of a cluster into one slot.
func WithPrefix(prefix string) Option {
	if strings.ContainsAny(prefix, "{}") {
		panic("redisstore: prefix " + prefix + " contains a brace; braces mark the hash tag")
	}
	return func(o *options) { o.prefix = prefix }
}

// WithTimeout sets the deadline of every call. The default is [DefaultTimeout]. The client obeys
// the deadline if its ContextTimeoutEnabled is set. The package comment describes how to adapt
// the client's own timeouts. WithTimeout panics unless d is positive.
func WithTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("redisstore: timeout is not positive")
	}
	return func(o *options) { o.timeout = d }
}

// WithWait makes Create, Delete, DeleteUser and Publish wait until the given number of replicas
// have the write, for at most the given time. If fewer have it by then, the call fails with
// [ErrNotReplicated]. Thus a failover neither loses a sign-in nor restores a session whose
// sign-out was reported as done. Refresh and Confirm do not wait, because losing one of them
// signs no user out.
//
// The wait comes on top of the store's timeout. Such a call takes four round trips (WATCH to
// choose the connection, the step, WAIT, UNWATCH) instead of one.
//
// A call that waits holds a connection. So the number of calls that wait is limited to half of
// the connections in the client's pool; the other half is left to refreshes. On a cluster, that
// is the pool of one node. A pipeline does not report its pool, so go-redis' default size is
// assumed. The store counts only its own calls, so each store that waits should have a client of
// its own. A call beyond the limit waits up to half of the store's timeout and then fails without
// an effect.
//
// If Create fails after its session was written, it removes the session again, within the store's
// timeout. The tokens have not been handed out. In three cases the session remains until it
// expires or is the oldest beyond the limit: the removal fails, too, because the master has died;
// the reply to the first step was lost; or a replica is promoted that has the session but not its
// removal. Sessions that Create dropped because of the limit stay dropped, so in an outage a user
// at the limit may lose one session.
//
// The timeout is truncated to milliseconds. WithWait panics unless replicas is positive and
// timeout is at least a millisecond, because a WAIT of zero milliseconds waits forever.
func WithWait(replicas int, timeout time.Duration) Option {
	if replicas <= 0 || timeout < time.Millisecond {
		panic("redisstore: WithWait needs at least one replica and a timeout of at least a millisecond")
	}
	return func(o *options) { o.wait = wait{replicas: replicas, timeout: timeout} }
}
