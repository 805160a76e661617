package engine

import (
	"context"
	"errors"
	"time"

	"github.com/lucia-go/lucia/session"
)

// endOfSession is the notice that one session has ended. endOfUser is the notice that all sessions
// of the user have ended. reloadOf is the notice that the user's data has changed.
func endOfSession(userID string, id ID) session.Notice {
	return session.Notice{Kind: session.NoticeEnd, UserID: userID, SessionID: id}
}

func endOfUser(userID string) session.Notice {
	return session.Notice{Kind: session.NoticeEnd, UserID: userID}
}

func reloadOf(userID string) session.Notice {
	return session.Notice{Kind: session.NoticeReload, UserID: userID}
}

// announce makes notices known to this process and to all others. The caller has ended the sessions
// in the store and calls announce within the timeout of that step. The error is the failure of the
// feed. The caller returns it, and its own caller may repeat the call. The sessions have ended
// nevertheless, and the follower publishes their end as soon as it can.
func (e *Engine[U]) announce(ctx context.Context, notices ...session.Notice) error {
	var failures []error
	for _, n := range notices {
		n = e.revocations.now(n)
		flooded := e.revocations.flooded(n)
		e.apply(n)
		if flooded {
			// Other processes then refuse all tokens of the user. A refresh replaces those whose
			// session is alive. One notice a second suffices for that.
			n = reloadOf(n.UserID)
			n.IssuedUntil = time.Now().Unix() + e.revocations.slack
			if !e.revocations.add(n) {
				continue
			}
		}
		if e.follower != nil {
			failures = append(failures, e.follower.publish(ctx, n))
		}
	}
	return errors.Join(failures...)
}

// apply applies a notice to this process.
func (e *Engine[U]) apply(n session.Notice) { e.notices.apply(n) }

// noticeBoard is the part of an Engine that notices change. The follower refers to it and not to
// the Engine, so that an unused Engine can be freed.
type noticeBoard struct {
	revocations *revocations
	streams     *streams
}

// apply applies a notice of this process, and applyFed a notice that was read from the feed.
func (b noticeBoard) apply(n session.Notice) {
	b.revocations.add(n)
	b.endStreams(n)
}

func (b noticeBoard) applyFed(n session.Notice) { b.endStreams(b.revocations.addFed(n)) }

func (b noticeBoard) endStreams(n session.Notice) {
	if n.Kind == session.NoticeEnd {
		b.streams.end(n)
	}
}

// ReloadUser makes the next request of each session of the user load the user anew, in every
// process that reads the feed. No session ends. Errors carry CodeInvalidUserID, or
// CodeDatabaseUpdateFailed if the feed failed. Repeating the call is harmless. The end of ctx does
// not stop the call.
func (e *Engine[U]) ReloadUser(ctx context.Context, userID string) error {
	if err := CheckUserID(userID); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := e.end(ctx, func(ctx context.Context) error { return e.announce(ctx, reloadOf(userID)) }); err != nil {
		return e.unavailable(ctx, CodeDatabaseUpdateFailed, userID, ID{}, err)
	}
	return nil
}
