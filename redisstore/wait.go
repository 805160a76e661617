package redisstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNotReplicated is the cause when a step was done but too few replicas had
// it in time; see [WithWait]. Create then undoes it.
var ErrNotReplicated = errors.New("redisstore: too few replicas have the write")

// errRedirected is the cause where a cluster's client gave up without an error:
// while a slot moves, WATCH is sent to and fro between two nodes, and go-redis
// (9.23) then returns nil although nothing was done.
var errRedirected = errors.New("redisstore: redirected too often")

// errCrowded is the cause when a call was not tried because as many as may wait
// for replicas already do.
var errCrowded = errors.New("redisstore: too many calls wait for replicas")

// wait is the setting of [WithWait]. Zero replicas: do not wait.
type wait struct {
	replicas int
	timeout  time.Duration
	places   chan struct{} // one for each call that may wait
}

// connections returns how many connections the client has for a key.
func connections(client redis.UniversalClient) int {
	switch c := client.(type) {
	case *redis.Client:
		return fewer(c.Options().PoolSize, c.Options().MaxActiveConns)
	case *redis.ClusterClient: // to each node
		return fewer(c.Options().PoolSize, c.Options().MaxActiveConns)
	}
	return 10 * runtime.GOMAXPROCS(0) // go-redis' default
}

// fewer returns the pool's size, or its limit where there is one below that.
func fewer(size, limit int) int {
	if limit > 0 {
		return min(size, limit)
	}
	return size
}

// enter takes a place, within the patience given. A call that waits holds a
// connection: while a replica is down they all would, and refreshes had none.
func (w wait) enter(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errCrowded)
	defer cancel()
	select {
	case w.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w wait) leave() { <-w.places }

// doDurably is do and, with [WithWait], waits for the replicas. WAIT counts the
// writes of its own connection, so both go over one, and WATCH is the client's
// way of handing out the connection of a key, whichever kind of client it is.
// Nothing is made conditional on the key.
//
// A step that was done and then fails is undone by the request that undo makes of
// its reply, unless undo is nil.
func (s *Store) doDurably(ctx context.Context, key string, r request, undo func(reply string) request) (string, error) {
	if s.wait.replicas == 0 {
		return s.do(ctx, r)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout+s.wait.timeout)
	defer cancel()
	if err := s.wait.enter(limited, s.timeout/2); err != nil { // the rest is for the step
		return "", err
	}
	defer s.wait.leave()
	reply, done, err := s.stepAndWait(limited, key, r)
	s.suspect(err)
	if undo == nil {
		return reply, err
	}
	if err == nil {
		err = limited.Err() // the caller may have left while the replicas answered
	}
	if err != nil && done {
		_, _ = s.do(context.WithoutCancel(ctx), undo(reply)) // the error to report is err
	}
	return reply, err
}

// stepAndWait sends the request and waits for the replicas. done says that the
// server has done the step, also where there is an error.
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
