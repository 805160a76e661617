package engine

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
// place for half of their time.
const maxInFlight = 1024

// limiter keeps what may hang or panic away from the requests.
type limiter struct {
	timeout time.Duration
	places  chan struct{}
}

func newLimiter(timeout time.Duration) limiter {
	return limiter{timeout: timeout, places: make(chan struct{}, maxInFlight)}
}

// enter waits for a place and reports whether there was one in time. Half of the
// time is left for the call: in an overload everybody who gets a place has waited
// for as long as one may, and a call with no time left is work for nobody, which
// keeps up the overload (benchmarks/herd plays it).
func (b limiter) enter(ctx context.Context) bool {
	select {
	case b.places <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(b.timeout / 2)
	defer patience.Stop()
	select {
	case b.places <- struct{}{}:
		return true
	case <-patience.C:
		return false
	case <-ctx.Done():
		return false
	}
}

func (b limiter) leave() { <-b.places }

// call is a call under way, in a goroutine of its own. It lands once: when the
// call returns or when its time is up, whichever is first.
type call[T any] struct {
	ctx    context.Context // of the call
	cancel context.CancelFunc
	onDone func(error) // if not nil, is called with the error, or nil, before anybody who waits hears of it

	entered  atomic.Bool // the call has found a place
	finished atomic.Bool
	done     chan struct{} // closed when value and err are there
	value    T
	err      error
}

// newCall returns a flight under ctx with the boundary's deadline. It departs
// with run, or is cancelled.
func newCall[T any](ctx context.Context, b limiter, land func(error)) *call[T] {
	f := &call[T]{onDone: land, done: make(chan struct{})}
	f.ctx, f.cancel = context.WithTimeout(ctx, b.timeout)
	return f
}

// run makes the call.
func (f *call[T]) run(b limiter, fn func(context.Context) (T, error)) {
	defer f.cancel()
	stop := context.AfterFunc(f.ctx, f.timeUp)
	defer stop()
	if !b.enter(f.ctx) {
		f.timeUp()
		return
	}
	f.entered.Store(true)
	f.invoke(b, fn)
}

// invoke lands with what fn returns. A panic of fn becomes an error: the invoke may be
// shared by requests that are not to die of it.
func (f *call[T]) invoke(b limiter, fn func(context.Context) (T, error)) {
	var value T
	err := errors.New("session: the call ended its goroutine") // unless it returns
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("session: panic: %v\n%s", p, debug.Stack())
		}
		b.leave()
		f.finish(value, err)
	}()
	value, err = fn(f.ctx)
}

// timeUp lands without the call.
func (f *call[T]) timeUp() {
	var none T
	err := f.ctx.Err()
	if err == nil { // no place, and its half is over
		err = context.DeadlineExceeded
	}
	if !f.entered.Load() {
		err = fmt.Errorf("session: %d calls under way: %w", maxInFlight, err)
	}
	f.finish(none, err)
}

func (f *call[T]) finish(value T, err error) {
	if !f.finished.CompareAndSwap(false, true) {
		return
	}
	f.value, f.err = value, err
	if f.onDone != nil {
		f.onDone(err)
	}
	close(f.done)
}

// wait returns when the flight has landed or ctx ends.
func (f *call[T]) wait(ctx context.Context) (value T, err error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

// callWithTimeout calls fn under ctx with the boundary's deadline and returns when fn
// does or when that context ends, whether or not fn heeds it.
func callWithTimeout[T any](ctx context.Context, b limiter, fn func(context.Context) (T, error)) (T, error) {
	f := newCall[T](ctx, b, nil)
	go f.run(b, fn)
	<-f.done
	return f.value, f.err
}

// calls are calls that may be shared, by what they are about. It is
// singleflight with the boundary in it: a call's goroutine is the one that is
// shared, and nobody joins a call that has landed, even where only its time was up.
type calls[K comparable, T any] struct {
	mu       sync.Mutex
	underWay map[K]*call[T]
}

// do makes the call of a key, or joins the one that is under way, and returns its
// result, or when ctx ends. The call has a context of its own. report is told of its
// failure, once and whoever has left by then.
func (fs *calls[K, T]) do(ctx context.Context, key K, b limiter, fn func(context.Context) (T, error), report func(error)) (T, error) {
	f, started := fs.join(key, b, report)
	if started {
		go f.run(b, fn)
	}
	return f.wait(ctx)
}

// join returns the flight of a key, and whether it is a new one, which is to be run.
func (fs *calls[K, T]) join(key K, b limiter, report func(error)) (f *call[T], started bool) {
	f = newCall[T](context.Background(), b, func(err error) { // before taking the lock, though at times for nothing
		fs.remove(key) // first: what the call found out may change as soon as somebody knows it
		if err != nil {
			report(err)
		}
	})
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if other := fs.underWay[key]; other != nil {
		f.cancel()
		return other, false
	}
	if fs.underWay == nil {
		fs.underWay = map[K]*call[T]{}
	}
	fs.underWay[key] = f
	return f, true
}

func (fs *calls[K, T]) remove(key K) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.underWay, key)
}
