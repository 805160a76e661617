package session

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// EventKind says what an [Event] is. Each event is passed to OnEvent. Reuse is
// logged each time, any other kind at most once a second, with the number of
// lines left out since the last.
type EventKind string

const (
	// EventReuse: a refresh token was presented that an honest browser no longer
	// has. The sessions concerned have been ended; tell the user.
	EventReuse EventKind = "refresh token reuse detected"
	// EventAdopted: the store had lost its last writes. No session was lost.
	EventAdopted EventKind = "store lost a rotation, adopted from the token"
	// EventLateRepeat: a predecessor was presented later than the grace period
	// after its successor was made, and answered: the successor is not confirmed, or
	// was a moment ago. Most often a lost answer.
	EventLateRepeat EventKind = "refresh token repeated late"
	// EventManyRepeats: the same predecessor was presented late to this process a
	// third time or more. Until its successor is confirmed, by a browser that goes on
	// using it, the rule answers it for ever; a browser whose answers are lost time
	// and again looks like that, and so does a thief who drops what he is given. Ask
	// the user, or call RevokeUser.
	EventManyRepeats EventKind = "refresh token repeated late again and again"
	// EventUserGone: LoadUser said that the user does not exist any more. All of
	// the user's sessions have been ended.
	EventUserGone EventKind = "user not found, sessions ended"
	// EventUnavailable: the store or LoadUser failed.
	EventUnavailable EventKind = "session state unavailable"
	// EventUserTooLarge: tokens cannot carry what LoadUser returned (see
	// [ErrUserTooLarge]). Until that is less, the user cannot sign in, and sessions
	// cannot be refreshed; none is ended.
	EventUserTooLarge EventKind = "user data too large"
)

// Event is something that an operator must see.
type Event struct {
	Kind   EventKind
	UserID string
	// SessionID is the zero ID where there is none yet, at a sign-in, and where a
	// call concerns all of the user's.
	SessionID ID
	// Presented is the generation of the token that was presented, 0 where none
	// was.
	Presented Generation
	// Err is the cause of EventUnavailable and EventUserTooLarge, else nil. It is
	// for logs.
	Err error
}

// reporter logs events and passes them on.
type reporter struct {
	logger  *slog.Logger
	onEvent func(Event)
	limits  map[EventKind]*limit
}

func newReporter(logger *slog.Logger, onEvent func(Event)) *reporter {
	return &reporter{logger: logger, onEvent: onEvent, limits: map[EventKind]*limit{
		// Reuse has no limit: each one ends a session, so nobody can flood the log
		// with it, and each names somebody who must be told.
		EventAdopted:      {},
		EventLateRepeat:   {},
		EventManyRepeats:  {},
		EventUserGone:     {},
		EventUnavailable:  {},
		EventUserTooLarge: {},
	}}
}

// report passes the event on and logs it. Both are code of the app's, on the
// path of a call that several requests may share: a panic there must neither
// undo what was answered nor end the process, so they run in a goroutine of
// their own.
func (r *reporter) report(e Event) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.survive()
		defer r.log(e)
		if r.onEvent != nil {
			r.onEvent(e)
		}
	}()
	<-done
}

// survive logs a panic of OnEvent or of the logger.
func (r *reporter) survive() {
	p := recover()
	if p == nil {
		return
	}
	defer func() { _ = recover() }() // the logger may be what panics
	r.logger.Error("lucia: OnEvent or Logger panicked", slog.Any("panic", p))
}

func (r *reporter) log(e Event) {
	attrs := []slog.Attr{slog.String("user_id", e.UserID)}
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
	r.logger.LogAttrs(context.Background(), e.Kind.level(), "lucia: "+string(e.Kind), attrs...)
}

func (k EventKind) level() slog.Level {
	switch k {
	case EventLateRepeat, EventUserGone:
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

// pass reports whether a line may be written now, and how many were not since
// the last.
func (l *limit) pass(t time.Time) (muted int64, ok bool) {
	now, next := t.UnixNano(), l.next.Load()
	if now < next || !l.next.CompareAndSwap(next, now+int64(time.Second)) {
		l.muted.Add(1)
		return 0, false
	}
	return l.muted.Swap(0), true
}
