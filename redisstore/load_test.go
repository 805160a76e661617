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

// TestServesAgainAfterAStall stalls the server for longer than a call may take, while calls arrive
// at half of the rate that the connections can serve. The store must recover soon after the server.
// It would not recover if a call could wait for a connection for longer than the time that it then
// has left.
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
			opts := recommended(t, "redis://"+proxy.Addr)
			opts.IsClusterMode = tt.name == "cluster"
			opts.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) { // a cluster gives its own address
				return new(net.Dialer).DialContext(ctx, network, proxy.Addr)
			}
			opts.PoolSize = int(2 * offered * roundTrip / time.Second)
			client := open(t, opts)
			o := &loadGenerator{store: redisstore.New(client)}
			create(t, patient(client), session.ID{1}, long, 5)
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
	for deadline := time.Now().Add(patience); !done(); fleet.Pause(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

const (
	offered   = 80                     // calls a second
	roundTrip = 100 * time.Millisecond // to the server; the connections can serve twice the offered calls
)

// loadGenerator makes calls at a steady rate, whatever their results.
type loadGenerator struct {
	store *redisstore.Store
	pace  *redis.Client // makes round trips as fast as it can
	now   atomic.Pointer[secondStats]
}

// secondStats counts the calls that began in one second.
type secondStats struct{ begun, good, trips atomic.Int64 }

// run makes calls until stop is closed.
func (o *loadGenerator) run(stop <-chan struct{}) (wait func()) {
	ctx := context.Background()
	o.now.Store(new(secondStats))
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
func (o *loadGenerator) awaitService(t *testing.T) {
	t.Helper()
	const seconds = 15
	var all []*secondStats
	for len(all) <= seconds {
		next := new(secondStats)
		o.now.Store(next)
		all = append(all, next)
		fleet.Pause(time.Second)
		if n := len(all); n > 1 && all[n-2].served() { // calls of the last second are still in progress
			return
		}
	}
	loadReached := true
	for i, s := range all[:seconds] {
		t.Logf("second %d: %d calls, %d round trips, %d calls succeeded", i+1, s.begun.Load(), s.trips.Load(), s.good.Load())
		loadReached = loadReached && s.loadReached()
	}
	if !loadReached {
		t.Skip("the machine is too busy to generate the load")
	}
	t.Error("calls still fail")
}

// loadReached reports whether the machine made calls and round trips at nearly the intended rate.
func (s *secondStats) loadReached() bool {
	return s.begun.Load() >= offered*3/4 && s.trips.Load() >= int64(time.Second/roundTrip)*7/10
}

func (s *secondStats) served() bool { return s.loadReached() && s.good.Load() >= s.begun.Load()*3/4 }
