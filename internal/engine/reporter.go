package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxEvents bounds the events that wait for OnEvent. Kinds that an outage or an outsider can cause
// in any number may fill half of it, so that they do not displace the others.
const maxEvents = 4096

// reporter logs events and passes them to OnEvent. It logs in the goroutine of the caller, so that
// the line is written before a response is. OnEvent runs in a goroutine that lives while events
// wait. It is called with one event at a time, in the order in which they happened, and no request
// waits for it.
type reporter struct {
	logger  *slog.Logger
	onEvent func(Event)
	limits  map[EventKind]*limit

	mu      sync.Mutex
	waiting []Event
	idle    chan struct{} // closed when the goroutine ends; nil if there is none
	dropped int
}

func newReporter(logger *slog.Logger, onEvent func(Event)) *reporter {
	return &reporter{logger: logger, onEvent: onEvent, limits: map[EventKind]*limit{
		// Reuse and acting have no limit. An outsider cannot flood the log with them, and each
		// one must be seen: reuse ends a session and names a user who must be notified.
		EventAdopted:        {},
		EventLateRepeat:     {},
		EventManyRepeats:    {},
		EventUserGone:       {},
		EventSignInRefused:  {},
		EventBindingRefused: {},
		EventUnbound:        {},
		EventUserTooLarge:   {},
		EventUnavailable:    {},
		EventBreakerOpened:  {},
		EventBreakerClosed:  {},
		EventFeedLost:       {},
		EventFeedRestored:   {},
		EventDropped:        {},
	}}
}

// report logs the event and queues it for OnEvent. It sets the event's time.
func (r *reporter) report(e Event) {
	e.Time = time.Now()
	r.log(e)
	if r.onEvent == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	room := maxEvents
	if r.limits[e.Kind] != nil {
		room /= 2
	}
	if len(r.waiting) >= room {
		r.dropped++
		return
	}
	r.waiting = append(r.waiting, e)
	if r.idle == nil {
		r.idle = make(chan struct{})
		go r.deliver()
	}
}

// deliver calls OnEvent with the events that wait. If OnEvent ends the goroutine (runtime.Goexit,
// t.FailNow), another one takes over.
func (r *reporter) deliver() {
	done := false
	defer func() {
		if !done {
			go r.deliver()
		}
	}()
	for {
		e, ok := r.next()
		if !ok {
			done = true
			return
		}
		r.call(e)
	}
}

// next returns the next event for OnEvent. If there is none, it ends the delivery.
func (r *reporter) next() (e Event, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) > 0 {
		e, r.waiting[0] = r.waiting[0], Event{}
		r.waiting = r.waiting[1:]
		return e, true
	}
	if n := r.dropped; n > 0 {
		r.dropped = 0
		e := Event{Kind: EventDropped, Time: time.Now(), Err: fmt.Errorf("%d events", n)}
		r.log(e)
		return e, true
	}
	close(r.idle)
	r.idle, r.waiting = nil, nil
	return Event{}, false
}

func (r *reporter) call(e Event) {
	defer r.recoverPanic()
	r.onEvent(e)
}

// flush waits until no event waits for OnEvent or ctx ends.
func (r *reporter) flush(ctx context.Context) error {
	for {
		r.mu.Lock()
		idle := r.idle
		r.mu.Unlock()
		if idle == nil {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("lucia: events wait for OnEvent: %w", ctx.Err())
		}
	}
}

// recoverPanic logs a panic of OnEvent or of the logger.
func (r *reporter) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	defer func() { _ = recover() }() // the logger itself may panic
	r.logger.Error("lucia: OnEvent or Logger panicked", slog.Any("panic", p))
}

// log logs the event. The logger is the app's and may panic in a call that several requests share.
func (r *reporter) log(e Event) {
	level, ok := levelOf(e.Kind)
	if !ok {
		return
	}
	defer r.recoverPanic()
	attrs := e.Attrs()
	if l := r.limits[e.Kind]; l != nil {
		muted, ok := l.pass(e.Time)
		if !ok {
			return
		}
		if muted > 0 {
			attrs = append(attrs, slog.Int64("left_out", muted))
		}
	}
	if load, ok := errors.AsType[loadError](e.Err); ok && meansNotFound(load) {
		attrs = append(attrs, slog.String("hint", notFoundHint))
	}
	r.logger.LogAttrs(context.Background(), level, "lucia: "+string(e.Kind), attrs...)
}

// levelOf returns the level at which a kind is logged. ok is false for the kinds that are not.
func levelOf(k EventKind) (level slog.Level, ok bool) {
	switch k {
	case EventBegan, EventEnded, EventSteppedUp, EventBound:
		return 0, false
	case EventActing, EventActingEnded, EventLateRepeat, EventUserGone, EventSignInRefused, EventBreakerClosed, EventFeedRestored:
		return slog.LevelInfo, true
	case EventUnavailable, EventUserTooLarge, EventBreakerOpened, EventFeedLost, EventDropped:
		return slog.LevelError, true
	}
	return slog.LevelWarn, true
}

// limit lets one line a second pass and counts the others.
type limit struct {
	next  atomic.Int64 // Unix nanoseconds
	muted atomic.Int64
}

// pass reports whether a line may be written now, and how many were left out since the last.
func (l *limit) pass(t time.Time) (muted int64, ok bool) {
	now, next := t.UnixNano(), l.next.Load()
	if now < next || !l.next.CompareAndSwap(next, now+int64(time.Second)) {
		l.muted.Add(1)
		return 0, false
	}
	return l.muted.Swap(0), true
}
