package client

import (
	"context"
	"errors"
	"time"

	"github.com/lucia-go/lucia/session"
)

// The server treats a refresh token that has been replaced as stolen and ends the user's sessions
// on all devices. So the TokenStore must hold the newest token or nothing. If saving fails, the
// client removes the saved session and tries again to save, without a request to the server.

// isSaved reports whether the TokenStore is in use for this session: it holds the session, or what
// this client found there when it failed to save the session. The TokenStore is not in use for the
// session if another run of the program has since signed out or in again. This client then keeps
// its session and does not touch the saved one.
func (c *Client[U]) isSaved(h *lockedSession, s *session.Session[U]) bool {
	if h.k.isUnsaved(s.ID) && !h.changed() {
		return true
	}
	if h.data == nil {
		return false
	}
	saved, _, err := c.decodeSaved(h.data)
	return err == nil && saved.ID == s.ID
}

// catchUp applies what another run of the program did with the saved session. It reports whether it
// loaded newer tokens. If the other run removed the session, it has signed out or could not save
// newer tokens. Either way the tokens of this client are outdated, so it forgets its session.
func (c *Client[U]) catchUp(h *lockedSession, op string, s *session.Session[U]) (loaded bool, err error) {
	switch {
	case c.isSaved(h, s):
		if !h.changed() {
			return false, nil
		}
		if err := c.loadSaved(h, s); err != nil {
			return false, unknown(op, err)
		}
		return true, nil
	case h.removed():
		_, set := c.present()
		c.forget(s, set)
		h.release()
		err := errors.New("another run of the program has removed the saved session")
		return false, &Error{Op: op, Code: session.CodeUnauthorized, Err: err}
	case h.data != nil:
		h.release()
	}
	return false, nil
}

// loadSaved makes the session that another run of the program saved the session of this client.
func (c *Client[U]) loadSaved(h *lockedSession, prev *session.Session[U]) error {
	saved, set, err := c.decodeSaved(h.data)
	if err != nil {
		return err
	}
	if c.adopt(prev, saved, set) {
		h.noteLoaded()
	}
	return nil
}

func (c *Client[U]) save(ctx context.Context, h *lockedSession, s *session.Session[U], set cookieSet) error {
	data, err := c.encodeSaved(s, set)
	if err != nil {
		return notSaved(err)
	}
	return h.save(ctx, s.ID, data)
}

// retrySave saves the session if saving has failed and it is time to try again.
func (c *Client[U]) retrySave(ctx context.Context, seen *session.Session[U]) error {
	stale := func() bool { return c.saved.retryIn(seen.ID, time.Now()) > 0 }
	key := callKey{id: seen.ID, savesOnly: true}
	_, err := c.share(ctx, key, stale, func(ctx context.Context) (Tokens, error) {
		h, err := c.saved.lock(ctx)
		if err != nil {
			err = notSaved(err)
			c.saved.failed(seen.ID, err)
			return Tokens{}, unknown(opSave, err)
		}
		defer h.unlock()
		s, set := c.present()
		if s == nil || s.ID != seen.ID {
			return Tokens{}, nil
		}
		if err := c.retrySaveLocked(ctx, h, s, set); err != nil {
			return Tokens{}, unknown(opSave, err)
		}
		return Tokens{}, nil
	})
	return err
}

// retrySaveLocked is retrySave for callers that hold the lock. It does not wait.
func (c *Client[U]) retrySaveLocked(ctx context.Context, h *lockedSession, s *session.Session[U], set cookieSet) error {
	if !h.k.isUnsaved(s.ID) {
		return nil
	}
	if !c.isSaved(h, s) {
		h.k.reset() // another run has saved another session
		return nil
	}
	if !h.changed() {
		return c.save(ctx, h, s, set)
	}
	return c.loadSaved(h, s)
}
