package engine

import (
	"context"
	"fmt"
	"time"
)

const (
	// maxConfirming bounds the concurrent confirmations, so that they leave capacity of the store
	// to refreshes. A process that confirms 1,000 generations a second, each in a millisecond,
	// has one confirmation in progress on average.
	maxConfirming = 16
	// maxRemembered bounds the confirmations that are known to have been sent.
	maxRemembered = 1 << 16
)

// generationKey identifies a generation of a session.
type generationKey struct {
	id  ID
	gen Generation
}

// confirmer tells the store which generations have settled, off the request path. It sends each
// confirmation at most once while it remembers it. It does not queue. A confirmation beyond
// maxConfirming is sent when the token is next used. One that is never sent makes the session
// rotate one refresh later.
type confirmer struct {
	limiter  limiter
	breaker  *breaker
	confirm  func(context.Context, ConfirmParams) error
	sent     *recent[generationKey, bool] // true if the call has succeeded
	places   chan struct{}                // holds a value for each confirmation in progress
	flushing chan struct{}                // held by one flush at a time
}

func newConfirmer(l limiter, b *breaker, confirm func(context.Context, ConfirmParams) error) *confirmer {
	return &confirmer{
		limiter:  l,
		breaker:  b,
		confirm:  confirm,
		sent:     newRecent[generationKey, bool](maxRemembered),
		places:   make(chan struct{}, maxConfirming),
		flushing: make(chan struct{}, 1),
	}
}

// confirmSettled sends a confirmation if the token in use is old enough to prove that the browser
// has saved its generation to disk. The generation of the sign-in needs none, because it has no
// predecessor.
func (e *Engine[U]) confirmSettled(v *verified[U], now time.Time) {
	if v.session.Generation == FirstGeneration || v.settled.Load() {
		return
	}
	handed := Instant(v.iat*1000 + 999) // iat is in whole seconds, rounded down
	if InstantOf(now) < handed.Add(e.policy.Settle+e.policy.Settle/10) {
		return // the tenth allows for clock skew; the store decides again by its own clock
	}
	s := generationKey{v.session.ID, v.session.Generation}
	if arrived, sent := e.confirms.sent.get(s); sent {
		if arrived {
			v.settled.Store(true)
		}
		return
	}
	e.confirms.send(s, ConfirmParams{
		UserID: v.session.User.ID, ID: s.id, Generation: s.gen,
		HandedAt: handed, Policy: e.policy,
	})
}

// send starts a confirmation unless it has been sent, maxConfirming are in progress, or the breaker
// refuses it.
func (q *confirmer) send(s generationKey, c ConfirmParams) {
	if q.breaker.admit() != nil {
		return
	}
	select {
	case q.places <- struct{}{}:
	default:
		return
	}
	if !q.sent.put(s, false) {
		<-q.places
		return
	}
	f := newCall[struct{}](context.Background(), q.limiter, func(err error) {
		if err != nil {
			q.sent.remove(s) // sent again when the token is next used
		} else {
			q.sent.put(s, true)
		}
	})
	f.abandon()
	go func() {
		defer func() { <-q.places }() // a call that hangs keeps its place
		f.run(q.limiter, func(ctx context.Context) (struct{}, error) { return struct{}{}, q.confirm(ctx, c) })
	}()
}

// flush waits until no confirmation is in progress, by taking all places, or until ctx ends.
func (q *confirmer) flush(ctx context.Context) error {
	select {
	case q.flushing <- struct{}{}:
		defer func() { <-q.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for taken := range maxConfirming {
		select {
		case q.places <- struct{}{}:
			defer func() { <-q.places }()
		case <-ctx.Done():
			return fmt.Errorf("lucia: %d confirmations in progress: %w", maxConfirming-taken, ctx.Err())
		}
	}
	return nil
}
