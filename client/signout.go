package client

import (
	"context"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// SignOut ends the session on the server, empties the store and removes the
// saved session. The user's sessions elsewhere go on.
//
// The error is an [*Error]: session.CodeNotAuthenticated where there is no
// session (any more; the store is empty then), session.CodeDatabaseUpdateFailed
// or session.CodeUnknown where the server could not be asked: the session then
// stays, here and there, to be signed out later. With [ErrNotSaved], the session
// has ended but what is saved of it could not be removed.
func (c *Client[U]) SignOut(ctx context.Context) error {
	c.leaving.Add(1)
	defer c.leaving.Add(-1)
	h, lockErr := c.saved.lock(ctx)
	if lockErr != nil {
		// A file that cannot be locked is no reason to stay signed in.
		h = &held{k: &savedSession{}, unlock: func() {}}
	}
	defer h.unlock()
	s, set := c.present()
	if s == nil {
		return &Error{Op: opSignOut, Code: session.CodeNotAuthenticated}
	}
	a, err := c.ask(ctx, opSignOut, http.MethodPost, wire.RouteLogout, string(s.AccessToken), set)
	if err != nil {
		return err
	}
	if a.status != http.StatusNoContent {
		err := errorOf(opSignOut, a)
		if err.Gone() {
			_ = c.end(ctx, h, s, set) // the server's word matters more
		}
		return err
	}
	if err := c.end(ctx, h, s, set); err != nil {
		return unknown(opSignOut, err)
	}
	if lockErr != nil {
		return unknown(opSignOut, notSaved(lockErr))
	}
	return nil
}
