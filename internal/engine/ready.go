package engine

import (
	"context"
	"errors"
	"fmt"
)

// readyUser is the user id of the session that Ready deletes. A user may have this id.
const readyUser = "lucia-ready"

var errFeedLost = errors.New("the feed of ended sessions is lost")

// Ready returns nil if the store answers within Timeout and the feed, if there is one, is not lost.
// It deletes a session with a random id, which does not exist. That call needs the server that
// accepts writes and changes nothing. Ready makes it even if the circuit breaker is open. Errors
// carry CodeDatabaseFetchFailed.
func (e *Engine[U]) Ready(ctx context.Context) error {
	err := e.end(ctx, func(ctx context.Context) error { return e.config.Store.Delete(ctx, readyUser, NewID()) })
	if err != nil {
		return e.unavailable(ctx, CodeDatabaseFetchFailed, "", ID{}, fmt.Errorf("not ready: %w", err))
	}
	if e.follower != nil && e.follower.lost.Load() { // EventFeedLost was reported
		return fmt.Errorf("%w: not ready: %w", CodeDatabaseFetchFailed, errFeedLost)
	}
	return nil
}
