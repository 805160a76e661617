package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Tokens is the result of a refresh. Both tokens are empty in hardened mode, where only cookies
// carry tokens.
type Tokens struct {
	AccessToken  session.AccessToken
	RefreshToken session.RefreshToken
	// ExpiresIn is how long the access token is valid.
	ExpiresIn time.Duration
}

// LogValue returns how long the access token is valid, and no token.
func (t Tokens) LogValue() slog.Value {
	return slog.GroupValue(slog.Duration("expires_in", t.ExpiresIn))
}

// RefreshTokens exchanges a refresh token for a new refresh token and access token. An empty
// refreshToken means that of the current session. If the token is the session's own, the store
// and the TokenStore are updated; otherwise they are not changed. Concurrent calls with the same
// token share one request.
//
// The error is an [*Error]. Its code is session.CodeUnauthorized if the session is gone or there
// is none; the store is then empty if the token was its own. It is
// session.CodeDatabaseFetchFailed if the server's session store is unavailable, and otherwise
// session.CodeUnknown. [Client.SaveErr] reports whether the session was saved.
func (c *Client[U]) RefreshTokens(ctx context.Context, refreshToken session.RefreshToken) (Tokens, error) {
	s, _ := c.present()
	if s == nil && refreshToken == "" {
		return Tokens{}, &Error{Op: opRefresh, Code: session.CodeUnauthorized}
	}
	if s != nil && (refreshToken == "" || refreshToken == s.RefreshToken) {
		return c.share(ctx, callKey{id: s.ID, token: s.RefreshToken}, never, c.refreshOwn(s.ID, false))
	}
	return c.share(ctx, callKey{token: refreshToken}, never, func(ctx context.Context) (Tokens, error) {
		return c.refreshOther(ctx, refreshToken)
	})
}

func never() bool { return false }

// renew renews the session unless another one has replaced seen. refused reports that the server
// refused its access token.
func (c *Client[U]) renew(ctx context.Context, seen *session.Session[U], refused bool) error {
	stale := func() bool { return c.store.Get() != seen }
	_, err := c.share(ctx, callKey{id: seen.ID, token: seen.RefreshToken}, stale, c.refreshOwn(seen.ID, refused))
	return err
}

// refreshOwn returns a function that renews the client's session if it still is the one with this
// id.
func (c *Client[U]) refreshOwn(id session.ID, refused bool) func(context.Context) (Tokens, error) {
	return func(ctx context.Context) (Tokens, error) {
		tokens, err := c.refreshInTurn(ctx, id, refused)
		c.limiter.note(tokens, err)
		return tokens, err
	}
}

// errLeft returns the error of a refresh whose session is no longer the client's.
func errLeft() *Error {
	err := errors.New("the client has signed out or in again in the meantime")
	return &Error{Op: opRefresh, Code: session.CodeUnauthorized, Err: err, left: true}
}

// refreshInTurn does the work of refreshOwn. It holds the lock that all processes with the same
// TokenStore share.
func (c *Client[U]) refreshInTurn(ctx context.Context, id session.ID, refused bool) (Tokens, error) {
	h, err := c.saved.lock(ctx)
	if err != nil {
		// Without the lock, this refresh could replace the tokens that another process uses. The
		// server treats later uses of those as theft.
		return Tokens{}, unknown(opRefresh, err)
	}
	defer h.unlock()
	s, set := c.present()
	if s == nil || s.ID != id {
		return Tokens{}, errLeft()
	}
	if loaded, err := c.catchUp(h, opRefresh, s); err != nil {
		return Tokens{}, err
	} else if loaded {
		if s, set = c.present(); s == nil || s.ID != id {
			return Tokens{}, errLeft()
		}
		if due(s, transportLead, time.Now()) > 0 {
			return tokensOf(s), nil
		}
	}
	if err := c.retrySaveLocked(ctx, h, s, set); err != nil && h.k.isBehind() && !refused && due(s, transportLead, time.Now()) > 0 {
		// A further rotation would make the saved generation even older.
		return tokensOf(s), nil
	}
	next, set, err := c.exchange(ctx, s.RefreshToken, s, set)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Gone() {
			e.left = c.hasLeft(s)
			// If the saved session cannot be removed, the next run learns from the server that it
			// is gone.
			_ = c.end(ctx, h, s, set)
		}
		return Tokens{}, err
	}
	return c.keep(ctx, h, s, next, set)
}

func tokensOf[U any](s *session.Session[U]) Tokens {
	return Tokens{s.AccessToken, s.RefreshToken, left(s, time.Now())}
}

// refreshOther exchanges a token that is not the session's. Only the caller gets the result.
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

// exchange asks the server for new tokens and returns the resulting session and cookies. prev is
// the current session, or nil.
func (c *Client[U]) exchange(ctx context.Context, token session.RefreshToken, prev *session.Session[U], set cookieSet) (*session.Session[U], cookieSet, error) {
	a, err := c.ask(ctx, opRefresh, http.MethodPost, wire.RouteRefresh, string(token), set)
	if err != nil {
		return nil, set, err
	}
	if a.status != http.StatusOK {
		return nil, set, errorOf(opRefresh, a)
	}
	next, err := readRefreshed[U](a)
	after := c.names.with(set, a.cookies)
	switch {
	case err != nil:
	case prev != nil && after.Fingerprint.Value != set.Fingerprint.Value:
		err = errors.New("the answer changes the fingerprint, which a refresh never does")
	case token != "" && next.AccessToken == "":
		err = errors.New("the answer has no tokens")
	case token == "" && prev != nil && next.ID != prev.ID:
		err = errors.New("the answer belongs to another session")
	}
	if err != nil {
		return nil, set, &Error{Op: opRefresh, Code: session.CodeUnknown, Status: a.status, Err: err}
	}
	return next, after, nil
}

// readRefreshed builds the session from an answer of the refresh route, a [wire.Refreshed].
func readRefreshed[U any](a *answer) (*session.Session[U], error) {
	var (
		life int64
		id   string
	)
	if err := wire.Members(a.body, map[string]any{"expires_in": &life, "session_id": &id}); err != nil {
		return nil, err
	}
	if life <= 0 || life > wire.MaxExpiresIn {
		return nil, fmt.Errorf("expires_in is %d", life)
	}
	if id == "" {
		return nil, errors.New("the answer has no session_id")
	}
	s, err := wireSession[U](a.body, id, a.sent, time.Duration(life)*time.Second)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return nil, errors.New("the answer is null")
	case (s.AccessToken == "") != (s.RefreshToken == ""):
		return nil, errors.New("one token without the other")
	}
	return s, nil
}

// keep saves next, which follows prev, and then makes it the client's session. It saves next even
// if the client has signed out or in again in the meantime: the server has rotated the token and
// would treat a later use of the older one as theft. Subscribers are notified after the session is
// saved.
func (c *Client[U]) keep(ctx context.Context, h *lockedSession, prev, next *session.Session[U], set cookieSet) (Tokens, error) {
	if c.isSaved(h, prev) {
		_ = c.save(ctx, h, next, set) // SaveErr reports the error
	}
	if !c.adopt(prev, next, set) {
		return Tokens{}, errLeft()
	}
	return tokensOf(next), nil
}

// end forgets the session and removes it from the TokenStore, after a sign-out or when the
// session is gone.
func (c *Client[U]) end(ctx context.Context, h *lockedSession, s *session.Session[U], set cookieSet) error {
	c.forget(s, set)
	if !c.isSaved(h, s) {
		if h.k.isUnsaved(s.ID) { // another run has saved another session
			h.k.reset()
		}
		return nil
	}
	return h.remove(ctx)
}

// hasLeft reports whether this program is signing out, or has signed out or in again since. The end
// of s is then expected and is not reported.
func (c *Client[U]) hasLeft(s *session.Session[U]) bool {
	now := c.store.Get()
	return c.signingOut.Load() > 0 || now == nil || now.ID != s.ID
}
