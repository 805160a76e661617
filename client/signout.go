package client

import (
	"context"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// SignOut ends the session on the server, empties the store and removes the saved session. Other
// sessions of the user continue.
//
// The error is an [*Error]. Its code is session.CodeNotAuthenticated if there is no session, or if
// the session has ended already; the store is then empty. It is session.CodeDatabaseUpdateFailed if
// the server's session store is unavailable, and session.CodeUnknown if the server does not answer.
// In these two cases the session is kept on both sides, and SignOut may be called again.
// [Client.SaveErr] reports whether the saved session was removed.
func (c *Client[U]) SignOut(ctx context.Context) error {
	c.signingOut.Add(1)
	defer c.signingOut.Add(-1)
	h, lockErr := c.saved.lock(ctx)
	if lockErr != nil {
		// A failed lock must not keep the program signed in.
		h = &lockedSession{k: &savedSession{}, unlock: func() {}}
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
			_ = c.end(ctx, h, s, set) // the server's answer is the error to report
		}
		return err
	}
	_ = c.end(ctx, h, s, set) // SaveErr reports the error
	if lockErr != nil {
		c.saved.removeFailed(notSaved(lockErr))
	}
	return nil
}
