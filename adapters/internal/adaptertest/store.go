package adaptertest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/lucia-go/lucia/session"
)

// countingStore counts the calls that requests wait for, and fails on demand.
type countingStore struct {
	session.Store
	calls atomic.Int64
	down  atomic.Bool
}

var errDown = errors.New("connection refused")

func (s *countingStore) step() error {
	s.calls.Add(1)
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *countingStore) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	if err := s.step(); err != nil {
		return session.CreateResult{}, err
	}
	return s.Store.Create(ctx, c)
}

func (s *countingStore) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	if err := s.step(); err != nil {
		return session.RefreshResult{}, err
	}
	return s.Store.Refresh(ctx, r)
}

func (s *countingStore) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	if err := s.step(); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, userID)
}

func (s *countingStore) Delete(ctx context.Context, userID string, id session.ID) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, userID, id)
}

func (s *countingStore) DeleteUser(ctx context.Context, userID string) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.Store.DeleteUser(ctx, userID)
}
