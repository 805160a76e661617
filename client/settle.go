package client

import (
	"context"
	"errors"
	"time"

	"github.com/lucia-go/lucia/session"
)

// The server treats a refresh token that has been replaced as stolen and ends the user's sessions
// on all devices. So the TokenStore must hold the newest token or nothing. If saving fails, the
// client removes what was saved and tries again to save, without a request to the server.

// isSaved reports whether the TokenStore is in use for this session: it holds the session, or
// what this client saw there when it failed to save the session. It is not if another run of the
// program has signed out since or has signed in again. In that case this client keeps its session
// and does not touch the saved one.
func (c *Client[U]) isSaved(h *lockedSession, s *session.Session[U]) bool {
	if h.k.owes(s.ID) && !h.changed() {
		return true
	}
	if h.data == nil {
		return false
	}
	saved, _, err := c.decodeSaved(h.data)
	return err == nil && saved.ID == s.ID
}

// catchUp applies what another run of the program did with the saved session, and reports whether
// it loaded newer tokens. If the other run removed the session, it has signed out or could not
// save newer tokens. The tokens of this client are useless in both cases, so it leaves the
// session.
func (c *Client[U]) catchUp(h *lockedSession, op string, s *session.Session[U]) (took bool, err error) {
	switch {
	case c.isSaved(h, s):
		if !h.changed() {
			return false, nil
		}
		if err := c.takeUp(h, s); err != nil {
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

// takeUp makes the session that another run of the program saved the client's.
func (c *Client[U]) takeUp(h *lockedSession, prev *session.Session[U]) error {
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

// settle saves the session if saving failed before and it is time to try again.
func (c *Client[U]) settle(ctx context.Context, seen *session.Session[U]) error {
	stale := func() bool { return c.saved.retryIn(seen.ID, time.Now()) > 0 }
	key := callKey{id: seen.ID, settles: true}
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
		if err := c.settleHeld(ctx, h, s, set); err != nil {
			return Tokens{}, unknown(opSave, err)
		}
		return Tokens{}, nil
	})
	return err
}

// settleHeld is settle for callers that hold the lock. It does not wait.
func (c *Client[U]) settleHeld(ctx context.Context, h *lockedSession, s *session.Session[U], set cookieSet) error {
	if !h.k.owes(s.ID) {
		return nil
	}
	if !c.isSaved(h, s) {
		h.k.settled() // the TokenStore holds another session by now
		return nil
	}
	if !h.changed() {
		return c.save(ctx, h, s, set)
	}
	return c.takeUp(h, s)
}
