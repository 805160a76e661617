package client

import (
	"context"
	"errors"
	"time"

	"github.com/lucia-go/lucia/session"
)

// The server takes a refresh token that has been replaced for a thief's, and ends
// the user's sessions on all devices. So what is saved must be the newest or
// nothing: where saving fails, what was saved is removed, and saving is tried
// again without asking the server for anything.

// isSaved reports whether the TokenStore is this session's place: it holds the
// session, or what this client saw there when it failed to save the session. It
// is not where another run of the program has signed out since, or in as
// somebody else: then this client goes on with its session and leaves the
// other's alone.
func (c *Client[U]) isSaved(h *held, s *session.Session[U]) bool {
	if h.k.owes(s.ID) && !h.changed() {
		return true
	}
	if h.data == nil {
		return false
	}
	saved, _, err := c.decodeSaved(h.data)
	return err == nil && saved.ID == s.ID
}

// catchUp makes what another run of the program did with the saved session this
// client's, and reports whether it took up newer tokens. Where the other run
// removed the session, it has signed out, or it could not save newer tokens; those
// of this client are of no use either way, and it leaves the session.
func (c *Client[U]) catchUp(h *held, op string, s *session.Session[U]) (took bool, err error) {
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
		h.disown()
		err := errors.New("another run of the program has removed the saved session")
		return false, &Error{Op: op, Code: session.CodeUnauthorized, Err: err}
	case h.data != nil:
		h.disown()
	}
	return false, nil
}

// takeUp makes what another run of the program saved the client's.
func (c *Client[U]) takeUp(h *held, prev *session.Session[U]) error {
	saved, set, err := c.decodeSaved(h.data)
	if err != nil {
		return err
	}
	if c.adopt(prev, saved, set) {
		h.noteLoaded()
	}
	return nil
}

func (c *Client[U]) save(ctx context.Context, h *held, s *session.Session[U], set cookieSet) error {
	data, err := c.encodeSaved(s, set)
	if err != nil {
		return notSaved(err)
	}
	return h.save(ctx, s.ID, data)
}

// settle saves the session where that failed before, if it is time to try again.
func (c *Client[U]) settle(ctx context.Context, seen *session.Session[U]) error {
	stale := func() bool { return c.saved.retryIn(seen.ID, time.Now()) > 0 }
	key := flightKey{id: seen.ID, settles: true}
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

// settleHeld is settle for who has the lock, and at once.
func (c *Client[U]) settleHeld(ctx context.Context, h *held, s *session.Session[U], set cookieSet) error {
	if !h.k.owes(s.ID) {
		return nil
	}
	if !c.isSaved(h, s) {
		h.k.settled() // the place is another session's by now
		return nil
	}
	if !h.changed() {
		return c.save(ctx, h, s, set)
	}
	return c.takeUp(h, s)
}
