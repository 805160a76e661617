package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// reporter logs events and passes them to OnEvent.
type reporter struct {
	logger  *slog.Logger
	onEvent func(Event)
	limits  map[EventKind]*limit
}

func newReporter(logger *slog.Logger, onEvent func(Event)) *reporter {
	return &reporter{logger: logger, onEvent: onEvent, limits: map[EventKind]*limit{
		// Reuse has no limit. Each one ends a session, so an attacker cannot flood the log with
		// it, and each one names a user who must be notified.
		EventAdopted:      {},
		EventLateRepeat:   {},
		EventManyRepeats:  {},
		EventUserGone:     {},
		EventUnavailable:  {},
		EventUserTooLarge: {},
		EventFeedLost:     {},
		EventFeedRestored: {},
	}}
}

// report passes the event to OnEvent and logs it. Both run code of the app, in a call that
// several requests may share. The goroutine is for an OnEvent that ends its goroutine
// (runtime.Goexit, t.FailNow), which must not affect the result of the call. Events are rare.
func (r *reporter) report(e Event) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.recoverPanic()
		defer r.log(e)
		if r.onEvent != nil {
			r.onEvent(e)
		}
	}()
	<-done
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

func (r *reporter) log(e Event) {
	var attrs []slog.Attr
	if e.UserID != "" {
		attrs = append(attrs, slog.String("user_id", e.UserID))
	}
	if e.SessionID != (ID{}) {
		attrs = append(attrs, slog.String("session_id", e.SessionID.String()))
	}
	if l := r.limits[e.Kind]; l != nil {
		muted, ok := l.pass(time.Now())
		if !ok {
			return
		}
		if muted > 0 {
			attrs = append(attrs, slog.Int64("left_out", muted))
		}
	}
	if e.Presented != 0 {
		attrs = append(attrs, slog.Uint64("presented", uint64(e.Presented)))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	if load, ok := errors.AsType[loadError](e.Err); ok && meansNotFound(load) {
		attrs = append(attrs, slog.String("hint", notFoundHint))
	}
	r.logger.LogAttrs(context.Background(), levelOf(e.Kind), "lucia: "+string(e.Kind), attrs...)
}

func levelOf(k EventKind) slog.Level {
	switch k {
	case EventLateRepeat, EventUserGone, EventFeedRestored:
		return slog.LevelInfo
	case EventUnavailable, EventUserTooLarge:
		return slog.LevelError
	}
	return slog.LevelWarn
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
