package session

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
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

// flight is a call under way, in a goroutine of its own, which those who wait for
// it can leave behind.
type flight[T any] struct {
	ctx    context.Context // of the call: ends when that has returned or its time is up
	cancel context.CancelFunc
	done   chan struct{} // closed when value and err are there
	value  T
	err    error

	land   func()      // called before done is closed; nil: nothing
	report func(error) // told of a failure, once; nil: nobody
	failed atomic.Bool
}

// newFlight returns a flight under ctx with the boundary's deadline. It departs
// with run.
func newFlight[T any](ctx context.Context, b boundary) *flight[T] {
	f := &flight[T]{done: make(chan struct{})}
	f.ctx, f.cancel = context.WithTimeout(ctx, b.timeout)
	return f
}

// run makes the call. A panic of fn comes back as an error: the call may be
// shared by requests that are not to die of it.
func (f *flight[T]) run(b boundary, fn func(context.Context) (T, error)) {
	defer f.cancel()
	defer f.finish()
	if f.err = b.enter(f.ctx); f.err != nil {
		return
	}
	defer b.leave()
	f.err = errors.New("session: the call ended its goroutine") // unless it returns
	defer func() {
		if p := recover(); p != nil {
			f.err = fmt.Errorf("session: panic: %v\n%s", p, debug.Stack())
		}
	}()
	f.value, f.err = fn(f.ctx)
}

func (f *flight[T]) finish() {
	if f.land != nil {
		f.land()
	}
	if f.err != nil {
		f.fail(f.err)
	}
	close(f.done)
}

func (f *flight[T]) fail(err error) {
	if f.report != nil && f.failed.CompareAndSwap(false, true) {
		f.report(err)
	}
}

// wait returns when the call does or when its time is up, whether or not the call
// heeds that, or when ctx ends.
func (f *flight[T]) wait(ctx context.Context) (value T, err error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return value, ctx.Err()
	case <-f.ctx.Done():
	}
	select {
	case <-f.done: // both were ready: what was done counts
		return f.value, f.err
	default:
		f.fail(f.ctx.Err())
		return value, f.ctx.Err()
	}
}

// within calls fn under ctx with the boundary's deadline and returns when fn
// does or when that context ends, whether or not fn heeds it.
func within[T any](ctx context.Context, b boundary, fn func(context.Context) (T, error)) (T, error) {
	f := newFlight[T](ctx, b)
	go f.run(b, fn)
	return f.wait(context.Background())
}

// flights are calls that may be shared, by what they are about. It is
// singleflight with the boundary in it: a call's goroutine is the one that is
// shared, and nobody joins a call whose time is up.
type flights[K comparable, T any] struct {
	mu       sync.Mutex
	underWay map[K]*flight[T]
}

// join returns the flight of a key, and whether it is a new one, which the caller
// has to run. A flight that has landed is not joined: what it found out may have
// changed.
func (fs *flights[K, T]) join(key K, b boundary, report func(error)) (f *flight[T], departs bool) {
	f = newFlight[T](context.Background(), b) // before taking the lock, though at times for nothing
	f.land, f.report = func() { fs.remove(key, f) }, report
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if other := fs.underWay[key]; other != nil && other.ctx.Err() == nil {
		f.cancel()
		return other, false
	}
	if fs.underWay == nil {
		fs.underWay = map[K]*flight[T]{}
	}
	fs.underWay[key] = f
	return f, true
}

func (fs *flights[K, T]) remove(key K, f *flight[T]) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.underWay[key] == f {
		delete(fs.underWay, key)
	}
}
