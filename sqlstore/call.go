package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// errChanged reports that a row has changed since it was read.
var errChanged = errors.New("the row has changed")

// errEnded reports that the driver ended the goroutine of a call (runtime.Goexit). Without this
// error the call would seem to have found no session.
var errEnded = errors.New("the driver ended the call")

// call runs step on a connection. It runs step again after a conflict or a lost connection. It
// returns within the timeout even if the driver ignores ctx, as SQLite does while it waits for a
// lock. An abandoned step ends at its next statement or by the driver's own timeouts.
func call[T any](ctx context.Context, s *Store, timeout time.Duration, step func(context.Context, *sql.Conn) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	done := make(chan result, 1)
	go func() {
		defer cancel()
		r := result{err: errEnded}
		defer func() {
			if p := recover(); p != nil { // a panic in this goroutine would end the process
				r = result{err: fmt.Errorf("the driver panicked: %v", p)}
			}
			done <- r
		}()
		var value T
		err := s.retry(ctx, func() (err error) {
			value, err = try(ctx, s, timeout/2, step)
			return err
		})
		r = result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done: // the step ended ctx itself
		return r.value, r.err
	default:
		return none, ctx.Err()
	}
}

// try runs step once. It waits for a connection for at most patience. The rest of the time is for
// the step: a step that began with hardly any time left would be cut off in the middle and its
// connection closed, which would prolong an overload.
func try[T any](ctx context.Context, s *Store, patience time.Duration, step func(context.Context, *sql.Conn) (T, error)) (T, error) {
	var none T
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := s.db.Conn(waiting)
	if err != nil {
		return none, fmt.Errorf("no connection: %w", err)
	}
	defer c.Close()
	return step(ctx, c)
}

// The limits of retries. Conflicts are few: each one means that another call has made progress, and
// no session changes often. A step that waits for a lock is retried until its time is over.
const (
	maxConflicts = 100
	maxLosses    = 3
	shortPause   = time.Millisecond
	longPause    = 20 * time.Millisecond
	afterLoss    = 25 * time.Millisecond
)

// retry runs do until it succeeds or another attempt is useless.
func (s *Store) retry(ctx context.Context, do func() error) error {
	conflicts, losses := 0, 0
	for tries := 1; ; tries++ {
		err := do()
		if err == nil {
			return nil
		}
		var pause time.Duration
		switch s.failureOf(ctx, err) {
		case final:
			return err
		case lost:
			if losses++; losses == maxLosses {
				return err
			}
			pause = time.Duration(losses) * afterLoss
		case conflict:
			if conflicts++; conflicts == maxConflicts {
				return fmt.Errorf("%w: %w", ErrConflict, err)
			}
			if conflicts > 1 { // after the first conflict the other call is done
				pause = shortPause
			}
		case locked:
			pause = min(time.Duration(tries)*shortPause, longPause)
		}
		if !sleep(ctx, pause) {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// sleep waits for a random time between half and one and a half of d, so that calls that collided
// do not collide again. It reports whether ctx is still active.
func sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d/2 + rand.N(d))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// alone runs do while no other call of this store writes, if the database allows only one writer at
// a time. Writers wait for each other in any case, but SQLite waits by sleeping and trying again,
// which delays some calls for very long.
func (s *Store) alone(ctx context.Context, do func() error) error {
	if s.writer == nil {
		return do()
	}
	select {
	case s.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writer }()
	return do()
}

// aloneInTx combines alone and inTx.
func (s *Store) aloneInTx(ctx context.Context, c *sql.Conn, user string, do func() error) error {
	return s.alone(ctx, func() error { return s.inTx(ctx, c, user, do) })
}

// inTx runs do in a transaction on c. No other call that concerns several sessions of the user runs
// at the same time.
func (s *Store) inTx(ctx context.Context, c *sql.Conn, user string, do func() error) error {
	open := true
	defer func() {
		if open { // after an error or a panic
			s.rollBack(ctx, c)
		}
	}()
	if _, err := c.ExecContext(ctx, s.dialect.begin); err != nil {
		open = s.failureOf(ctx, err) != locked
		return err
	}
	if s.dialect.lock != "" {
		if _, err := c.ExecContext(ctx, s.dialect.lock, s.lockNumber(user)); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	_, err := c.ExecContext(ctx, "COMMIT")
	open = err != nil
	return err
}

// rollBack ends the transaction on c, even if ctx has ended. If that fails, it closes the
// connection and thus ends the transaction.
func (s *Store) rollBack(ctx context.Context, c *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = c.Raw(func(any) error { return driver.ErrBadConn }) // closes it, and returns just that
	}
}

// lockNumber returns the number of a user's lock. Two users with the same number wait for each
// other, which has no other effect.
func (s *Store) lockNumber(user string) int64 {
	h := fnv.New64a()
	h.Write([]byte(s.table))
	h.Write([]byte{0})
	h.Write([]byte(user))
	return int64(h.Sum64())
}
