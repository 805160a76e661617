package client

import (
	"sync"
	"time"
)

// restraint keeps the Transport from asking for new tokens with every request,
// where that is of no use.
type restraint struct {
	mu       sync.Mutex
	failures int
	until    time.Time // do not renew a token that still lives before
	cool     time.Time // do not renew a token that is refused before
}

func (r *restraint) allows(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(r.until)
}

func (r *restraint) cooling(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.cool)
}

// note takes in what came of a refresh.
func (r *restraint) note(tokens Tokens, err error) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
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
