// Package memstore keeps sessions in the memory of one process.
//
// It suits a new app, a small app on one machine, and tests. Sessions are lost when the process
// ends, and processes do not share them. Use package sqlstore or redisstore if either matters.
package memstore

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/lucia-go/lucia/session"
)

// shardCount is the number of locks that users are spread over. A call holds its lock for well
// under a microsecond, so a few dozen locks suffice for any number of cores. With more, each
// shard would be swept more rarely.
const shardCount = 64

// Store implements [session.Store]. [New] makes a Store. A Store is safe for concurrent use. Its
// clock is time.Now, so in a bubble of testing/synctest it follows the bubble's time.
//
// A Store needs no goroutine and no Close. Every Create and Refresh also checks a few other users
// of the same shard, in turn, and drops their expired sessions. So the cost of a call does not
// grow with the number of sessions, and the store holds at most about twice as many sessions as
// were ever live at once.
type Store struct {
	seed   maphash.Seed
	shards [shardCount]shard
}

var _ session.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	s := &Store{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].users = make(map[string]*user)
	}
	return s
}

// lock locks the shard of the user and returns it with the time, which it reads under the lock.
// It returns the error of ctx if ctx has ended.
func (s *Store) lock(ctx context.Context, userID string) (*shard, session.Instant, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	sh := &s.shards[maphash.String(s.seed, userID)%shardCount]
	sh.mu.Lock()
	return sh, session.InstantOf(time.Now()), nil
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	sh, now, err := s.lock(ctx, c.UserID)
	if err != nil {
		return session.CreateResult{}, err
	}
	defer sh.mu.Unlock()
	sh.sweep(now)

	ended, ok := session.MakeRoom(sh.users[c.UserID].held(now), c)
	if !ok {
		return session.CreateResult{}, nil
	}
	u := sh.userOrNew(c.UserID)
	u.drop(c.ID)
	u.dropExpired(now)
	for _, id := range ended {
		u.drop(id)
	}
	rec := session.Begin(c.Policy, now)
	u.sessions = append(u.sessions, newEntry(c.ID, rec, c.Details))
	sh.expires(u, rec.ExpiresAt)
	return session.CreateResult{Record: rec, Ended: ended}, nil
}

// Refresh implements [session.Store].
func (s *Store) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	sh, now, err := s.lock(ctx, r.UserID)
	if err != nil {
		return session.RefreshResult{}, err
	}
	defer sh.mu.Unlock()
	sh.sweep(now)

	result := session.RefreshResult{Now: now}
	u := sh.users[r.UserID]
	e := u.find(r.ID)
	if e == nil {
		return result, nil
	}
	result.Outcome, result.Record = session.Refresh(e.rec, r.Presented, r.Policy, now)
	switch {
	case result.Outcome == session.Reused && r.RevokeUser:
		sh.remove(u)
	case result.Record == session.Record{}:
		sh.drop(u, r.ID)
	default:
		if result.Record.ExpiresAt < e.rec.ExpiresAt { // the policy has become stricter
			sh.expires(u, result.Record.ExpiresAt)
		}
		e.rec = result.Record
	}
	return result, nil
}

// Confirm implements [session.Store].
func (s *Store) Confirm(ctx context.Context, c session.ConfirmParams) error {
	sh, now, err := s.lock(ctx, c.UserID)
	if err != nil {
		return err
	}
	defer sh.mu.Unlock()

	if e := sh.users[c.UserID].find(c.ID); e != nil {
		e.rec, _ = session.Confirm(e.rec, c.Generation, c.HandedAt, c.Policy, now)
	}
	return nil
}

// Delete implements [session.Store].
func (s *Store) Delete(ctx context.Context, userID string, id session.ID) error {
	sh, _, err := s.lock(ctx, userID)
	if err != nil {
		return err
	}
	defer sh.mu.Unlock()

	if u := sh.users[userID]; u != nil {
		sh.drop(u, id)
	}
	return nil
}

// DeleteUser implements [session.Store].
func (s *Store) DeleteUser(ctx context.Context, userID string) error {
	sh, _, err := s.lock(ctx, userID)
	if err != nil {
		return err
	}
	defer sh.mu.Unlock()

	if u := sh.users[userID]; u != nil {
		sh.remove(u)
	}
	return nil
}

// List implements [session.Store].
func (s *Store) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	sh, now, err := s.lock(ctx, userID)
	if err != nil {
		return nil, err
	}
	defer sh.mu.Unlock()

	live := make(map[session.ID]session.Entry)
	if u := sh.users[userID]; u != nil {
		for _, e := range u.sessions {
			if e.rec.Live(now) {
				live[e.id] = e.listed()
			}
		}
	}
	return live, nil
}
