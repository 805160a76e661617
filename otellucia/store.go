package otellucia

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"

	"github.com/lucia-go/lucia/session"
)

// store reports the calls of a session store.
type store struct {
	session.Store
	*telemetry
}

// Unwrap returns the wrapped store, so that its optional parts remain available (session.FeedOf).
func (s store) Unwrap() session.Store { return s.Store }

// Create implements session.Store.
func (s store) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	return call(ctx, s, "create", c.ID, func(ctx context.Context) (session.CreateResult, error) {
		return s.Store.Create(ctx, c)
	})
}

// Refresh implements session.Store.
func (s store) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	o := observation{name: "lucia.store.refresh", operation: "refresh", id: r.ID, duration: s.calls}
	return observe(ctx, s.telemetry, o, func(ctx context.Context) (result session.RefreshResult, more []attribute.KeyValue, err error) {
		if result, err = s.Store.Refresh(ctx, r); err == nil {
			more = append(more, attribute.String("lucia.refresh.result", result.Outcome.String()))
		}
		return result, more, err
	})
}

// Confirm implements session.Store.
func (s store) Confirm(ctx context.Context, c session.ConfirmParams) error {
	return callErr(ctx, s, "confirm", c.ID, func(ctx context.Context) error { return s.Store.Confirm(ctx, c) })
}

// Delete implements session.Store.
func (s store) Delete(ctx context.Context, userID string, id session.ID) error {
	return callErr(ctx, s, "delete", id, func(ctx context.Context) error { return s.Store.Delete(ctx, userID, id) })
}

// DeleteUser implements session.Store.
func (s store) DeleteUser(ctx context.Context, userID string) error {
	return callErr(ctx, s, "delete_user", session.ID{}, func(ctx context.Context) error { return s.Store.DeleteUser(ctx, userID) })
}

// List implements session.Store.
func (s store) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	return call(ctx, s, "list", session.ID{}, func(ctx context.Context) (map[session.ID]session.Entry, error) {
		return s.Store.List(ctx, userID)
	})
}

// call makes a call of the store. id is the zero ID if the call concerns no single session.
func call[T any](ctx context.Context, s store, operation string, id session.ID, fn func(context.Context) (T, error)) (T, error) {
	o := observation{name: "lucia.store." + operation, operation: operation, id: id, duration: s.calls}
	return observe(ctx, s.telemetry, o, func(ctx context.Context) (T, []attribute.KeyValue, error) {
		value, err := fn(ctx)
		return value, nil, err
	})
}

func callErr(ctx context.Context, s store, operation string, id session.ID, fn func(context.Context) error) error {
	_, err := call(ctx, s, operation, id, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

// errorType returns the value of error.type: a well-known name, or the type of the error.
func errorType(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, session.ErrUserNotFound):
		return "user_not_found"
	}
	return fmt.Sprintf("%T", err)
}
