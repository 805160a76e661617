package client

import (
	"context"
	"errors"
	"time"

	"github.com/lucia-go/lucia/session"
)

// checkAgain is the longest sleep of HandleSilentRefresh: timers may stand still
// while the machine sleeps, so the clock is looked at now and then.
const checkAgain = time.Minute

// HandleSilentRefresh renews the session's tokens one minute before the access
// token expires (a third of its life before, where that life is a minute or
// less), again and again until ctx ends. It waits while nobody is signed in.
// Start it in a goroutine of its own; a second one does no harm.
//
// onError, if not nil, is told what goes wrong: session.CodeUnauthorized when the
// session is gone, and only then is the store empty. Everything else is told once
// per outage and tried again, after a time that grows to a minute and is longer
// where the server asks for it.
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
		if wait := l.wait(s); wait > 0 {
			sleep(ctx, changed, min(wait, checkAgain))
			continue
		}
		l.note(ctx, c.renew(ctx, s))
	}
}

// silentLoop is the state of one HandleSilentRefresh.
type silentLoop[U any] struct {
	onError  func(error)
	of       session.ID // the session that the rest is about
	failures int
	notUntil time.Time    // the next try, after a failure
	unsaved  bool         // the last refresh was good but not saved
	told     session.Code // what onError was told last in this outage
}

// wait is how long to leave s alone.
func (l *silentLoop[U]) wait(s *session.Session[U]) time.Duration {
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
	if l.unsaved || s.ExpiresAt.IsZero() {
		return 0
	}
	return due(s, silentLead, now)
}

// note takes in what came of a refresh.
func (l *silentLoop[U]) note(ctx context.Context, err error) {
	now := time.Now()
	if err == nil {
		l.failures, l.unsaved, l.told, l.notUntil = 0, false, "", now.Add(pause)
		return
	}
	if e, ok := errors.AsType[*Error](err); ctx.Err() != nil || ok && e.left {
		return
	}
	l.failures++
	l.unsaved = errors.Is(err, ErrNotSaved)
	l.notUntil = now.Add(backoff(l.failures, retryAfterOf(err)))
	if code := session.CodeOf(err); code != l.told {
		l.told = code
		l.onError(err)
	}
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
