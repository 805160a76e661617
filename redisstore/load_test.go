package redisstore_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/fleet"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// TestServesAgainAfterAStall stalls the server for longer than a call may take, while calls
// arrive at half of what the connections can do. The store recovers soon after the server. If a
// call could wait for a connection longer than the time it then has left, no call would ever
// succeed again.
func TestServesAgainAfterAStall(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	for _, tt := range []struct {
		name  string
		start func(*testing.T) *testenv.RedisServer
	}{
		{"server", func(t *testing.T) *testenv.RedisServer { return testenv.Redis(t) }},
		{"cluster", clusterOfOne},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			proxy := testenv.NewProxy(t, tt.start(t).Addr)
			opts := options(t, "redis://"+proxy.Addr)
			opts.IsClusterMode = tt.name == "cluster"
			opts.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) { // a cluster gives its own address
				return new(net.Dialer).DialContext(ctx, network, proxy.Addr)
			}
			opts.PoolSize = int(2 * offered * roundTrip / time.Second)
			o := &offer{store: redisstore.New(open(t, opts))}
			create(t, o.store, session.ID{1}, long, 5)
			proxy.Delay(roundTrip / 2)
			o.pace = redis.NewClient(&redis.Options{Addr: proxy.Addr, PoolSize: 1})
			t.Cleanup(func() { o.pace.Close() })

			stop := make(chan struct{})
			wait := o.run(stop)
			defer wait()
			defer close(stop)
			fleet.Pause(time.Second / 2)
			proxy.Hold()
			fleet.Pause(3 * time.Second / 2)
			proxy.Pass()
			o.awaitService(t)
		})
	}
}

func clusterOfOne(t *testing.T) *testenv.RedisServer {
	s := testenv.Redis(t, "--cluster-enabled", "yes")
	ctx, client := context.Background(), s.Client()
	if err := client.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	repeatUntil(t, "the cluster to serve", func() bool {
		return strings.Contains(client.ClusterInfo(ctx).Val(), "cluster_state:ok")
	})
	return s
}

func repeatUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); fleet.Pause(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

const (
	offered   = 80                     // calls a second
	roundTrip = 100 * time.Millisecond // to the server; twice as many calls would be the most
)

// offer is a steady stream of calls, whatever their results.
type offer struct {
	store *redisstore.Store
	pace  *redis.Client // goes to and fro as fast as it can
	now   atomic.Pointer[tally]
}

// tally is the result of the calls that began in one second.
type tally struct{ begun, good, trips atomic.Int64 }

// run makes calls until stop is closed.
func (o *offer) run(stop <-chan struct{}) (wait func()) {
	ctx := context.Background()
	o.now.Store(new(tally))
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Second / offered)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			in := o.now.Load()
			in.begun.Add(1)
			wg.Go(func() {
				if operations[1].call(ctx, o.store) == nil {
					in.good.Add(1)
				}
			})
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if o.pace.Ping(ctx).Err() == nil {
				o.now.Load().trips.Add(1)
			}
		}
	})
	return wg.Wait
}

// awaitService returns when nearly all calls of a second have succeeded. It skips the test on a
// machine that is too slow.
func (o *offer) awaitService(t *testing.T) {
	t.Helper()
	const seconds = 5
	var all []*tally
	for len(all) <= seconds {
		next := new(tally)
		o.now.Store(next)
		all = append(all, next)
		fleet.Pause(time.Second)
		if n := len(all); n > 1 && all[n-2].served() { // the calls of the last one are under way
			return
		}
	}
	able := true
	for i, s := range all[:seconds] {
		t.Logf("second %d: %d calls, %d round trips, %d calls succeeded", i+1, s.begun.Load(), s.trips.Load(), s.good.Load())
		able = able && s.able()
	}
	if !able {
		t.Skip("the machine is too busy to offer the load")
	}
	t.Error("calls go on failing")
}

// able reports whether the machine made calls and round trips at nearly the intended rate.
func (s *tally) able() bool {
	return s.begun.Load() >= offered*3/4 && s.trips.Load() >= int64(time.Second/roundTrip)*7/10
}

func (s *tally) served() bool { return s.able() && s.good.Load() >= s.begun.Load()*3/4 }
