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

// errChanged says that a row is not the one that was read any more.
var errChanged = errors.New("the row has changed")

// call runs step on a connection, again where another call came first or the
// connection was lost, and returns within the timeout, whether or not the driver
// heeds ctx: SQLite, waiting for a lock, does not. A step that its caller has left
// ends with the driver's own timeouts, and at its next statement at the latest.
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
		var r result
		defer func() {
			if p := recover(); p != nil { // in a goroutine of ours it would end the process
				r = result{err: fmt.Errorf("the driver panicked: %v", p)}
			}
			done <- r
		}()
		r.err = s.retry(ctx, func() (err error) {
			r.value, err = try(ctx, s, timeout/2, step)
			return err
		})
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

// try runs step once. To wait for a connection it takes half of the time at most:
// a step that began with hardly any time left would be cut off in the middle, and
// its connection closed, which keeps an overload going.
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

// How often a step is tried. A conflict means that another call made progress, and
// no session changes often; a lock is waited for as long as there is time.
const (
	maxConflicts = 100
	maxLosses    = 3
	shortPause   = time.Millisecond
	longPause    = 20 * time.Millisecond
	afterLoss    = 25 * time.Millisecond
)

// retry runs do until it succeeds or a further try is of no use.
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
			if conflicts > 1 { // after the first the other is done
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

// sleep waits for about d: from a half of it to one and a half, so that those who
// met do not meet again. It reports whether ctx goes on.
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

// alone runs do while no other call of this store writes, where the database has one
// writer at a time. They would wait for each other anyhow, but SQLite's waiting is
// sleeping and trying again, by which some wait for very long.
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

// aloneInTx is alone around inTx.
func (s *Store) aloneInTx(ctx context.Context, c *sql.Conn, user string, do func() error) error {
	return s.alone(ctx, func() error { return s.inTx(ctx, c, user, do) })
}

// inTx runs do in a transaction on c in which no other call works on several
// sessions of the user.
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

// rollBack ends the transaction on c, even after ctx has ended. A connection on
// which that fails is closed, and with it the transaction.
func (s *Store) rollBack(ctx context.Context, c *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = c.Raw(func(any) error { return driver.ErrBadConn }) // closes it, and returns just that
	}
}

// lockNumber is the number of the lock of a user. Two users that share one wait for
// each other, and nothing else.
func (s *Store) lockNumber(user string) int64 {
	h := fnv.New64a()
	h.Write([]byte(s.table))
	h.Write([]byte{0})
	h.Write([]byte(user))
	return int64(h.Sum64())
}
