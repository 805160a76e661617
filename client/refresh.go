package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Tokens are what a refresh returns. In hardened mode, where only cookies carry
// tokens, both are empty.
type Tokens struct {
	AccessToken  session.AccessToken
	RefreshToken session.RefreshToken
	// ExpiresIn is how long the access token lives.
	ExpiresIn time.Duration
}

// LogValue returns how long the access token lives, and no token.
func (t Tokens) LogValue() slog.Value {
	return slog.GroupValue(slog.Duration("expires_in", t.ExpiresIn))
}

// RefreshTokens renews the refresh token and the access token. An empty
// refreshToken means the session's. With the session's own token, the store and
// the TokenStore follow; with another one they are left alone. Calls with the
// same token at the same time share one request.
//
// The error is an [*Error]: session.CodeUnauthorized where the session is gone
// (the store is then empty, if it was the store's) or there is none,
// session.CodeDatabaseFetchFailed where the server could not tell, and
// session.CodeUnknown. Whether the session was saved is for [Client.SaveErr] to say.
func (c *Client[U]) RefreshTokens(ctx context.Context, refreshToken session.RefreshToken) (Tokens, error) {
	s, _ := c.present()
	if s == nil && refreshToken == "" {
		return Tokens{}, &Error{Op: opRefresh, Code: session.CodeUnauthorized}
	}
	if s != nil && (refreshToken == "" || refreshToken == s.RefreshToken) {
		return c.share(ctx, flightKey{id: s.ID, token: s.RefreshToken}, never, c.refreshOwn(s.ID, false))
	}
	return c.share(ctx, flightKey{token: refreshToken}, never, func(ctx context.Context) (Tokens, error) {
		return c.refreshOther(ctx, refreshToken)
	})
}

func never() bool { return false }

// renew renews the session unless it is another than seen by now. refused says
// that the server does not take its access token any more.
func (c *Client[U]) renew(ctx context.Context, seen *session.Session[U], refused bool) error {
	stale := func() bool { return c.store.Get() != seen }
	_, err := c.share(ctx, flightKey{id: seen.ID, token: seen.RefreshToken}, stale, c.refreshOwn(seen.ID, refused))
	return err
}

// refreshOwn renews the client's session, if that still is the one with this id.
func (c *Client[U]) refreshOwn(id session.ID, refused bool) func(context.Context) (Tokens, error) {
	return func(ctx context.Context) (Tokens, error) {
		tokens, err := c.refreshInTurn(ctx, id, refused)
		c.restraint.note(tokens, err)
		return tokens, err
	}
}

// errLeft is the error of a refresh whose session is not the client's any more.
func errLeft() *Error {
	err := errors.New("the session was left meanwhile")
	return &Error{Op: opRefresh, Code: session.CodeUnauthorized, Err: err, left: true}
}

// refreshInTurn is refreshOwn in turn with other processes that share the
// TokenStore.
func (c *Client[U]) refreshInTurn(ctx context.Context, id session.ID, refused bool) (Tokens, error) {
	h, err := c.saved.lock(ctx)
	if err != nil {
		// Without the lock, this refresh could make another process's tokens the
		// older ones, which looks like theft to the server.
		return Tokens{}, unknown(opRefresh, err)
	}
	defer h.unlock()
	s, set := c.present()
	if s == nil || s.ID != id {
		return Tokens{}, errLeft()
	}
	if took, err := c.catchUp(h, opRefresh, s); err != nil {
		return Tokens{}, err
	} else if took {
		if s, set = c.present(); s == nil || s.ID != id {
			return Tokens{}, errLeft()
		}
		if due(s, transportLead, time.Now()) > 0 {
			return tokensOf(s), nil
		}
	}
	if err := c.settleHeld(ctx, h, s, set); err != nil && h.k.isBehind() && !refused && due(s, transportLead, time.Now()) > 0 {
		// Another generation would only make the saved one older.
		return tokensOf(s), nil
	}
	next, set, err := c.exchange(ctx, s.RefreshToken, s, set)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Gone() {
			e.left = c.hasLeft(s)
			// Where the saved session cannot be removed, the next run will
			// learn from the server that it is gone.
			_ = c.end(ctx, h, s, set)
		}
		return Tokens{}, err
	}
	return c.keep(ctx, h, s, next, set)
}

func tokensOf[U any](s *session.Session[U]) Tokens {
	return Tokens{s.AccessToken, s.RefreshToken, left(s, time.Now())}
}

// refreshOther exchanges a token that is not the session's, for the caller only.
func (c *Client[U]) refreshOther(ctx context.Context, token session.RefreshToken) (Tokens, error) {
	_, set := c.present()
	next, _, err := c.exchange(ctx, token, nil, set)
	if e, ok := errors.AsType[*Error](err); ok {
		e.other = true
	}
	if err != nil {
		return Tokens{}, err
	}
	return tokensOf(next), nil
}

// exchange asks the server for new tokens and returns the session and the
// cookies that follow from the answer. prev is the session so far, or nil; what
// a hardened answer does not say is taken from it.
func (c *Client[U]) exchange(ctx context.Context, token session.RefreshToken, prev *session.Session[U], set cookieSet) (*session.Session[U], cookieSet, error) {
	a, err := c.ask(ctx, opRefresh, http.MethodPost, wire.RouteRefresh, string(token), set)
	if err != nil {
		return nil, set, err
	}
	if a.status != http.StatusOK {
		return nil, set, errorOf(opRefresh, a)
	}
	next, err := c.readRenewed(a, prev, token == "")
	if err != nil {
		return nil, set, &Error{Op: opRefresh, Code: session.CodeUnknown, Status: a.status, Err: err}
	}
	set = c.names.with(set, a.cookies)
	if next.AccessToken == "" {
		c.reloadUser(ctx, next, set)
	}
	return next, set, nil
}

// readRenewed builds the session of an answer.
func (c *Client[U]) readRenewed(a *answer, prev *session.Session[U], byCookie bool) (*session.Session[U], error) {
	r, err := a.renewed()
	if err != nil {
		return nil, err
	}
	switch {
	case r.access != "":
		next, err := sessionOf(r, a.sent, prev)
		if err == nil && byCookie && prev != nil && next.ID != prev.ID {
			err = errors.New("the answer is of another session")
		}
		return next, err
	case !byCookie || prev == nil:
		return nil, errors.New("the answer has no tokens")
	}
	next := *prev
	setLife(&next, a.sent, r.expiresIn, 0)
	return &next, nil
}

// reloadUser asks for the user of a hardened session, whose refresh answers do
// not name it. Where that fails, the user as known so far stays: the session is
// good.
func (c *Client[U]) reloadUser(ctx context.Context, s *session.Session[U], set cookieSet) {
	a, err := c.ask(ctx, opFetch, http.MethodGet, wire.RouteSession, "", set)
	if err != nil || a.status != http.StatusOK {
		return
	}
	if fetched, err := readSession[U](a); err == nil && fetched != nil && fetched.ID == s.ID {
		s.User = fetched.User
	}
}

// keep saves next, which follows prev, and makes it the client's session. It is
// saved even if the client has left it meanwhile: the server has moved on, and an
// older token left lying about would look like a thief's. Subscribers hear of it
// when it is saved.
func (c *Client[U]) keep(ctx context.Context, h *held, prev, next *session.Session[U], set cookieSet) (Tokens, error) {
	if c.isSaved(h, prev) {
		_ = c.save(ctx, h, next, set) // SaveErr tells
	}
	if !c.adopt(prev, next, set) {
		return Tokens{}, errLeft()
	}
	return tokensOf(next), nil
}

// end is what follows from "gone" and from a sign-out.
func (c *Client[U]) end(ctx context.Context, h *held, s *session.Session[U], set cookieSet) error {
	c.forget(s, set)
	if !c.isSaved(h, s) {
		if h.k.owes(s.ID) { // the place is another session's by now
			h.k.settled()
		}
		return nil
	}
	return h.remove(ctx)
}

// hasLeft reports whether this program is signing out, or has left the session
// since: then it is no news that the session is gone.
func (c *Client[U]) hasLeft(s *session.Session[U]) bool {
	now := c.store.Get()
	return c.leaving.Load() > 0 || now == nil || now.ID != s.ID
}
