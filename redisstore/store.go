package redisstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/session"
)

// Store implements [session.Store] on Redis. [New] makes a Store. A Store is safe for concurrent
// use. It has nothing to close, because the client belongs to the caller.
type Store struct {
	client redis.UniversalClient
	options

	processor processor            // client, or its deferred pipeline
	cluster   *redis.ClusterClient // nil unless the client is one

	create, refresh, confirm, list, undo, publish script
}

var _ session.Store = (*Store)(nil)

// New returns a store that uses client: the client of a single server, of Sentinel or of a
// Cluster, or the pipeline of one. It does not talk to the server. The first call does, and sends
// the scripts that the server lacks.
//
// New panics if client is a *redis.Ring. A ring whose shard is down sends that shard's users to
// another shard, which does not have their sessions, so that they would be signed out.
func New(client redis.UniversalClient, opts ...Option) *Store {
	if _, ok := client.(*redis.Ring); ok {
		panic("redisstore: a redis.Ring signs people out when a shard is down; use a cluster")
	}
	s := &Store{
		client:  client,
		options: options{prefix: DefaultPrefix, timeout: DefaultTimeout},
		create:  newScript(recordLua + createLua),
		refresh: newScript(refreshLua),
		confirm: newScript(recordLua + confirmLua),
		list:    newScript(recordLua + listLua),
		undo:    newScript(undoLua),
		publish: newScript(publishLua),

		processor: processorOf(client),
	}
	s.cluster, _ = client.(*redis.ClusterClient)
	for _, opt := range opts {
		opt(&s.options)
	}
	s.wait.places = make(chan struct{}, max(1, connections(client)/2))
	return s
}

// key returns the key of the hash that holds the user's sessions. The user id is encoded, so that
// no id can move or end the hash tag.
func (s *Store) key(userID string) string {
	enc := base64.RawURLEncoding
	b := make([]byte, 0, len(s.prefix)+enc.EncodedLen(len(userID))+2)
	b = append(b, s.prefix...)
	b = append(b, '{')
	b = enc.AppendEncode(b, []byte(userID))
	b = append(b, '}')
	return string(b)
}

// Create implements [session.Store]. If the call fails with [ErrNotReplicated], the session is
// removed again; see [WithWait].
func (s *Store) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	const op = "create"
	numbers, details, former, err := encodeCreate(c)
	if err != nil {
		return session.CreateResult{}, fail(op, err)
	}
	key := s.key(c.UserID)
	reply, err := s.doDurably(ctx, key, s.create.on(key, c.ID[:], numbers, details, former), func(reply string) request {
		record := reply[min(len(reply), instantSize):min(len(reply), instantSize+recordSize)]
		return s.undo.on(key, c.ID[:], record)
	})
	if err != nil {
		return session.CreateResult{}, fail(op, err)
	}
	r, err := decodeCreate(reply)
	if err != nil {
		return session.CreateResult{}, fail(op, err)
	}
	return r, nil
}

// Refresh implements [session.Store]. Its error wraps [ErrVersion] if another version of this
// package wrote the session's record. A server that does not accept writes may have missed the
// session, so the result is then an error and never [session.Missing].
func (s *Store) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	const op = "refresh"
	args, err := encodeRefresh(r)
	if err != nil {
		return session.RefreshResult{}, fail(op, err)
	}
	key := s.key(r.UserID)
	reply, err := s.do(ctx, s.refresh.on(key, r.ID[:], args))
	if err != nil {
		return session.RefreshResult{}, fail(op, err)
	}
	result, err := decodeRefresh(reply)
	if err != nil {
		return session.RefreshResult{}, fail(op, err)
	}
	return result, nil
}

// Confirm implements [session.Store]. Its error wraps [ErrVersion] if another version of this
// package wrote the session's record.
func (s *Store) Confirm(ctx context.Context, c session.ConfirmParams) error {
	const op = "confirm"
	args, err := encodeConfirm(c)
	if err != nil {
		return fail(op, err)
	}
	key := s.key(c.UserID)
	reply, err := s.do(ctx, s.confirm.on(key, c.ID[:], args))
	if err == nil {
		err = decodeConfirm(reply)
	}
	if err != nil {
		return fail(op, err)
	}
	return nil
}

// Delete implements [session.Store]. It also ends a session whose record cannot be read.
func (s *Store) Delete(ctx context.Context, userID string, id session.ID) error {
	key := s.key(userID)
	_, err := s.doDurably(ctx, key, request{args: []any{"hdel", key, id[:]}, keyAt: 1}, nil)
	if err != nil {
		return fail("delete", err)
	}
	return nil
}

// DeleteUser implements [session.Store].
func (s *Store) DeleteUser(ctx context.Context, userID string) error {
	key := s.key(userID)
	_, err := s.doDurably(ctx, key, request{args: []any{"del", key}, keyAt: 1}, nil)
	if err != nil {
		return fail("delete user", err)
	}
	return nil
}

// List implements [session.Store]. It leaves out records that another version of this package
// wrote, so that one of them does not hide the others.
func (s *Store) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	const op = "list"
	key := s.key(userID)
	reply, err := s.do(ctx, s.list.on(key))
	if err != nil {
		return nil, fail(op, err)
	}
	live, err := decodeList(reply)
	if err != nil {
		return nil, fail(op, err)
	}
	return live, nil
}

// do makes the request in one round trip, with the store's timeout as its deadline. The engine,
// which calls the store, abandons the call if a client ignores the deadline.
func (s *Store) do(ctx context.Context, r request) (string, error) {
	if err := ctx.Err(); err != nil { // some clients do not check
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	reply, err := r.send(ctx, s.processor)
	s.reloadAfter(err)
	return reply, err
}

// reloadAfter makes a cluster's client look for the masters again if err did not come from a
// server. By itself, go-redis does so only once a minute and when a server redirects it, which a
// dead server does not.
func (s *Store) reloadAfter(err error) {
	if s.cluster == nil || err == nil {
		return
	}
	if _, answered := errors.AsType[redis.Error](err); !answered && !errors.Is(err, context.Canceled) {
		s.cluster.ReloadState(context.Background()) // in the background, and not too often
	}
}

// fail returns an error that names the operation and wraps the cause.
func fail(op string, cause error) error { return fmt.Errorf("redisstore: %s: %w", op, cause) }
