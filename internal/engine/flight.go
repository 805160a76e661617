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

// maxInFlight bounds the concurrent calls to Store and LoadUser, including those that hang after
// their timeout. Further calls wait up to half of their timeout for one to return.
const maxInFlight = 1024

// limiter protects requests from calls that may hang or panic.
type limiter struct {
	timeout time.Duration
	places  chan struct{}
}

func newLimiter(timeout time.Duration) limiter {
	return limiter{timeout: timeout, places: make(chan struct{}, maxInFlight)}
}

// enter waits until the call may start and reports whether it may. It reserves half of the
// timeout for the call itself. Otherwise, in an overload, every call would start after the
// longest wait, and the server would work on results that no caller is still waiting for
// (benchmarks/herd measures this).
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

// call is a call in progress, in a goroutine of its own. It is done once: when the function
// returns or when its timeout has passed, whichever is first.
type call[T any] struct {
	ctx    context.Context // of the function
	cancel context.CancelFunc
	onDone func(error) // if not nil, is called with the error or nil before any waiter returns

	entered  atomic.Bool // whether the function was started
	finished atomic.Bool
	done     chan struct{} // closed when value and err are set
	value    T
	err      error
}

// newCall returns a call under ctx with the limiter's timeout. The caller starts it with run or
// cancels it.
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

// invoke finishes the call with the result of fn. A panic of fn becomes an error, because
// requests that share the call must not panic.
func (f *call[T]) invoke(b limiter, fn func(context.Context) (T, error)) {
	var value T
	err := errors.New("lucia: the call ended its goroutine") // unless fn returns
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("lucia: panic: %v\n%s", p, debug.Stack())
		}
		b.leave()
		f.finish(value, err)
	}()
	value, err = fn(f.ctx)
}

// timeUp finishes the call without a result.
func (f *call[T]) timeUp() {
	var none T
	err := f.ctx.Err()
	if err == nil { // waited for half of the timeout
		err = context.DeadlineExceeded
	}
	if !f.entered.Load() {
		err = fmt.Errorf("lucia: %d calls in progress: %w", maxInFlight, err)
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

// wait returns when the call is done or ctx ends.
func (f *call[T]) wait(ctx context.Context) (value T, err error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

// callWithTimeout calls fn under ctx with the limiter's timeout. It returns when fn returns or
// when that context ends, whether or not fn respects it.
func callWithTimeout[T any](ctx context.Context, b limiter, fn func(context.Context) (T, error)) (T, error) {
	f := newCall[T](ctx, b, nil)
	go f.run(b, fn)
	<-f.done
	return f.value, f.err
}

// calls are calls that may be shared, by key. It works like singleflight, with the limiter built
// in: the shared goroutine is that of the call, and no caller joins a call that is done, even if
// it is done because of its timeout.
type calls[K comparable, T any] struct {
	mu       sync.Mutex
	underWay map[K]*call[T]
}

// do makes the call for a key, or joins the one in progress. It returns the call's result, or an
// error when ctx ends. The call has a context of its own. report is called once with the call's
// failure, even if all callers have returned by then.
func (fs *calls[K, T]) do(ctx context.Context, key K, b limiter, fn func(context.Context) (T, error), report func(error)) (T, error) {
	f, started := fs.join(key, b, report)
	if started {
		go f.run(b, fn)
	}
	return f.wait(ctx)
}

// join returns the call for a key and whether it is new. The caller runs a new call.
func (fs *calls[K, T]) join(key K, b limiter, report func(error)) (f *call[T], started bool) {
	f = newCall[T](context.Background(), b, func(err error) { // outside of the lock, though not always needed
		fs.remove(key) // first, because the result may be outdated as soon as a caller knows it
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
