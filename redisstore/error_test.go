package redisstore_test

import (
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// long is a policy whose durations do not elapse during a test.
var long = session.Policy{Grace: time.Hour, Settle: time.Hour, Idle: 24 * time.Hour, Lifetime: 240 * time.Hour}

// operations are the store's methods.
var operations = []struct {
	name string
	call func(context.Context, session.Store) error
}{
	{"Create", func(ctx context.Context, s session.Store) error {
		_, err := s.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5})
		return err
	}},
	{"Refresh", func(ctx context.Context, s session.Store) error {
		_, err := s.Refresh(ctx, session.RefreshParams{
			UserID: "ann", ID: session.ID{1}, Presented: session.Presentation{Generation: 1}, Policy: long,
		})
		return err
	}},
	{"Confirm", func(ctx context.Context, s session.Store) error {
		return s.Confirm(ctx, session.ConfirmParams{UserID: "ann", ID: session.ID{1}, Generation: 1, Policy: long})
	}},
	{"Delete", func(ctx context.Context, s session.Store) error {
		return s.Delete(ctx, "ann", session.ID{1})
	}},
	{"DeleteUser", func(ctx context.Context, s session.Store) error {
		return s.DeleteUser(ctx, "ann")
	}},
	{"List", func(ctx context.Context, s session.Store) error {
		_, err := s.List(ctx, "ann")
		return err
	}},
	{"Publish", func(ctx context.Context, s session.Store) error {
		return s.(session.Feed).Publish(ctx, session.Notice{Kind: session.NoticeEnd, UserID: "ann", IssuedUntil: 1}, time.Hour)
	}},
	{"ReadFeed", func(ctx context.Context, s session.Store) error {
		_, _, err := s.(session.Feed).ReadFeed(ctx, "")
		return err
	}},
}

func TestErrorsWrapTheCause(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	opts := options(t, server.URL())
	opts.MaxRetries, opts.DialerRetries = -1, 1
	store := patient(open(t, opts))
	server.Kill()
	for _, op := range operations {
		err := op.call(context.Background(), store)
		if _, ok := errors.AsType[*net.OpError](err); !ok {
			t.Errorf("%s: %v does not wrap the cause", op.name, err)
		}
	}
}

func TestErrorsFromTheServerWrapTheCause(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	do := func(t *testing.T, s *testenv.RedisServer, args ...any) {
		t.Helper()
		if err := s.Client().Do(ctx, args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, prefix string
		args         []string
		prepare      func(*testing.T, *testenv.RedisServer)
	}{
		{"another type at the key", "WRONGTYPE", nil, func(t *testing.T, s *testenv.RedisServer) {
			do(t, s, "set", "lucia:{YW5u}", "x")
		}},
		{"out of memory", "OOM", nil, func(t *testing.T, s *testenv.RedisServer) {
			do(t, s, "config", "set", "maxmemory", "1")
		}},
		{"read-only after a failover", "READONLY", nil, func(t *testing.T, s *testenv.RedisServer) {
			do(t, s, "replicaof", "127.0.0.1", "1")
		}},
		{"no cluster", "CLUSTERDOWN", []string{"--cluster-enabled", "yes"}, nil},
		{"no permission", "NOPERM", nil, func(t *testing.T, s *testenv.RedisServer) {
			do(t, s, "acl", "setuser", "default", "resetkeys", "~other:*")
		}},
		{"not authenticated", "NOAUTH", nil, func(t *testing.T, s *testenv.RedisServer) {
			do(t, s, "config", "set", "requirepass", "secret")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Redis(t, tt.args...)
			if tt.prepare != nil {
				tt.prepare(t, server)
			}
			for _, mode := range clientModes {
				store := patient(mode.open(t, options(t, server.URL())))
				err := operations[0].call(ctx, store)
				if !redis.HasErrorPrefix(err, tt.prefix) {
					t.Errorf("%s: Create = %v, want %s", mode.name, err, tt.prefix)
				}
			}
		})
	}
}

// TestRefusedCreateChangesNothing checks that Create changes nothing if the server is out of
// memory: it removes no session and adds none.
func TestRefusedCreateChangesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.Redis(t)
	store := patient(open(t, options(t, server.URL())))
	for i := range byte(3) {
		c := session.CreateParams{UserID: "ann", ID: session.ID{i}, Policy: long, Max: 3}
		if _, err := store.Create(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Client().ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{9}, Policy: long, Max: 1})
	if !redis.HasErrorPrefix(err, "OOM") {
		t.Fatalf("Create = %v, want OOM", err)
	}
	live, err := store.List(ctx, "ann")
	if err != nil || len(live) != 3 {
		t.Fatalf("List = %v, %v, want the three sessions as they were", live, err)
	}
	// With WithWait there is nothing to undo. Only undo.lua would read a single field.
	durable := patient(open(t, options(t, server.URL())), redisstore.WithWait(1, 10*time.Millisecond))
	if _, err := durable.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{9}, Policy: long, Max: 1}); !redis.HasErrorPrefix(err, "OOM") {
		t.Fatalf("Create = %v, want OOM", err)
	}
	if stats := server.Client().Info(ctx, "commandstats").Val(); strings.Contains(stats, "cmdstat_hget:") {
		t.Errorf("Create was refused and sent undo.lua:\n%s", stats)
	}
}

func TestUnknownScriptsAreSentAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.Redis(t)
	for _, mode := range clientModes {
		store := patient(mode.open(t, options(t, server.URL())))
		for _, op := range operations {
			if err := server.Client().ScriptFlush(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			if err := op.call(ctx, store); err != nil {
				t.Errorf("%s: %s after SCRIPT FLUSH: %v", mode.name, op.name, err)
			}
		}
	}
}

func TestNumbersThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	m := newMini(t)
	store := m.harness(t).Store
	negative := long
	negative.Grace = -time.Millisecond
	_, err := store.Refresh(ctx, session.RefreshParams{UserID: "ann", Policy: negative})
	if err == nil || !strings.Contains(err.Error(), "cannot be stored") {
		t.Errorf("Refresh with a negative grace = %v, want an error", err)
	}
	_, err = store.Refresh(ctx, session.RefreshParams{
		UserID: "ann", Policy: long, Presented: session.Presentation{Generation: 1, ExpiresAt: 1 << 48},
	})
	if err == nil || !strings.Contains(err.Error(), "cannot be stored") {
		t.Errorf("Refresh with an expiry past the year 10889 = %v, want an error", err)
	}
}

// TestLimitBeyondFourBytesIsClamped checks that a limit that does not fit into four bytes becomes
// the greatest one that does and does not wrap around.
func TestLimitBeyondFourBytesIsClamped(t *testing.T) {
	t.Parallel()
	store := newMini(t).harness(t).Store
	most := int(min(math.MaxUint32+2, int64(math.MaxInt))) // 1 in four bytes
	for i := range byte(3) {
		create(t, store, session.ID{i}, long, most)
	}
	if live, err := store.List(context.Background(), "ann"); err != nil || len(live) != 3 {
		t.Errorf("List = %v, %v, want the three sessions", live, err)
	}
}
