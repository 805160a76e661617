package session

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// maxInFlight bounds the calls to Store and LoadUser that are under way,
// those included that hang although their time is up. Further ones wait for a
// place until their own time is up.
const maxInFlight = 1024

// boundary keeps what may hang or panic away from the requests.
type boundary struct {
	timeout time.Duration
	places  chan struct{}
}

func newBoundary(timeout time.Duration) boundary {
	return boundary{timeout: timeout, places: make(chan struct{}, maxInFlight)}
}

// enter waits for a place.
func (b boundary) enter(ctx context.Context) error {
	select {
	case b.places <- struct{}{}:
		return nil
	default:
	}
	select {
	case b.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("session: %d calls under way: %w", maxInFlight, ctx.Err())
	}
}

func (b boundary) leave() { <-b.places }

// result is what a bounded call returned.
type result[T any] struct {
	value T
	err   error
}

// within calls fn under ctx with the boundary's deadline and returns when fn
// does or when that context ends, whether or not fn heeds it. A panic of fn
// comes back as an error: the call may be shared by requests that are not to
// die of it.
func within[T any](ctx context.Context, b boundary, fn func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	if err := b.enter(ctx); err != nil {
		cancel()
		var none T
		return none, err
	}
	done := make(chan result[T], 1)
	go func() {
		r := result[T]{err: errors.New("session: the call ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				r = result[T]{err: fmt.Errorf("session: panic: %v\n%s", p, debug.Stack())}
			}
			b.leave()
			done <- r
			cancel()
		}()
		r.value, r.err = fn(ctx)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select { // both were ready: what was done counts
	case r := <-done:
		return r.value, r.err
	default:
		var none T
		return none, ctx.Err()
	}
}
