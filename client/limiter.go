package client

import (
	"errors"
	"sync"
	"time"
)

// refreshLimiter keeps a Transport from refreshing with every request while refreshes fail or do
// not help.
type refreshLimiter struct {
	mu       sync.Mutex
	failures int
	until    time.Time // until then, a token that is still valid is not renewed
	cool     time.Time // until then, a refused token is not renewed
	closed   *Error    // the answer whose Retry-After forbids all refreshes
	open     time.Time // when the Retry-After of closed is over
}

func (r *refreshLimiter) allows(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(r.until)
}

func (r *refreshLimiter) cooling(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.cool)
}

// refuses returns the error of the last refresh if the server asked with Retry-After for a longer
// pause than until now. Otherwise it returns nil.
func (r *refreshLimiter) refuses(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := r.open.Sub(now)
	if r.closed == nil || wait <= 0 {
		return nil
	}
	e := *r.closed
	e.RetryAfter = wait
	return &e
}

// note records the result of a refresh.
func (r *refreshLimiter) note(tokens Tokens, err error) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = nil
	if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
		r.closed, r.open = e, now.Add(min(e.RetryAfter, retryAfterMost))
	}
	if err == nil || isGone(err) {
		r.failures, r.until = 0, time.Time{}
	} else {
		r.failures++
		r.until = now.Add(backoff(r.failures, retryAfterOf(err)))
	}
	if err == nil {
		r.cool = now.Add(min(coolDown, tokens.ExpiresIn/2))
	}
}
