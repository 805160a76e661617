package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/fleet"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// TestWaitReportsWhatIsNotReplicated checks that sign-ins and sign-outs succeed only when the
// replica has them. Refreshes do not wait.
func TestWaitReportsWhatIsNotReplicated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, face := range faces {
		t.Run(face.name, func(t *testing.T) {
			t.Parallel()
			master, replica := testenv.Redis(t), testenv.Redis(t)
			link := testenv.NewProxy(t, master.Addr)
			replica.Follow(link.Addr)
			client := face.open(t, options(t, master.URL()))
			patient := redisstore.New(client, redisstore.WithWait(1, 10*time.Second)) // a replica in step may be slow to say so
			hasty := redisstore.New(client, redisstore.WithWait(1, 300*time.Millisecond))

			waits := map[string]bool{"Create": true, "Delete": true, "DeleteUser": true, "Publish": true}
			for _, op := range operations {
				if err := op.call(ctx, patient); err != nil {
					t.Fatalf("%s with a replica in step: %v", op.name, err)
				}
			}
			link.Hold()
			for _, op := range operations {
				err := op.call(ctx, hasty)
				if waits[op.name] != errors.Is(err, redisstore.ErrNotReplicated) {
					t.Errorf("%s without replication: %v", op.name, err)
				}
			}
		})
	}
}

// TestWaitedForWritesSurviveFailover checks that a write that was reported as done is on the
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

// TestWaitWhileASlotMoves checks that a sign-in or sign-out with WithWait is done or fails while
// the user's key is already on the new server and the slot still on the old one. go-redis gives
// up on such a WATCH without an error.
func TestWaitWhileASlotMoves(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	cluster := testenv.Cluster(t)
	plain := redisstore.New(open(t, options(t, cluster.URL())))
	durable := redisstore.New(open(t, options(t, cluster.URL())), redisstore.WithWait(1, 10*time.Second), redisstore.WithTimeout(5*time.Second))
	create(t, plain, session.ID{1}, long, 10)

	from, key := cluster.Masters[0], ""
	for _, m := range cluster.Masters {
		if keys, err := m.Client().Keys(ctx, "*").Result(); err == nil && len(keys) == 1 {
			from, key = m, keys[0]
		}
	}
	slot, err := from.Client().ClusterKeySlot(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}
	to := cluster.Masters[0]
	if to == from {
		to = cluster.Masters[1]
	}
	finish := cluster.BeginMove(t, int(slot), from, to)
	for name, end := range map[string]func() error{
		"Delete":     func() error { return durable.Delete(ctx, "ann", session.ID{1}) },
		"DeleteUser": func() error { return durable.DeleteUser(ctx, "ann") },
	} {
		err := end()
		live, listErr := plain.List(ctx, "ann")
		if listErr != nil {
			t.Fatal(listErr)
		}
		if err == nil && len(live) != 0 {
			t.Errorf("%s reports success, and %d sessions live on", name, len(live))
		}
	}
	finish()
	if err := durable.DeleteUser(ctx, "ann"); err != nil {
		t.Errorf("after the slot has moved: %v", err)
	}
	if live, err := plain.List(ctx, "ann"); err != nil || len(live) != 0 {
		t.Errorf("after the slot has moved: %d sessions, %v", len(live), err)
	}
}

// TestFailedSignInLeavesNoSession checks that a sign-in that no replica has in time is an error,
// and that its session, whose tokens are not handed out, is removed and does not count towards
// the limit.
func TestFailedSignInLeavesNoSession(t *testing.T) {
	t.Parallel()
	const most = 4
	for _, face := range faces {
		t.Run(face.name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Redis(t) // without a replica
			plain := redisstore.New(open(t, options(t, server.URL())), unhurried)
			for i := range byte(most - 1) {
				create(t, plain, session.ID{1 + i}, long, most)
			}
			signIn := func(ctx context.Context, d time.Duration) error {
				store := redisstore.New(face.open(t, options(t, server.URL())), redisstore.WithWait(1, d), unhurried)
				_, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.NewID(), Policy: long, Max: most})
				return err
			}
			left := func() int {
				live, err := plain.List(context.Background(), "ann")
				if err != nil {
					t.Fatal(err)
				}
				for i := range byte(most - 1) {
					if _, ok := live[session.ID{1 + i}]; !ok {
						t.Fatalf("session %d has gone", 1+i)
					}
				}
				return len(live) - (most - 1)
			}
			for range 3 {
				if err := signIn(context.Background(), 10*time.Millisecond); !errors.Is(err, redisstore.ErrNotReplicated) {
					t.Fatalf("sign-in = %v, want %v", err, redisstore.ErrNotReplicated)
				}
				if n := left(); n != 0 {
					t.Fatalf("%d sessions that nobody knows of are left", n)
				}
			}
			// A caller who leaves earlier has no time for it. The connection may say so
			// before his context does.
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			if err := signIn(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("sign-in = %v, want %v", err, context.DeadlineExceeded)
			}
			repeatUntil(t, "the session to go", func() bool { return left() == 0 })
		})
	}
}

// TestSignInThatItsPersonLeftLeavesNoSession covers replicas that answer after the caller has
// given up with an error.
func TestSignInThatItsPersonLeftLeavesNoSession(t *testing.T) {
	t.Parallel()
	for _, face := range faces {
		t.Run(face.name, func(t *testing.T) {
			t.Parallel()
			master, replica := testenv.Redis(t), testenv.Redis(t)
			link := testenv.NewProxy(t, master.Addr)
			replica.Follow(link.Addr)
			plain := redisstore.New(open(t, options(t, master.URL())), unhurried)
			store := redisstore.New(face.open(t, options(t, master.URL())), redisstore.WithWait(1, time.Minute), unhurried)
			create(t, store, session.ID{1}, long, 5) // the replica is in step
			link.Hold()
			sessions := func() int {
				live, err := plain.List(context.Background(), "bob")
				if err != nil {
					t.Fatal(err)
				}
				return len(live)
			}
			ctx, leave := context.WithCancel(context.Background())
			left := make(chan error, 1)
			go func() {
				_, err := store.Create(ctx, session.CreateParams{UserID: "bob", ID: session.NewID(), Policy: long, Max: 5})
				left <- err
			}()
			repeatUntil(t, "the session to be there", func() bool { return sessions() == 1 })
			leave()
			link.Pass()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Fatalf("sign-in = %v, want %v", err, context.Canceled)
			}
			repeatUntil(t, "the session to go", func() bool { return sessions() == 0 })
		})
	}
}

// TestFailedSignInSparesItsRepetition checks that a sign-in that was repeated with success in the
// meantime stays.
func TestFailedSignInSparesItsRepetition(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.Redis(t)
	plain := redisstore.New(open(t, options(t, server.URL())), unhurried)
	store := redisstore.New(open(t, options(t, server.URL())), redisstore.WithWait(1, time.Second), unhurried)
	failed := make(chan error, 1)
	go func() {
		_, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5})
		failed <- err
	}()
	repeatUntil(t, "the first try to arrive", func() bool {
		live, err := plain.List(ctx, "ann")
		return err == nil && len(live) == 1
	})
	fleet.Pause(5 * time.Millisecond) // its record tells it apart
	rec := create(t, plain, session.ID{1}, long, 5)
	if err := <-failed; !errors.Is(err, redisstore.ErrNotReplicated) {
		t.Errorf("the first try = %v, want %v", err, redisstore.ErrNotReplicated)
	}
	if live, err := plain.List(ctx, "ann"); err != nil || live[session.ID{1}].Record != rec {
		t.Errorf("List = %v, %v, want the session of the second try", live, err)
	}
}

// TestWaitingLeavesConnections checks that refreshes continue while endless sign-ins wait for a
// missing replica.
func TestWaitingLeavesConnections(t *testing.T) {
	t.Parallel()
	const (
		connections = 6
		timeout     = 2 * time.Second
		wait        = 3 * time.Second
		slack       = 5 * time.Second // a busy machine's
	)
	for _, tt := range []struct {
		name        string
		start       func(*testing.T) *testenv.RedisServer
		pool, limit int
	}{
		{"server", func(t *testing.T) *testenv.RedisServer { return testenv.Redis(t) }, connections, 0},
		{"limited", func(t *testing.T) *testenv.RedisServer { return testenv.Redis(t) }, 10 * connections, connections},
		{"cluster", clusterOfOne, connections, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			server := tt.start(t)
			opts := options(t, server.URL())
			opts.IsClusterMode = tt.name == "cluster"
			opts.PoolSize, opts.MaxActiveConns = tt.pool, tt.limit
			client := open(t, opts)
			create(t, redisstore.New(client, unhurried), session.ID{1}, long, 5)
			store := redisstore.New(client, redisstore.WithWait(1, wait), redisstore.WithTimeout(timeout))

			start := time.Now()
			failed := make(chan error, 2*connections)
			for i := range byte(2 * connections) {
				go func() {
					_, err := store.Create(ctx, session.CreateParams{UserID: "bob", ID: session.ID{i}, Policy: long, Max: 100})
					failed <- err
				}()
			}
			probe := server.Client()
			half := fmt.Sprintf("blocked_clients:%d\r\n", connections/2) // by WAIT: nothing else blocks one here
			repeatUntil(t, "half of the connections to wait", func() bool {
				return strings.Contains(probe.Info(ctx, "clients").Val(), half)
			})
			for range 20 {
				if err := operations[1].call(ctx, store); err != nil {
					t.Errorf("Refresh: %v", err)
				}
			}
			for range 2 * connections {
				if err := <-failed; err == nil {
					t.Error("a sign-in that no replica has succeeded")
				}
			}
			if took := time.Since(start); took > timeout+wait+slack {
				t.Errorf("the sign-ins took %v", took)
			}
			// There is room again.
			if err := operations[0].call(ctx, store); !errors.Is(err, redisstore.ErrNotReplicated) {
				t.Errorf("Create afterwards = %v, want %v", err, redisstore.ErrNotReplicated)
			}
		})
	}
}

// TestCallsWaitForAPlace checks that calls beyond half of the connections wait for half of the
// store's timeout and then fail without an effect. One call may always wait.
func TestCallsWaitForAPlace(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	const timeout = 6 * time.Second
	server := testenv.Redis(t) // without a replica
	opts := options(t, server.URL())
	opts.PoolSize = 1
	store := redisstore.New(open(t, opts), redisstore.WithWait(1, time.Minute), redisstore.WithTimeout(timeout))
	signIn := func(id byte) error {
		_, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{id}, Policy: long, Max: 5})
		return err
	}
	go signIn(1)
	probe := server.Client()
	repeatUntil(t, "the first to wait", func() bool { return strings.Contains(probe.Info(ctx, "clients").Val(), "blocked_clients:1\r\n") })
	start := time.Now()
	err := signIn(2)
	if err == nil || !strings.Contains(err.Error(), "too many calls wait for replicas") {
		t.Errorf("Create = %v, want what it waited for", err)
	}
	if took := time.Since(start); took < timeout/2 || took >= timeout {
		t.Errorf("Create failed after %v, want %v", took, timeout/2)
	}
	if n := probe.HLen(ctx, "lucia:{YW5u}").Val(); n != 1 {
		t.Errorf("%d sessions, want that of the first", n)
	}
}

// TestPipelinesLetSeveralCallsWait covers pipelines, which do not report their number of
// connections.
func TestPipelinesLetSeveralCallsWait(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	server := testenv.Redis(t)
	pipeline := faces[1].open(t, options(t, server.URL()))
	store := redisstore.New(pipeline, redisstore.WithWait(1, time.Minute), unhurried)
	for i := range byte(3) {
		go store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{i}, Policy: long, Max: 5})
	}
	probe := server.Client()
	repeatUntil(t, "three calls to wait", func() bool { return strings.Contains(probe.Info(ctx, "clients").Val(), "blocked_clients:3\r\n") })
}
