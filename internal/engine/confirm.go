package engine

import (
	"context"
	"sync"
	"time"
)

const (
	// maxQueued bounds the confirmations that wait to be sent. What finds no
	// place is sent at the next sighting.
	maxQueued = 1024
	// maxRemembered bounds the confirmations that are known to have been sent.
	maxRemembered = 1 << 16
	// confirmWorkers is how many confirmations are under way at once.
	confirmWorkers = 4
)

// generationKey is a generation of a session that was seen in use.
type generationKey struct {
	id  ID
	gen Generation
}

// confirmer tells the store, off the request path, which generations have
// settled: each at most once while remembered. Its workers start on demand and
// end when there is nothing left to do.
type confirmer struct {
	send func(context.Context, ConfirmParams) error
	sent *recent[generationKey, bool] // true: and the call has succeeded

	mu      sync.Mutex
	queue   []ConfirmParams
	workers int
	idle    chan struct{} // closed when queue is empty and no worker runs; nil while idle
}

func newConfirmer(send func(context.Context, ConfirmParams) error) *confirmer {
	return &confirmer{send: send, sent: newRecent[generationKey, bool](maxRemembered)}
}

// sighted queues a confirmation where the token in use is old enough to prove
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
	m.confirms.enqueue(s, ConfirmParams{
		UserID: v.session.User.ID, ID: s.id, Generation: s.gen,
		HandedAt: handed, Policy: m.policy,
	})
}

// confirm sends one confirmation.
func (m *Manager[U]) confirm(ctx context.Context, c ConfirmParams) error {
	_, err := callWithTimeout(ctx, m.stores, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, m.config.Store.Confirm(ctx, c)
	})
	return err
}

func (q *confirmer) enqueue(s generationKey, c ConfirmParams) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) >= maxQueued || !q.sent.put(s, false) {
		return
	}
	q.queue = append(q.queue, c)
	if q.workers < confirmWorkers {
		q.workers++
		if q.idle == nil {
			q.idle = make(chan struct{})
		}
		go q.work()
	}
}

// next takes a confirmation from the queue; where there is none the worker is
// struck off.
func (q *confirmer) next() (ConfirmParams, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) > 0 {
		c := q.queue[0]
		q.queue = q.queue[1:]
		return c, true
	}
	q.queue = nil
	if q.workers--; q.workers == 0 {
		close(q.idle)
		q.idle = nil
	}
	return ConfirmParams{}, false
}

func (q *confirmer) work() {
	for {
		c, ok := q.next()
		if !ok {
			return
		}
		s := generationKey{c.ID, c.Generation}
		if err := q.send(context.Background(), c); err != nil {
			q.sent.remove(s) // sent again at the next sighting
		} else {
			q.sent.put(s, true)
		}
	}
}

// flush waits until the confirmer is idle or ctx ends.
func (q *confirmer) flush(ctx context.Context) error {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
