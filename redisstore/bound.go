package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrStuck is the cause when a call was not tried because too many earlier ones
// are stuck in the client; see [WithMaxStuck].
var ErrStuck = errors.New("redisstore: too many calls are stuck in the client")

// bound keeps callers from waiting for the client longer than they should. A
// client may ignore the context it is given (go-redis does unless
// ContextTimeoutEnabled is set, and its hooks and dialers may in any case), so
// each call runs in a goroutine that its caller can walk away from.
type bound struct {
	timeout  time.Duration
	maxStuck int64
	stuck    atomic.Int64 // calls whose callers have walked away
}

// call is one call under way, shared by its caller and its goroutine.
type call struct {
	done  chan struct{} // closed when reply and err are there
	reply string
	err   error
	left  atomic.Bool // whether one of the two has left already
}

// do runs step under ctx and the bound's timeout. It returns when step does or
// when that time is up, whichever is first.
func (b *bound) do(ctx context.Context, extra time.Duration, step func(context.Context) (string, error)) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if b.stuck.Load() >= b.maxStuck {
		return "", ErrStuck
	}
	ctx, cancel := within(ctx, b.timeout+extra)
	c := &call{done: make(chan struct{})}
	go func() {
		defer cancel()
		c.run(ctx, step)
		if c.left.Swap(true) {
			b.stuck.Add(-1)
		}
	}()
	select {
	case <-c.done:
		return c.reply, c.err
	case <-ctx.Done():
	}
	b.stuck.Add(1)
	if c.left.Swap(true) { // it ended just now
		b.stuck.Add(-1)
		return c.reply, c.err
	}
	return "", ctx.Err()
}

// run runs step. A panic of the client, or of a hook in it, becomes an error: in
// a goroutine of ours it would end the process, not the request.
func (c *call) run(ctx context.Context, step func(context.Context) (string, error)) {
	defer close(c.done)
	defer func() {
		if p := recover(); p != nil {
			c.err = fmt.Errorf("redisstore: the client panicked: %v", p)
		}
	}()
	c.reply, c.err = step(ctx)
}

// within returns a context that ends after d at the latest. Where ctx ends
// before that anyway it is good enough, and a timer is saved.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}
