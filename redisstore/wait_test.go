package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// TestWaitReportsWhatIsNotReplicated: sign-ins and sign-outs count as done only
// when the replica has them; refreshes do not wait.
func TestWaitReportsWhatIsNotReplicated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, face := range faces {
		t.Run(face.name, func(t *testing.T) {
			t.Parallel()
			master, replica := testenv.Redis(t), testenv.Redis(t)
			link := testenv.NewProxy(t, master.Addr)
			replica.Follow(link.Addr)
			store := redisstore.New(face.open(t, options(t, master.URL())), redisstore.WithWait(1, 300*time.Millisecond))

			waits := map[string]bool{"Create": true, "Delete": true, "DeleteUser": true}
			for _, op := range operations {
				if err := op.call(ctx, store); err != nil {
					t.Fatalf("%s with a replica in step: %v", op.name, err)
				}
			}
			link.Hold()
			for _, op := range operations {
				err := op.call(ctx, store)
				if waits[op.name] != errors.Is(err, redisstore.ErrNotReplicated) || waits[op.name] != (session.CodeOf(err) == op.code) {
					t.Errorf("%s without replication: %v", op.name, err)
				}
			}
		})
	}
}

// TestWaitedForWritesSurviveFailover: what was reported as done is there on the
// replica, at once and although the master has gone.
func TestWaitedForWritesSurviveFailover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	master, replica := testenv.Redis(t), testenv.Redis(t)
	replica.Follow(master.Addr)
	store := redisstore.New(open(t, options(t, master.URL())), redisstore.WithWait(1, 5*time.Second))
	const n = 50
	for i := range byte(n) {
		create(t, store, session.ID{i}, long, n)
	}
	if err := store.Delete(ctx, "ann", session.ID{0}); err != nil {
		t.Fatal(err)
	}
	master.Kill()
	promoted := replica.Client()
	if err := promoted.Do(ctx, "replicaof", "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
	live, err := redisstore.New(promoted).List(ctx, "ann")
	if _, back := live[session.ID{0}]; err != nil || len(live) != n-1 || back {
		t.Fatalf("%d sessions on the promoted replica, %v, the one that ended among them: %v; want %d", len(live), err, back, n-1)
	}
}
