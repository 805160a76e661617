package client

import (
	"context"
	"errors"

	"github.com/lucia-go/lucia/session"
)

// flightKey tells refreshes apart: a session's own, whose token is its refresh
// token (none in hardened mode), and those of other tokens, which have no id.
// Saving a session once more, without a refresh, goes by its id.
type flightKey struct {
	id      session.ID
	token   session.RefreshToken
	settles bool
}

// flight is one refresh that any number of callers wait for.
type flight struct {
	done   chan struct{}
	tokens Tokens
	err    error
}

// share runs do, unless a refresh of the same key is under way, and waits for
// it. do has a context of its own: a caller that gives up does not spoil it
// for the others, and what the server did is not lost. (It ends by itself: each
// of its steps is bounded by Config.Timeout.)
//
// Where stale says true there is nothing to do any more. It is asked in the same
// step that looks for a refresh under way, so a caller whose session was renewed
// a moment ago does not start another one.
func (c *Client[U]) share(ctx context.Context, key flightKey, stale func() bool, do func(context.Context) (Tokens, error)) (Tokens, error) {
	c.mu.Lock()
	f := c.flights[key]
	switch {
	case f != nil:
	case stale():
		c.mu.Unlock()
		return Tokens{}, nil
	default:
		f = &flight{done: make(chan struct{})}
		c.flights[key] = f
		go c.fly(context.WithoutCancel(ctx), key, f, do)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.tokens, f.err
	case <-ctx.Done():
		return Tokens{}, unknown(opRefresh, ctx.Err())
	}
}

func (c *Client[U]) fly(ctx context.Context, key flightKey, f *flight, do func(context.Context) (Tokens, error)) {
	f.err = unknown(opRefresh, errors.New("called off")) // by a runtime.Goexit in do
	defer func() {
		c.mu.Lock()
		delete(c.flights, key)
		c.mu.Unlock()
		close(f.done)
	}()
	f.tokens, f.err = do(ctx)
}
