package engine

import (
	"context"
	"sync"
	"time"

	"github.com/lucia-go/lucia/session"
)

// streams holds the open channels of [Engine.Ended], by user and by actor. Each is freed when its
// context or its session ends.
type streams struct {
	mu    sync.Mutex
	users map[string]map[*stream]struct{}
}

// stream is one channel.
type stream struct {
	userID string
	id     ID
	iat    int64
	terms  Terms
	ended  chan struct{}

	// These are guarded by the lock of the streams.
	timer  *time.Timer // asks the store
	unbind func() bool // stops waiting for the context
}

// owners returns the users whose sessions the stream depends on: its own user, and the actor.
func (w *stream) owners() []string {
	if w.terms.Actor == nil {
		return []string{w.userID}
	}
	return []string{w.userID, w.terms.Actor.ID}
}

// isEndedBy reports whether a notice ends a session that the stream depends on.
func (w *stream) isEndedBy(n session.Notice) bool {
	ends := func(userID string, id ID) bool {
		return n.UserID == userID && (n.SessionID == id || n.SessionID == (ID{}) && w.iat <= n.IssuedUntil)
	}
	actor := w.terms.Actor
	return ends(w.userID, w.id) || actor != nil && ends(actor.ID, actor.SessionID)
}

// add registers a stream.
func (s *streams) add(w *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == nil {
		s.users = map[string]map[*stream]struct{}{}
	}
	for _, userID := range w.owners() {
		if s.users[userID] == nil {
			s.users[userID] = map[*stream]struct{}{}
		}
		s.users[userID][w] = struct{}{}
	}
}

// remove frees a stream and reports whether it was registered.
func (s *streams) remove(w *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removeLocked(w)
}

func (s *streams) removeLocked(w *stream) bool {
	if _, ok := s.users[w.userID][w]; !ok {
		return false
	}
	for _, userID := range w.owners() {
		delete(s.users[userID], w)
		if len(s.users[userID]) == 0 {
			delete(s.users, userID)
		}
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.unbind != nil {
		w.unbind()
	}
	return true
}

// has reports whether a stream is registered.
func (s *streams) has(w *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.users[w.userID][w]
	return ok
}

// bind frees a stream when ctx ends.
func (s *streams) bind(ctx context.Context, w *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.users[w.userID][w]; ok {
		w.unbind = context.AfterFunc(ctx, func() { s.remove(w) })
	}
}

// schedule calls ask after d unless the stream has been freed by then.
func (s *streams) schedule(w *stream, d time.Duration, ask func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.users[w.userID][w]; ok {
		w.timer = time.AfterFunc(d, ask)
	}
}

// close closes the channel of a stream.
func (s *streams) close(w *stream) {
	if s.remove(w) {
		close(w.ended)
	}
}

// end closes the channels of the sessions that a notice ends.
func (s *streams) end(n session.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.users[n.UserID] {
		if w.isEndedBy(n) {
			s.removeLocked(w)
			close(w.ended)
		}
	}
}

// Ended returns a channel that closes when the session ends. Rotation does not close it. It closes
// as soon as this process knows of the end: at once for its own calls, and from the feed for those
// of other processes. It also asks the store: when the access token of s has expired, then once in
// the lifetime of an access token, and when the session is due to expire. So it closes when the
// session expires, and without a feed, too. If the store fails, the channel stays open until the
// session expires by the store's last answer, whatever activity there was since then.
//
// Nothing is retained once ctx has ended or the channel is closed.
func (e *Engine[U]) Ended(ctx context.Context, s Session[U]) <-chan struct{} {
	w := &stream{userID: s.User.ID, id: s.ID, iat: s.IssuedAt.Unix(), terms: s.Terms, ended: make(chan struct{})}
	e.streams.add(w)
	if e.isRevoked(s) { // after add, so that no notice is missed
		e.streams.close(w)
		return w.ended
	}
	e.streams.bind(ctx, w)
	e.streams.schedule(w, time.Until(s.ExpiresAt), func() { e.ask(w, time.Time{}) })
	return w.ended
}

// retryAsking is how long a stream waits after the store has failed.
const retryAsking = 5 * time.Second

// ask asks the store whether the session of a stream is alive, and schedules the next time. due is
// when the session expires according to the last answer, or zero if there was none.
func (e *Engine[U]) ask(w *stream, due time.Time) {
	if !e.streams.has(w) {
		return
	}
	record, now, err := e.find(context.Background(), w.userID, w.id, &w.terms)
	wait := retryAsking
	switch {
	case err != nil && !due.IsZero() && time.Now().After(due):
		e.streams.close(w)
		return
	case err != nil:
		e.reportUnavailable(w.userID, w.id, err)
	case !record.Live(now):
		e.streams.close(w)
		return
	default:
		left := record.ExpiresAt.Sub(now)
		due = time.Now().Add(left)
		wait = min(e.config.AccessTTL, left+time.Second)
	}
	e.streams.schedule(w, wait, func() { e.ask(w, due) })
}

// isRevoked reports whether this process knows that a session has ended, or that its actor's own
// session has.
func (e *Engine[U]) isRevoked(s Session[U]) bool {
	iat := s.IssuedAt.Unix()
	return e.revocations.ended(s.User.ID, s.ID, iat) || s.Actor != nil && e.revocations.ended(s.Actor.ID, s.Actor.SessionID, iat)
}

// find returns the record of a session in the store, and the time with which to judge it. The
// record is empty if the session is over by its terms.
func (e *Engine[U]) find(ctx context.Context, userID string, id ID, t *Terms) (Record, Instant, error) {
	record, err := callWithTimeout(ctx, e.stores, func(ctx context.Context) (Record, error) {
		if cause, err := e.overBy(ctx, t); cause != "" || err != nil {
			return Record{}, err
		}
		live, err := e.config.Store.List(ctx, userID)
		return live[id].Record, err
	})
	now := InstantOf(time.Now())
	if e.isOver(record) {
		record = Record{}
	}
	return record, min(now, record.ExpiresAt-1), err // by its own clock the store has found it live
}

// MustAsk reports whether requests must ask the store, because the feed is lost and
// Config.FeedLost says so.
func (e *Engine[U]) MustAsk() bool {
	return e.follower != nil && e.config.FeedLost == FeedLostAskStore && e.follower.lost.Load()
}

// AskStore checks in the store that a session is alive, and its actor's own session. Errors carry
// CodeUnauthorized if one has ended, and CodeDatabaseFetchFailed if the store failed.
func (e *Engine[U]) AskStore(ctx context.Context, s Session[U]) error {
	record, now, err := e.find(ctx, s.User.ID, s.ID, &s.Terms)
	if err != nil {
		return e.unavailable(ctx, CodeDatabaseFetchFailed, s.User.ID, s.ID, err)
	}
	if !record.Live(now) {
		// Other processes do not need to know.
		e.apply(e.revocations.now(endOfSession(s.User.ID, s.ID)))
		return errMissing
	}
	return nil
}
