package client

import (
	"context"
	"errors"
	"time"

	"github.com/lucia-go/lucia/session"
)

// checkAgain is the longest sleep of HandleSilentRefresh. Timers may stop while the machine
// sleeps, so HandleSilentRefresh looks at the clock at least this often.
const checkAgain = time.Minute

// HandleSilentRefresh renews the session's tokens one minute before the access token expires, or
// a third of the token's life before if that life is a minute or less. It continues until ctx
// ends and waits while the client is signed out. Start it in a goroutine of its own. A second
// call does no harm.
//
// HandleSilentRefresh calls onError, if it is not nil, when something goes wrong. The code is
// session.CodeUnauthorized when the session is gone; this is the only error after which the
// store is empty. All other failures are temporary: onError is called once per outage, even if
// the errors differ, and the refresh is tried again. The time between attempts grows to a minute
// and is longer if the server asks for that with Retry-After.
func (c *Client[U]) HandleSilentRefresh(ctx context.Context, onError func(error)) {
	changed := make(chan struct{}, 1)
	unsubscribe := c.store.Subscribe(func(*session.Session[U]) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer unsubscribe()
	if onError == nil {
		onError = func(error) {}
	}
	l := silentLoop[U]{onError: onError}
	for ctx.Err() == nil {
		s := c.store.Get()
		wait, retry := l.wait(s, c.saved.isBehind()), forever
		if s != nil {
			retry = max(c.saved.retryIn(s.ID, time.Now()), time.Until(l.saveAfter))
		}
		switch {
		case wait <= 0:
			err := c.renew(ctx, s, false)
			l.note(ctx, err)
			if err == nil {
				l.noteSaved(ctx, c.SaveErr())
			}
		case retry <= 0:
			l.noteSaved(ctx, c.retrySave(ctx, s))
		default:
			sleep(ctx, changed, min(wait, retry, checkAgain))
		}
	}
}

// silentLoop is the state of one call of HandleSilentRefresh.
type silentLoop[U any] struct {
	onError  func(error)
	of       session.ID // the session that the other fields describe
	failures int
	notUntil time.Time // the earliest next refresh
	reported bool      // whether onError was called for this outage
	unsaved  bool      // whether onError was called because saving fails
	// saveAfter is the earliest next attempt to save.
	saveAfter time.Time
}

// wait returns how long to wait before s is renewed. behind says that the TokenStore holds an
// older generation of s; the wait is then as long as possible.
func (l *silentLoop[U]) wait(s *session.Session[U], behind bool) time.Duration {
	if s == nil {
		return checkAgain
	}
	now := time.Now()
	if l.of != s.ID {
		*l = silentLoop[U]{onError: l.onError, of: s.ID}
	}
	if wait := l.notUntil.Sub(now); wait > 0 {
		return wait
	}
	if s.ExpiresAt.IsZero() {
		return 0
	}
	if behind {
		return due(s, transportLead, now)
	}
	return due(s, silentLead, now)
}

// note records the result of a refresh.
func (l *silentLoop[U]) note(ctx context.Context, err error) {
	now := time.Now()
	if err == nil {
		l.failures, l.reported, l.notUntil = 0, false, now.Add(pause)
		return
	}
	l.failures++
	l.notUntil = now.Add(backoff(l.failures, retryAfterOf(err)))
	if e, ok := errors.AsType[*Error](err); ctx.Err() != nil || ok && e.left {
		return
	}
	if !l.reported || isGone(err) {
		l.reported = true
		l.onError(err)
	}
}

// noteSaved records the result of saving the session.
func (l *silentLoop[U]) noteSaved(ctx context.Context, err error) {
	l.saveAfter = time.Now().Add(pause)
	if err != nil && !l.unsaved && ctx.Err() == nil {
		l.onError(err)
	}
	l.unsaved = err != nil
}

// sleep returns after d, when the session has changed, or when ctx ends.
func sleep(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timer.C:
	}
}
