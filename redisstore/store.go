package redisstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/session"
)

// Store implements [session.Store] on Redis. It is made by [New] and safe for
// concurrent use. It has nothing to close: the client belongs to the caller, and
// the goroutines of calls that ran out of time end with the client's own
// timeouts, at the latest when it is closed.
type Store struct {
	client redis.UniversalClient
	prefix string
	bound  bound
	wait   wait

	submitter *submitter           // nil unless the client is the face that needs it
	cluster   *redis.ClusterClient // nil unless the client is one

	create, refresh, confirm, list, undo script
}

var _ session.Store = (*Store)(nil)

// New returns a store that works through client: a single server's, a
// Sentinel's or a Cluster's, or the pipelining face of one. It does not talk to
// the server; the first call does, and sends it the scripts it needs.
//
// It panics where client is a *redis.Ring. A ring whose shard is down sends the
// shard's users to another one, which knows no session of theirs and would sign
// them out.
func New(client redis.UniversalClient, opts ...Option) *Store {
	if _, ok := client.(*redis.Ring); ok {
		panic("redisstore: a redis.Ring signs people out when a shard is down; use a cluster")
	}
	s := &Store{
		client:  client,
		prefix:  DefaultPrefix,
		bound:   bound{timeout: DefaultTimeout, maxStuck: DefaultMaxStuck},
		create:  newScript(recordLua + createLua),
		refresh: newScript(refreshLua),
		confirm: newScript(recordLua + confirmLua),
		list:    newScript(recordLua + listLua),
		undo:    newScript(undoLua),

		submitter: newSubmitter(client),
	}
	s.cluster, _ = client.(*redis.ClusterClient)
	for _, opt := range opts {
		opt(s)
	}
	s.wait.places = make(chan struct{}, max(1, connections(client)/2))
	return s
}

// key returns the key of the hash that holds the user's sessions. The user id
// is encoded, so that none can move or end the hash tag.
func (s *Store) key(userID string) string {
	enc := base64.RawURLEncoding
	b := make([]byte, 0, len(s.prefix)+enc.EncodedLen(len(userID))+2)
	b = append(b, s.prefix...)
	b = append(b, '{')
	b = enc.AppendEncode(b, []byte(userID))
	b = append(b, '}')
	return string(b)
}

// Create implements [session.Store]. Its error is
// [session.CodeDatabaseUpdateFailed] around the cause. The session of a call that
// fails with [ErrNotReplicated] is removed again; see [WithWait].
func (s *Store) Create(ctx context.Context, c session.CreateParams) (session.Record, error) {
	const op, code = "create", session.CodeDatabaseUpdateFailed
	args, err := encodeCreating(c)
	if err != nil {
		return session.Record{}, fail(op, code, err)
	}
	key := s.key(c.UserID)
	reply, err := s.doDurably(ctx, key, s.create.on(key, c.ID[:], args), func(reply string) request {
		return s.undo.on(key, c.ID[:], reply[min(len(reply), instantSize):])
	})
	if err != nil {
		return session.Record{}, fail(op, code, err)
	}
	rec, err := decodeCreated(reply)
	if err != nil {
		return session.Record{}, fail(op, code, err)
	}
	return rec, nil
}

// Refresh implements [session.Store]. Its error is
// [session.CodeDatabaseFetchFailed] around the cause; around [ErrVersion] where
// the session's record was written by another version of this package. A server
// that may not write, which may have missed the session, is an error and never
// [session.Missing].
func (s *Store) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	const op, code = "refresh", session.CodeDatabaseFetchFailed
	args, err := encodeRefreshing(r)
	if err != nil {
		return session.RefreshResult{}, fail(op, code, err)
	}
	key := s.key(r.UserID)
	reply, err := s.do(ctx, s.refresh.on(key, r.ID[:], args))
	if err != nil {
		return session.RefreshResult{}, fail(op, code, err)
	}
	result, err := decodeRefreshment(reply)
	if err != nil {
		return session.RefreshResult{}, fail(op, code, err)
	}
	return result, nil
}

// Confirm implements [session.Store]. Its error is
// [session.CodeDatabaseUpdateFailed] around the cause; around [ErrVersion] where
// the session's record was written by another version of this package.
func (s *Store) Confirm(ctx context.Context, c session.ConfirmParams) error {
	const op, code = "confirm", session.CodeDatabaseUpdateFailed
	args, err := encodeConfirming(c)
	if err != nil {
		return fail(op, code, err)
	}
	key := s.key(c.UserID)
	reply, err := s.do(ctx, s.confirm.on(key, c.ID[:], args))
	if err == nil {
		err = decodeConfirmed(reply)
	}
	if err != nil {
		return fail(op, code, err)
	}
	return nil
}

// Delete implements [session.Store]. A session whose record cannot be read ends
// like any other. Its error is [session.CodeDatabaseUpdateFailed] around the
// cause.
func (s *Store) Delete(ctx context.Context, userID string, id session.ID) error {
	key := s.key(userID)
	_, err := s.doDurably(ctx, key, request{args: []any{"hdel", key, id[:]}, keyAt: 1}, nil)
	if err != nil {
		return fail("delete", session.CodeDatabaseUpdateFailed, err)
	}
	return nil
}

// DeleteUser implements [session.Store]. Its error is
// [session.CodeDatabaseUpdateFailed] around the cause.
func (s *Store) DeleteUser(ctx context.Context, userID string) error {
	key := s.key(userID)
	_, err := s.doDurably(ctx, key, request{args: []any{"del", key}, keyAt: 1}, nil)
	if err != nil {
		return fail("delete user", session.CodeDatabaseUpdateFailed, err)
	}
	return nil
}

// List implements [session.Store]. Records that were written by another version
// of this package are left out: one of them must not hide the others. Its error
// is [session.CodeDatabaseFetchFailed] around the cause.
func (s *Store) List(ctx context.Context, userID string) (map[session.ID]session.Record, error) {
	const op, code = "list", session.CodeDatabaseFetchFailed
	key := s.key(userID)
	reply, err := s.do(ctx, s.list.on(key))
	if err != nil {
		return nil, fail(op, code, err)
	}
	live, err := decodeList(reply)
	if err != nil {
		return nil, fail(op, code, err)
	}
	return live, nil
}

// do makes the request in one round trip.
func (s *Store) do(ctx context.Context, r request) (string, error) {
	if s.submitter != nil {
		return s.submitter.do(ctx, &s.bound, r)
	}
	reply, err := s.bound.do(ctx, 0, func(ctx context.Context) (string, error) { return r.send(ctx, s.client) })
	s.suspect(err)
	return reply, err
}

// suspect has a cluster's client look for the masters again after an error that
// no server sent. By itself go-redis does that when a server redirects it, which
// a dead one does not, and once a minute.
func (s *Store) suspect(err error) {
	if s.cluster == nil || err == nil {
		return
	}
	if _, answered := errors.AsType[redis.Error](err); !answered && !errors.Is(err, context.Canceled) {
		s.cluster.ReloadState(context.Background()) // in the background, and not too often
	}
}

// fail returns the coded error of an operation. The cause is for the log.
func fail(op string, code session.Code, cause error) error {
	return fmt.Errorf("redisstore: %s: %w: %w", op, code, cause)
}
