package client

import (
	"context"
	"errors"

	"github.com/lucia-go/lucia/session"
)

// callKey identifies calls that can share one result. A refresh of the client's session has its
// id and its refresh token, which is empty in hardened mode. A refresh with another token has
// that token and no id. A retry of saving a session has its id and savesOnly.
type callKey struct {
	id        session.ID
	token     session.RefreshToken
	savesOnly bool
}

// call is one refresh or save that any number of callers wait for.
type call struct {
	done   chan struct{}
	tokens Tokens
	err    error
}

// share runs do, unless a call with the same key is in progress, and waits for the result. do
// gets a context of its own, so that a caller that gives up does not cancel it for the others and
// the result is not lost. do ends by itself, because each of its steps is limited by
// Config.Timeout.
//
// If stale reports true, there is nothing to do. share calls it in the same step in which it
// looks for a call in progress, so that a caller whose session was just renewed does not start
// another refresh.
func (c *Client[U]) share(ctx context.Context, key callKey, stale func() bool, do func(context.Context) (Tokens, error)) (Tokens, error) {
	c.mu.Lock()
	running := c.calls[key]
	switch {
	case running != nil:
	case stale():
		c.mu.Unlock()
		return Tokens{}, nil
	default:
		running = &call{done: make(chan struct{})}
		c.calls[key] = running
		go c.run(context.WithoutCancel(ctx), key, running, do)
	}
	c.mu.Unlock()
	select {
	case <-running.done:
		return running.tokens, running.err
	case <-ctx.Done():
		return Tokens{}, unknown(opRefresh, ctx.Err())
	}
}

func (c *Client[U]) run(ctx context.Context, key callKey, running *call, do func(context.Context) (Tokens, error)) {
	running.err = unknown(opRefresh, errors.New("cancelled")) // if do calls runtime.Goexit
	defer func() {
		c.mu.Lock()
		delete(c.calls, key)
		c.mu.Unlock()
		close(running.done)
	}()
	running.tokens, running.err = do(ctx)
}
