package demo

import (
	"context"
	"sync/atomic"

	"github.com/lucia-go/lucia/session"
)

// counter counts the calls of a store, to show how rare they are.
type counter struct {
	session.Store
	calls    atomic.Int64
	requests atomic.Int64 // that the app has answered, for comparison
}

// Unwrap returns the store, for its feed.
func (c *counter) Unwrap() session.Store { return c.Store }

// Create implements session.Store.
func (c *counter) Create(ctx context.Context, in session.CreateParams) (session.CreateResult, error) {
	c.calls.Add(1)
	return c.Store.Create(ctx, in)
}

// Refresh implements session.Store.
func (c *counter) Refresh(ctx context.Context, in session.RefreshParams) (session.RefreshResult, error) {
	c.calls.Add(1)
	return c.Store.Refresh(ctx, in)
}

// Confirm implements session.Store.
func (c *counter) Confirm(ctx context.Context, in session.ConfirmParams) error {
	c.calls.Add(1)
	return c.Store.Confirm(ctx, in)
}

// Delete implements session.Store.
func (c *counter) Delete(ctx context.Context, userID string, id session.ID) error {
	c.calls.Add(1)
	return c.Store.Delete(ctx, userID, id)
}

// DeleteUser implements session.Store.
func (c *counter) DeleteUser(ctx context.Context, userID string) error {
	c.calls.Add(1)
	return c.Store.DeleteUser(ctx, userID)
}
