package middleware

import (
	"context"
	"errors"
	"net/http"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// FeedLost is what an Auth does while it cannot read the feed, for Config.FeedLost.
type FeedLost uint8

const (
	// FeedLostCarryOn: access tokens are accepted until they expire, as without a feed. It is the
	// default.
	FeedLostCarryOn = FeedLost(engine.FeedLostCarryOn)
	// FeedLostAskStore: every request with an access token asks the store. If the store fails, too,
	// the answer is 503.
	FeedLostAskStore = FeedLost(engine.FeedLostAskStore)
)

// AskStore makes Require ask the store whether the session is alive, with one call for each
// request. While someone acts as the user it makes two, because a store call concerns one user, and
// the actor is another one. Without it, Require accepts every access token that this process does
// not know to be revoked. Use it for actions that must not happen even in the fraction of a second
// that the feed needs.
func AskStore() RequireOption { return RequireOption{askStore: true} }

// askIfLost asks the store about the session of an access token if the feed is lost and
// Config.FeedLost is FeedLostAskStore.
func (a *Auth[U]) askIfLost(d *decision[U], r *http.Request) {
	if d.outcome != OutcomeFresh || d.public || !a.engine.MustAsk() {
		return
	}
	outcome := a.ask(r.Context(), &d.session)
	if outcome != OutcomeFresh {
		*d = decision[U]{outcome: outcome, public: d.public}
	}
	d.asked = true
}

// ask asks the store about a session. It returns OutcomeFresh if the session is alive.
func (a *Auth[U]) ask(ctx context.Context, s *session.Session[U]) Outcome {
	switch err := a.engine.AskStore(ctx, *s); {
	case err == nil:
		return OutcomeFresh
	case errors.Is(err, session.CodeDatabaseFetchFailed):
		return OutcomeUnavailable
	}
	return OutcomeExpired
}

// askNow asks the store about the session of a request, unless the request has already asked. The
// rest of the request sees the result.
func (a *Auth[U]) askNow(s *state[U]) {
	now := s.current.Load()
	if !now.signedIn || now.outcome != OutcomeFresh || now.asked {
		return
	}
	outcome := a.ask(s.request.Context(), &now.session)
	s.change(func(now *resolved[U]) bool {
		if now.outcome == OutcomeFresh {
			now.outcome, now.signedIn, now.asked = outcome, outcome == OutcomeFresh, true
		}
		return true
	})
}

// streamOf is a channel that [Auth.Ended] has returned, with its session and its context.
type streamOf struct {
	id    session.ID
	until <-chan struct{}
	ended <-chan struct{}
}

// Ended returns a channel that is closed when the session of the request ends, in whatever process
// that happens. It is for long-lived responses: event streams and WebSockets.
//
//	for {
//		select {
//		case <-auth.Ended(r.Context()):
//			return
//		case event := <-events:
//			…
//		}
//	}
//
// The expiry of the session closes the channel. A rotation, a reload of the user and the expiry of
// the access token do not. An end in another process closes it within a second if there is a feed.
// Without a feed, or while it is lost, the channel is closed when the access token has expired and
// the store no longer has the session. If the store fails, it stays open until the session expires
// by the store's last answer; with IdleTimeout the person may have been active since then.
//
// The channel is already closed if the request has no session. Nothing is retained for the channel
// after ctx ends. ctx may be derived from the request's context, and may outlive it. Ended does not
// access the store. Any goroutine may call it at any time.
func (a *Auth[U]) Ended(ctx context.Context) <-chan struct{} {
	s := a.stateIn(ctx)
	if s == nil {
		return closed
	}
	now := s.current.Load()
	if !now.signedIn {
		return closed
	}
	if ctx.Done() == nil && a.stateOf(ctx) == nil {
		ctx = s.outer() // a *gin.Context, which never ends
	}
	if last := s.stream.Load(); last != nil && last.id == now.session.ID && last.until == ctx.Done() {
		return last.ended // so that a loop may call Ended each time
	}
	ended := a.engine.Ended(ctx, now.session)
	s.stream.Store(&streamOf{now.session.ID, ctx.Done(), ended})
	return ended
}

var closed = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// ReloadUser makes the next request of each session of the user load the user anew, on every device
// and in every process that reads the feed. An app calls it after a change of the user's roles, for
// example, once the change has been saved. No session ends, and refresh tokens stay valid. Errors
// carry session.CodeInvalidUserID, or session.CodeDatabaseUpdateFailed if the feed failed.
// Repeating the call is harmless. The end of ctx does not stop the call.
//
// To show the change in the response of the same request, call [Auth.Reload], too.
func (a *Auth[U]) ReloadUser(ctx context.Context, userID string) error {
	return a.engine.ReloadUser(ctx, userID)
}

// Close stops reading the feed and waits until that has stopped, for at most Config.Timeout. Call
// it at shutdown, after [Auth.Flush]. The Auth can still be used, but no longer knows what other
// processes end. Closing again is harmless.
func (a *Auth[U]) Close() { a.engine.Close() }
