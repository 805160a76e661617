package engine

import (
	"context"
	"fmt"
	"time"
)

const (
	// maxConfirming bounds the confirmations under way, so that they leave the store to
	// refreshes. A process that confirms 1,000 generations a second, each in a
	// millisecond, has one under way on average.
	maxConfirming = 16
	// maxRemembered bounds the confirmations that are known to have been sent.
	maxRemembered = 1 << 16
)

// generationKey is a generation of a session that was seen in use.
type generationKey struct {
	id  ID
	gen Generation
}

// confirmer tells the store, off the request path, which generations have settled:
// each at most once while remembered. It does not queue: a confirmation that finds no
// place is sent when the token is next used, and one that is never sent makes the
// session rotate one refresh later.
type confirmer struct {
	limiter  limiter
	confirm  func(context.Context, ConfirmParams) error
	sent     *recent[generationKey, bool] // true: and the call has succeeded
	places   chan struct{}                // one for each confirmation under way
	flushing chan struct{}                // holds one flush
}

func newConfirmer(l limiter, confirm func(context.Context, ConfirmParams) error) *confirmer {
	return &confirmer{
		limiter:  l,
		confirm:  confirm,
		sent:     newRecent[generationKey, bool](maxRemembered),
		places:   make(chan struct{}, maxConfirming),
		flushing: make(chan struct{}, 1),
	}
}

// sighted sends a confirmation where the token in use is old enough to prove
// that its generation is on the browser's disk. The sign-in's generation needs
// none: it has no predecessor.
func (m *Manager[U]) sighted(v *verified[U], now time.Time) {
	if v.session.Generation == FirstGeneration || v.settled.Load() {
		return
	}
	handed := Instant(v.iat*1000 + 999) // iat is in whole seconds, rounded down
	if InstantOf(now) < handed.Add(m.policy.Settle+m.policy.Settle/10) {
		return // the tenth is for the store's clock, which judges again
	}
	s := generationKey{v.session.ID, v.session.Generation}
	if arrived, sent := m.confirms.sent.get(s); sent {
		if arrived {
			v.settled.Store(true)
		}
		return
	}
	m.confirms.send(s, ConfirmParams{
		UserID: v.session.User.ID, ID: s.id, Generation: s.gen,
		HandedAt: handed, Policy: m.policy,
	})
}

// send starts a confirmation unless it has been sent or there is no place.
func (q *confirmer) send(s generationKey, c ConfirmParams) {
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
			q.sent.remove(s) // sent again at the next sighting
		} else {
			q.sent.put(s, true)
		}
	})
	go func() {
		defer func() { <-q.places }() // a call that hangs keeps its place
		f.run(q.limiter, func(ctx context.Context) (struct{}, error) { return struct{}{}, q.confirm(ctx, c) })
	}()
}

// flush waits until no confirmation is under way or ctx ends: it takes all places.
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
			return fmt.Errorf("lucia: %d confirmations under way: %w", maxConfirming-taken, ctx.Err())
		}
	}
	return nil
}
