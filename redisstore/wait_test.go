package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/fleet"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// TestWaitFailsWithoutReplication checks that sign-ins and sign-outs succeed only when the
// replica has them. Refreshes do not wait.
func TestWaitFailsWithoutReplication(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, mode := range clientModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			master, replica := testenv.Redis(t), testenv.Redis(t)
			link := testenv.NewProxy(t, master.Addr)
			replica.Follow(link.Addr)
			client := mode.open(t, options(t, master.URL()))
			long := patient(client, redisstore.WithWait(1, patience)) // a replica may acknowledge slowly
			short := patient(client, redisstore.WithWait(1, 300*time.Millisecond))

			waits := map[string]bool{"Create": true, "Delete": true, "DeleteUser": true, "Publish": true}
			for _, op := range operations {
				if err := op.call(ctx, long); err != nil {
					t.Fatalf("%s with an up-to-date replica: %v", op.name, err)
				}
			}
			link.Hold()
			for _, op := range operations {
				err := op.call(ctx, short)
				if waits[op.name] != errors.Is(err, redisstore.ErrNotReplicated) {
					t.Errorf("%s without replication: %v", op.name, err)
				}
			}
		})
	}
}

// TestWaitedForWritesSurviveFailover checks that a write that was reported as done is on the
// replica at once, even if the master then dies.
func TestWaitedForWritesSurviveFailover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	master, replica := testenv.Redis(t), testenv.Redis(t)
	replica.Follow(master.Addr)
	store := patient(open(t, options(t, master.URL())), redisstore.WithWait(1, patience))
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
	live, err := patient(promoted).List(ctx, "ann")
	if _, back := live[session.ID{0}]; err != nil || len(live) != n-1 || back {
		t.Fatalf("%d sessions on the promoted replica, %v, including the one that was ended: %v; want %d without it", len(live), err, back, n-1)
	}
}

// TestWaitWhileASlotMoves checks a sign-in or sign-out with WithWait while the slot moves: the key
// is already on the new server and the slot still on the old one. The call must succeed or fail.
// go-redis gives up on such a WATCH without an error.
func TestWaitWhileASlotMoves(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	cluster := testenv.Cluster(t)
	plain := patient(open(t, options(t, cluster.URL())))
	durable := patient(open(t, options(t, cluster.URL())), redisstore.WithWait(1, patience))
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
			t.Errorf("%s reports success, but %d sessions remain", name, len(live))
		}
	}
	finish()
	if err := durable.DeleteUser(ctx, "ann"); err != nil {
		t.Errorf("after the move of the slot: %v", err)
	}
	if live, err := plain.List(ctx, "ann"); err != nil || len(live) != 0 {
		t.Errorf("after the move of the slot: %d sessions, %v", len(live), err)
	}
}

// TestFailedSignInLeavesNoSession checks a sign-in whose write no replica acknowledges in time. It
// is an error. Its tokens are not handed out, so its session is removed and does not count towards
// the limit.
func TestFailedSignInLeavesNoSession(t *testing.T) {
	t.Parallel()
	const most = 4
	for _, mode := range clientModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Redis(t) // without a replica
			plain := patient(open(t, options(t, server.URL())))
			for i := range byte(most - 1) {
				create(t, plain, session.ID{1 + i}, long, most)
			}
			signIn := func(ctx context.Context, d time.Duration) error {
				store := patient(mode.open(t, options(t, server.URL())), redisstore.WithWait(1, d))
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
						t.Fatalf("session %d is missing", 1+i)
					}
				}
				return len(live) - (most - 1)
			}
			for range 3 {
				if err := signIn(context.Background(), 10*time.Millisecond); !errors.Is(err, redisstore.ErrNotReplicated) {
					t.Fatalf("sign-in = %v, want %v", err, redisstore.ErrNotReplicated)
				}
				if n := left(); n != 0 {
					t.Fatalf("%d sessions of failed sign-ins remain", n)
				}
			}
			// A caller's deadline may end the sign-in first. The connection may report it before
			// ctx does.
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			if err := signIn(ctx, patience); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("sign-in = %v, want %v", err, context.DeadlineExceeded)
			}
			repeatUntil(t, "the session to go", func() bool { return left() == 0 })
		})
	}
}

// TestCanceledSignInLeavesNoSession covers a caller who gives up before the replicas answer.
func TestCanceledSignInLeavesNoSession(t *testing.T) {
	t.Parallel()
	for _, mode := range clientModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			master, replica := testenv.Redis(t), testenv.Redis(t)
			link := testenv.NewProxy(t, master.Addr)
			replica.Follow(link.Addr)
			plain := patient(open(t, options(t, master.URL())))
			store := patient(mode.open(t, options(t, master.URL())), redisstore.WithWait(1, patience))
			create(t, store, session.ID{1}, long, 5) // the replica is up to date
			link.Hold()
			sessions := func() int {
				live, err := plain.List(context.Background(), "bob")
				if err != nil {
					t.Fatal(err)
				}
				return len(live)
			}
			ctx, cancel := context.WithCancel(context.Background())
			left := make(chan error, 1)
			go func() {
				_, err := store.Create(ctx, session.CreateParams{UserID: "bob", ID: session.NewID(), Policy: long, Max: 5})
				left <- err
			}()
			repeatUntil(t, "the session to be there", func() bool { return sessions() == 1 })
			cancel()
			link.Pass()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Fatalf("sign-in = %v, want %v", err, context.Canceled)
			}
			repeatUntil(t, "the session to go", func() bool { return sessions() == 0 })
		})
	}
}

// TestFailedSignInKeepsTheSessionOfItsRetry checks that a failed sign-in does not remove the
// session if a retry has succeeded in the meantime.
func TestFailedSignInKeepsTheSessionOfItsRetry(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.Redis(t)
	plain := patient(open(t, options(t, server.URL())))
	store := patient(open(t, options(t, server.URL())), redisstore.WithWait(1, patience))
	failed := make(chan error, 1)
	go func() {
		_, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5})
		failed <- err
	}()
	probe := server.Client()
	repeatUntil(t, "the first attempt to wait", func() bool { return blocked(probe, 1) })
	fleet.Pause(5 * time.Millisecond) // so that the two records differ
	rec := create(t, plain, session.ID{1}, long, 5)
	giveUp(t, server)
	if err := <-failed; !errors.Is(err, redisstore.ErrNotReplicated) {
		t.Errorf("the first attempt = %v, want %v", err, redisstore.ErrNotReplicated)
	}
	if live, err := plain.List(ctx, "ann"); err != nil || live[session.ID{1}].Record != rec {
		t.Errorf("List = %v, %v, want the session of the second attempt", live, err)
	}
}

// giveUp ends every WAIT on the server as if its time were over.
func giveUp(t *testing.T, server *testenv.RedisServer) {
	t.Helper()
	ctx, client := context.Background(), server.Client()
	for line := range strings.Lines(client.ClientList(ctx).Val()) {
		if strings.Contains(line, " cmd=wait ") {
			id, _, _ := strings.Cut(strings.TrimPrefix(line, "id="), " ")
			if err := client.Do(ctx, "client", "unblock", id, "timeout").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// blocked reports whether n clients of the server wait for replicas. No other command of the tests
// blocks.
func blocked(probe *redis.Client, n int) bool {
	return strings.Contains(probe.Info(context.Background(), "clients").Val(), fmt.Sprintf("blocked_clients:%d\r\n", n))
}

// TestWaitingLeavesConnections checks that refreshes continue while sign-ins wait for a missing
// replica. Sign-ins beyond half of the connections fail, so that they do not queue.
func TestWaitingLeavesConnections(t *testing.T) {
	t.Parallel()
	const (
		connections = 6
		timeout     = 10 * time.Second
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
			plain := patient(client)
			create(t, plain, session.ID{1}, long, 5)
			store := redisstore.New(client, redisstore.WithWait(1, patience), redisstore.WithTimeout(timeout))

			failed := make(chan error, 2*connections)
			for i := range byte(2 * connections) {
				go func() {
					_, err := store.Create(ctx, session.CreateParams{UserID: "bob", ID: session.ID{i}, Policy: long, Max: 100})
					failed <- err
				}()
			}
			probe := server.Client()
			repeatUntil(t, "half of the connections to wait", func() bool { return blocked(probe, connections/2) })
			for range 20 {
				if err := operations[1].call(ctx, plain); err != nil {
					t.Errorf("Refresh: %v", err)
				}
			}
			for range 2*connections - connections/2 {
				if err := <-failed; err == nil || !strings.Contains(err.Error(), tooMany) {
					t.Errorf("Create = %v, want the limit of waiting calls as the cause", err)
				}
			}
			giveUp(t, server)
			for range connections / 2 {
				if err := <-failed; !errors.Is(err, redisstore.ErrNotReplicated) {
					t.Errorf("Create = %v, want %v", err, redisstore.ErrNotReplicated)
				}
			}
			// The places are free again.
			go func() { failed <- operations[0].call(ctx, store) }()
			repeatUntil(t, "another call to wait", func() bool { return blocked(probe, 1) })
			giveUp(t, server)
			if err := <-failed; !errors.Is(err, redisstore.ErrNotReplicated) {
				t.Errorf("Create afterwards = %v, want %v", err, redisstore.ErrNotReplicated)
			}
		})
	}
}

// tooMany is in the error of a call beyond the limit of calls that wait for replicas.
const tooMany = "too many calls wait for replicas"

// TestCallsBeyondTheLimitWait checks that a call beyond half of the connections waits for half of
// the store's timeout and then fails without an effect. A pool of one connection still lets one
// call wait.
func TestCallsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const timeout, tries = 3 * time.Second, 5
	server := testenv.Redis(t) // without a replica
	opts := options(t, server.URL())
	opts.PoolSize = 1
	client := open(t, opts)
	store := redisstore.New(client, redisstore.WithWait(1, time.Hour), redisstore.WithTimeout(timeout))
	signIn := func(id byte) error {
		_, err := store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{id}, Policy: long, Max: 5})
		return err
	}
	go signIn(1)
	probe := server.Client()
	repeatUntil(t, "the first to wait", func() bool { return blocked(probe, 1) })
	late := 0
	for late < tries { // a busy machine may delay some calls, but not all of them
		start := time.Now()
		err := signIn(2)
		took := time.Since(start)
		if err == nil || !strings.Contains(err.Error(), tooMany) {
			t.Errorf("Create = %v, want the limit of waiting calls as the cause", err)
		}
		if took < timeout/2 {
			t.Errorf("Create failed after %v, want %v", took, timeout/2)
		}
		if took < timeout {
			break
		}
		late++
	}
	if late == tries {
		t.Errorf("%d calls failed after more than %v, want %v", tries, timeout, timeout/2)
	}
	if n := probe.HLen(ctx, keyOfAnn).Val(); n != 1 {
		t.Errorf("%d sessions, want that of the first", n)
	}
}

// TestPipelinesLetSeveralCallsWait covers pipelines, which do not report their number of
// connections.
func TestPipelinesLetSeveralCallsWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server := testenv.Redis(t)
	pipeline := clientModes[1].open(t, options(t, server.URL()))
	store := patient(pipeline, redisstore.WithWait(1, time.Hour))
	for i := range byte(3) {
		go store.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{i}, Policy: long, Max: 5})
	}
	probe := server.Client()
	repeatUntil(t, "three calls to wait", func() bool { return blocked(probe, 3) })
}
