package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// FetchSession gets the session from the server, sets the store and returns the session. Call it
// after a sign-in that did not use [Client.SignIn], such as a JSON request through HTTPClient, or
// when the user's data have changed.
//
// The error is an [*Error]. Its code is session.CodeNotAuthenticated if the client was signed out
// and the server has no session for it either. It is session.CodeUnauthorized if the client had a
// session and the server says that it has ended.
func (c *Client[U]) FetchSession(ctx context.Context) (*session.Session[U], error) {
	s, err := c.fetch(ctx)
	if s == nil && err == nil {
		// A null answer alone does not end a session. A refused refresh does.
		if _, err = c.RefreshTokens(ctx, ""); err == nil {
			s = c.store.Get()
		}
	}
	return s, err
}

// fetch returns nil if the server answers null although this client has a session.
func (c *Client[U]) fetch(ctx context.Context) (*session.Session[U], error) {
	// The server may renew the cookies in its answer, so fetch takes the lock as a refresh does.
	h, err := c.saved.lock(ctx)
	if err != nil {
		return nil, unknown(opFetch, err)
	}
	defer h.unlock()
	prev, set := c.present()
	if prev != nil {
		if _, err := c.catchUp(h, opFetch, prev); err != nil {
			return nil, err
		}
		if prev, set = c.present(); prev != nil {
			_ = c.retrySaveLocked(ctx, h, prev, set) // the session is saved again below
		}
	}
	a, err := c.ask(ctx, opFetch, http.MethodGet, wire.RouteSession, "", set)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, errorOf(opFetch, a)
	}
	next, err := readSession[U](a)
	switch {
	case err != nil:
		return nil, &Error{Op: opFetch, Code: session.CodeUnknown, Status: a.status, Err: err}
	case next != nil:
		return c.fetched(ctx, h, prev, next, set, c.names.with(set, a.cookies))
	case prev == nil:
		return nil, &Error{Op: opFetch, Code: session.CodeNotAuthenticated, Status: a.status}
	default:
		return nil, nil
	}
}

// fetched makes next the session unless another one has replaced prev in the meantime.
func (c *Client[U]) fetched(ctx context.Context, h *lockedSession, prev, next *session.Session[U], before, set cookieSet) (*session.Session[U], error) {
	isNew := prev == nil || prev.ID != next.ID
	if !isNew && next.RefreshToken == "" {
		next.RefreshToken = prev.RefreshToken
	}
	ok := c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		return next, now == prev && c.jar.replace(before, set)
	})
	if !ok || !isNew && !c.isSaved(h, next) {
		return c.store.Get(), nil
	}
	_ = c.save(ctx, h, next, set) // SaveErr reports the error
	return next, nil
}

// readSession reads an answer of the session route. It returns nil for null.
func readSession[U any](a *answer) (*session.Session[U], error) {
	var (
		lucia json.RawMessage
		life  int64
		id    string
	)
	fields := map[string]any{wire.FormField: &lucia, "expires_in": &life, "session_id": &id}
	if err := wire.Members(a.body, fields); err != nil {
		return nil, err
	}
	if lucia == nil {
		return nil, errors.New("the answer has no " + wire.FormField)
	}
	expiresIn := time.Duration(min(max(life, 0), wire.MaxExpiresIn)) * time.Second
	return wireSession[U](lucia, id, a.sent, expiresIn)
}
