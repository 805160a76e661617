package client

import (
	"errors"
	"sync"
	"time"
)

// refreshLimiter keeps the Transport from asking for new tokens with every request,
// where that is of no use.
type refreshLimiter struct {
	mu       sync.Mutex
	failures int
	until    time.Time // do not renew a token that still lives before
	cool     time.Time // do not renew a token that is refused before
	closed   *Error    // why the server wants no refresh at all
	open     time.Time // before
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

// refuses returns the last refresh's error where the server asked with it to be
// left alone for longer than until now.
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

// note takes in what came of a refresh.
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
