package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// breakerUsers is the number of users whose calls must fail before the breaker opens, without a
	// call that succeeds in between. It is three, because a failure may be due to the data of one
	// or two users.
	breakerUsers = 3
	// breakerSilence is how long no call may have succeeded before the breaker opens. If only a
	// part of the store is down, such as one master of a cluster, calls for other users succeed in
	// this time.
	breakerSilence = time.Second
	// breakerPause is the time between two calls that an open breaker lets through.
	breakerPause = time.Second
)

// errBreakerOpen is the failure of a call that was refused because the breaker is open.
var errBreakerOpen = errors.New("the session store does not answer, and the circuit breaker is open")

// breaker is a circuit breaker for the store (docs/adr/0017). While it is open, sign-ins,
// refreshes and lists are refused at once, except one a second. Calls that end sessions are never
// refused. The first call that succeeds closes it.
//
// There is no half-open state with a call in it, so a call that never returns cannot hold it.
type breaker struct {
	timeout time.Duration // of a call
	report  func(Event)
	start   time.Time // times are durations since start, on the monotonic clock

	succeeded atomic.Int64 // when a call last succeeded
	failing   atomic.Bool  // whether a call has failed since
	next      atomic.Int64 // when the next call is let through; 0 if the breaker is closed

	mu    sync.Mutex
	users []string // users whose calls have failed since a call succeeded, breakerUsers at most
}

func newBreaker(timeout time.Duration, report func(Event)) *breaker {
	return &breaker{timeout: timeout, report: report, start: time.Now()}
}

func (b *breaker) now() int64 { return int64(time.Since(b.start)) }

// admit returns errBreakerOpen if the call must be refused.
func (b *breaker) admit() error {
	next := b.next.Load()
	if next == 0 {
		return nil
	}
	if now := b.now(); now < next || !b.next.CompareAndSwap(next, now+int64(breakerPause)) {
		return errBreakerOpen
	}
	return nil
}

// success records that a call has succeeded.
func (b *breaker) success() {
	b.succeeded.Store(b.now())
	if !b.failing.Load() {
		return
	}
	b.mu.Lock()
	b.users = b.users[:0]
	b.failing.Store(false)
	wasOpen := b.next.Swap(0) != 0
	b.mu.Unlock()
	if wasOpen {
		b.report(Event{Kind: EventBreakerClosed})
	}
}

// failure records that a call for a user has failed.
func (b *breaker) failure(userID string, err error) {
	if b.fail(userID) {
		b.report(Event{Kind: EventBreakerOpened, Err: err})
	}
}

// fail reports whether the failure opens the breaker.
func (b *breaker) fail(userID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing.Store(true)
	if len(b.users) < breakerUsers && !slices.Contains(b.users, userID) {
		b.users = append(b.users, strings.Clone(userID))
	}
	now := b.now()
	if b.next.Load() != 0 || len(b.users) < breakerUsers || now-b.succeeded.Load() < int64(breakerSilence) {
		return false
	}
	b.next.Store(now + int64(breakerPause))
	return true
}

// watchedStore tells the breaker how the calls of a store end.
type watchedStore struct {
	Store
	breaker *breaker
}

// Unwrap returns the store itself, for its optional parts.
func (s watchedStore) Unwrap() Store { return s.Store }

func (s watchedStore) Create(ctx context.Context, c CreateParams) (CreateResult, error) {
	return watch(ctx, s.breaker, c.UserID, func() (CreateResult, error) { return s.Store.Create(ctx, c) })
}

func (s watchedStore) Refresh(ctx context.Context, r RefreshParams) (RefreshResult, error) {
	return watch(ctx, s.breaker, r.UserID, func() (RefreshResult, error) { return s.Store.Refresh(ctx, r) })
}

func (s watchedStore) Confirm(ctx context.Context, c ConfirmParams) error {
	return watchErr(ctx, s.breaker, c.UserID, func() error { return s.Store.Confirm(ctx, c) })
}

func (s watchedStore) Delete(ctx context.Context, userID string, id ID) error {
	return watchErr(ctx, s.breaker, userID, func() error { return s.Store.Delete(ctx, userID, id) })
}

func (s watchedStore) DeleteUser(ctx context.Context, userID string) error {
	return watchErr(ctx, s.breaker, userID, func() error { return s.Store.DeleteUser(ctx, userID) })
}

func (s watchedStore) List(ctx context.Context, userID string) (map[ID]Entry, error) {
	return watch(ctx, s.breaker, userID, func() (map[ID]Entry, error) { return s.Store.List(ctx, userID) })
}

func watchErr(ctx context.Context, b *breaker, userID string, fn func() error) error {
	_, err := watch(ctx, b, userID, func() (struct{}, error) { return struct{}{}, fn() })
	return err
}

// watch makes a call of the store under ctx and tells the breaker how it ends: when it returns,
// panics or ends its goroutine, or when the engine's call that ctx belongs to finishes without it,
// whichever is first.
func watch[T any](ctx context.Context, b *breaker, userID string, fn func() (T, error)) (v T, err error) {
	begun := b.now()
	var told atomic.Bool
	tell := func(err error) {
		switch {
		case !told.CompareAndSwap(false, true):
		case err == nil:
			b.success()
		case ctx.Err() == nil, b.expired(ctx, begun):
			b.failure(userID, err)
		}
	}
	call, _ := ctx.Value(callContextKey{}).(*callContext)
	if call != nil {
		call.onEnd.Store(&tell)
	}
	err = errPanicked // overwritten if fn returns
	defer func() {
		if call != nil {
			call.onEnd.Store(nil)
		}
		tell(err)
	}()
	v, err = fn()
	return v, err
}

var errPanicked = errors.New("the store panicked")

// expired reports whether the store must have failed, because a call has taken a long time when its
// context ended. A call that its caller cancels has not failed. Nor has a call that had less than
// half of the timeout, because LoadUser or the caller's deadline left it no more.
func (b *breaker) expired(ctx context.Context, begun int64) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) && b.now()-begun >= int64(b.timeout/2)
}
