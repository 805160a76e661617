package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
func (l limiter) enter(ctx context.Context) bool {
	select {
	case l.places <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(l.timeout / 2)
	defer timer.Stop()
	select {
	case l.places <- struct{}{}:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

func (l limiter) leave() { <-l.places }

// call is a call in progress, in a goroutine of its own. It is done when the function returns or
// when its timeout has passed, whichever is first.
type call[T any] struct {
	ctx    callContext // of the function
	cancel context.CancelFunc
	onDone func(error) // if not nil, is called with the error or nil before any waiter returns

	entered  atomic.Bool // whether the function was started
	finished atomic.Bool
	done     chan struct{} // closed when value and err are set
	value    T
	err      error
}

// newCall returns a call under ctx with the limiter's timeout. The caller starts it with run and
// then calls await or abandon, or cancels it.
func newCall[T any](ctx context.Context, l limiter, onDone func(error)) *call[T] {
	c := &call[T]{onDone: onDone, done: make(chan struct{})}
	c.ctx.Context, c.cancel = context.WithTimeout(ctx, l.timeout)
	return c
}

// callContext is the context of a call's function.
type callContext struct {
	context.Context
	// onEnd, if not nil, is called with the cause before the call finishes without its function.
	onEnd atomic.Pointer[func(error)]
}

type callContextKey struct{}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	if key == (callContextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// run makes the call.
func (c *call[T]) run(l limiter, fn func(context.Context) (T, error)) {
	defer c.cancel()
	growStack()
	if !l.enter(&c.ctx) {
		c.timeUp()
		return
	}
	c.entered.Store(true)
	c.invoke(l, fn)
}

// invoke finishes the call with the result of fn. A panic of fn becomes an error, because
// requests that share the call must not panic.
func (c *call[T]) invoke(l limiter, fn func(context.Context) (T, error)) {
	var value T
	err := errEnded // overwritten if fn returns
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("lucia: panic: %v\n%s", p, debug.Stack())
		}
		l.leave()
		c.finish(value, err)
	}()
	value, err = fn(&c.ctx)
}

var errEnded = errors.New("lucia: the call ended its goroutine")

// growStack makes room on the stack of a new goroutine, in one step. Otherwise the stack would grow
// several times while the call is at its deepest, which took a seventh of a refresh.
//
//go:noinline
func growStack() {
	var room [8 << 10]byte
	runtime.KeepAlive(&room)
}

// timeUp finishes the call without a result.
func (c *call[T]) timeUp() {
	var none T
	err := c.ctx.Err()
	if end := c.ctx.onEnd.Load(); end != nil {
		(*end)(err)
	}
	if err == nil { // the call has waited for half of the timeout
		err = context.DeadlineExceeded
	}
	if !c.entered.Load() {
		err = fmt.Errorf("lucia: %d calls in progress: %w", maxInFlight, err)
	}
	c.finish(none, err)
}

func (c *call[T]) finish(value T, err error) {
	if !c.finished.CompareAndSwap(false, true) {
		return
	}
	c.value, c.err = value, err
	if c.onDone != nil {
		c.onDone(err)
	}
	close(c.done)
}

// wait returns when the call is done or ctx ends.
func (c *call[T]) wait(ctx context.Context) (value T, err error) {
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

// await is wait for the caller that has started the call. It finishes the call when its time is up.
func (c *call[T]) await(ctx context.Context) (value T, err error) {
	select {
	case <-c.done:
	case <-c.ctx.Done(): // the time is up, or the call is done
		c.timeUp()
		<-c.done
	case <-ctx.Done():
		c.abandon()
		return value, ctx.Err()
	}
	return c.value, c.err
}

// abandon makes the call finish in time without a caller that waits for it.
func (c *call[T]) abandon() { context.AfterFunc(&c.ctx, c.timeUp) }

// callWithTimeout calls fn under ctx with the limiter's timeout. It returns when fn returns or
// when that context ends, whether or not fn respects it.
func callWithTimeout[T any](ctx context.Context, l limiter, fn func(context.Context) (T, error)) (T, error) {
	c := newCall[T](ctx, l, nil)
	go c.run(l, fn)
	return c.await(context.Background())
}

// calls are calls that may be shared, by key. It works like singleflight, with the limiter built
// in: the shared goroutine is that of the call, and no caller joins a call that is done, even if
// it is done because of its timeout.
type calls[K comparable, T any] struct {
	mu         sync.Mutex
	inProgress map[K]*call[T]
}

// do makes the call for a key, or joins the one in progress. It returns the call's result, or an
// error when ctx ends. A new call runs under base. report is called once with the call's
// failure, even if all callers have returned by then. A call that b refuses is not made.
func (cs *calls[K, T]) do(ctx, base context.Context, key K, l limiter, b *breaker, fn func(context.Context) (T, error), report func(error)) (value T, err error) {
	c, started, err := cs.join(base, key, l, b, report)
	if err != nil {
		return value, err
	}
	if !started {
		return c.wait(ctx)
	}
	go c.run(l, fn)
	return c.await(ctx)
}

// join returns the call for a key and whether it is new. The caller runs a new call. The error is
// that of b, which is asked about new calls only.
func (cs *calls[K, T]) join(base context.Context, key K, l limiter, b *breaker, report func(error)) (c *call[T], started bool, err error) {
	// Created outside of the lock, although not always needed.
	c = newCall[T](base, l, func(err error) {
		cs.remove(key) // first, because the result may be outdated as soon as a caller knows it
		if err != nil {
			report(err)
		}
	})
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if other := cs.inProgress[key]; other != nil {
		c.cancel()
		return other, false, nil
	}
	if err := b.admit(); err != nil {
		c.cancel()
		return nil, false, err
	}
	if cs.inProgress == nil {
		cs.inProgress = map[K]*call[T]{}
	}
	cs.inProgress[key] = c
	return c, true, nil
}

func (cs *calls[K, T]) remove(key K) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.inProgress, key)
}
