package luciatest

import (
	"context"
	"errors"
	"sync"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// ErrDown is the error of every call of a [Store] that is down.
var ErrDown = errors.New("luciatest: store is down")

// Store is a session.Store that counts its calls and can be made unavailable. [NewStore] or [New]
// makes it. It is safe for concurrent use.
type Store struct {
	next session.Store

	mu    sync.Mutex
	down  bool
	calls Calls
}

var _ session.Store = (*Store)(nil)

// Unwrap returns the store that s wraps, for its feed.
func (s *Store) Unwrap() session.Store { return s.next }

// NewStore returns an empty, available Store in memory.
func NewStore() *Store { return &Store{next: memstore.New()} }

// Calls counts calls, including those that failed. It does not count the calls by which
// [Kit.Request] and the other methods of a kit sign in.
type Calls struct {
	Create, Refresh, Confirm, Delete, DeleteUser, List int
}

// onPath returns the number of calls that a request waited for.
func (c Calls) onPath() int { return c.Create + c.Refresh + c.Delete + c.DeleteUser + c.List }

// Calls returns the calls so far.
func (s *Store) Calls() Calls {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Down makes every call fail with [ErrDown], as if the database were unavailable, until Up is
// called.
func (s *Store) Down() { s.set(true) }

// Up ends Down. The store has kept all sessions.
func (s *Store) Up() { s.set(false) }

func (s *Store) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// ownKey is the context key that marks the requests by which a kit signs in.
type ownKey struct{}

// count increments the counter that which returns, unless ctx is that of a kit's own request. It
// returns ErrDown if the store is down.
func (s *Store) count(ctx context.Context, which func(*Calls) *int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Value(ownKey{}) == nil {
		*which(&s.calls)++
	}
	if s.down {
		return ErrDown
	}
	return nil
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	if err := s.count(ctx, func(c *Calls) *int { return &c.Create }); err != nil {
		return session.CreateResult{}, err
	}
	return s.next.Create(ctx, c)
}

// Refresh implements [session.Store].
func (s *Store) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	if err := s.count(ctx, func(c *Calls) *int { return &c.Refresh }); err != nil {
		return session.RefreshResult{}, err
	}
	return s.next.Refresh(ctx, r)
}

// Confirm implements [session.Store].
func (s *Store) Confirm(ctx context.Context, c session.ConfirmParams) error {
	if err := s.count(ctx, func(c *Calls) *int { return &c.Confirm }); err != nil {
		return err
	}
	return s.next.Confirm(ctx, c)
}

// Delete implements [session.Store].
func (s *Store) Delete(ctx context.Context, userID string, id session.ID) error {
	if err := s.count(ctx, func(c *Calls) *int { return &c.Delete }); err != nil {
		return err
	}
	return s.next.Delete(ctx, userID, id)
}

// DeleteUser implements [session.Store].
func (s *Store) DeleteUser(ctx context.Context, userID string) error {
	if err := s.count(ctx, func(c *Calls) *int { return &c.DeleteUser }); err != nil {
		return err
	}
	return s.next.DeleteUser(ctx, userID)
}

// List implements [session.Store].
func (s *Store) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	if err := s.count(ctx, func(c *Calls) *int { return &c.List }); err != nil {
		return nil, err
	}
	return s.next.List(ctx, userID)
}
