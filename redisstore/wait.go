package redisstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNotReplicated is the cause of an error if the server made a write and too few replicas had
// received it in time; see [WithWait]. Create undoes its write.
var ErrNotReplicated = errors.New("redisstore: too few replicas have the write")

// errRedirected is the cause of an error if a cluster's client gave up without an error. While a
// slot moves, WATCH may be redirected back and forth between two nodes, and go-redis (9.23) then
// returns nil although nothing was done.
var errRedirected = errors.New("redisstore: redirected too often")

// errTooManyWaiting is the cause of an error if a call was not tried because the limit of calls
// that wait for replicas was reached.
var errTooManyWaiting = errors.New("redisstore: too many calls wait for replicas")

// wait is the setting of [WithWait]. Calls do not wait if replicas is 0.
type wait struct {
	replicas int
	timeout  time.Duration
	places   chan struct{} // one for each call that may wait
}

// connections returns how many connections the client has for a key.
func connections(client redis.UniversalClient) int {
	switch c := client.(type) {
	case *redis.Client:
		return maxConnections(c.Options().PoolSize, c.Options().MaxActiveConns)
	case *redis.ClusterClient: // to each node
		return maxConnections(c.Options().PoolSize, c.Options().MaxActiveConns)
	}
	return 10 * runtime.GOMAXPROCS(0) // go-redis' default
}

// maxConnections returns the smaller of the pool's size and the limit. A limit of 0 means none.
func maxConnections(size, limit int) int {
	if limit > 0 {
		return min(size, limit)
	}
	return size
}

// enter takes a place. It waits for one for at most timeout. The places are limited because a call
// that waits for replicas holds a connection: while a replica is down, such calls would hold all
// connections and leave none to refreshes.
func (w wait) enter(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTooManyWaiting)
	defer cancel()
	select {
	case w.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w wait) leave() { <-w.places }

// doDurably does the same as do. If [WithWait] is set, it also waits for the replicas. WAIT counts
// the writes of its own connection, so the request and WAIT must use the same one. Only WATCH gets
// the connection of a key from every kind of client. Whether the key changes has no effect.
//
// If the server has done the step and the call then fails, doDurably undoes the step with the
// request that undo returns for the reply. A nil undo undoes nothing.
func (s *Store) doDurably(ctx context.Context, key string, r request, undo func(reply string) request) (string, error) {
	if s.wait.replicas == 0 {
		return s.do(ctx, r)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout+s.wait.timeout)
	defer cancel()
	if err := s.wait.enter(limited, s.timeout/2); err != nil { // the other half is for the step
		return "", err
	}
	defer s.wait.leave()
	reply, done, err := s.stepAndWait(limited, key, r)
	s.reloadAfter(err)
	if undo == nil {
		return reply, err
	}
	if err == nil {
		err = limited.Err() // the caller may have given up while the replicas answered
	}
	if err != nil && done {
		_, _ = s.do(context.WithoutCancel(ctx), undo(reply)) // the error to report is err
	}
	return reply, err
}

// stepAndWait sends the request and waits for the replicas. done reports whether the server has
// done the step, even if err is not nil.
func (s *Store) stepAndWait(ctx context.Context, key string, r request) (reply string, done bool, err error) {
	sent := false
	err = s.client.Watch(ctx, func(tx *redis.Tx) error {
		var err error
		sent = true
		if reply, err = r.send(ctx, tx); err != nil {
			return err
		}
		done = true
		return s.wait.forReplicas(ctx, tx)
	}, key)
	if err == nil && !sent {
		err = errRedirected
	}
	return reply, done, err
}

func (w wait) forReplicas(ctx context.Context, tx *redis.Tx) error {
	n, err := tx.Wait(ctx, w.replicas, w.timeout).Result()
	if err != nil {
		return err
	}
	if n < int64(w.replicas) {
		return fmt.Errorf("%w: %d of %d after %v", ErrNotReplicated, n, w.replicas, w.timeout)
	}
	return nil
}
