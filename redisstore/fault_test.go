package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/fleet"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// fastPolicy makes sessions rotate about once a second. Its grace is longer than any request takes,
// as the rule requires.
var fastPolicy = session.Policy{
	Grace: 400 * time.Millisecond, Settle: 100 * time.Millisecond, Idle: time.Hour, Lifetime: 24 * time.Hour,
}

// slowPolicy is like fastPolicy, with a grace for requests that take seconds.
var slowPolicy = session.Policy{Grace: 2500 * time.Millisecond, Settle: fastPolicy.Settle, Idle: fastPolicy.Idle, Lifetime: fastPolicy.Lifetime}

// faultTest is one fault test on one server behind a proxy.
type faultTest struct {
	name   string
	policy session.Policy
	args   []string // of redis-server
	// inject causes the fault for some seconds, while the browsers send requests. It returns how
	// often the fault happened.
	inject   func(f *fleet.Fleet, s *testenv.RedisServer, p *testenv.Proxy) (faults int)
	recovery time.Duration // how long the browsers continue afterwards, so that late effects show
	mayLose  time.Duration // the server may lose the writes of that long before the fault
}

var faultTests = []faultTest{
	{
		name: "reply lost", policy: fastPolicy,
		inject: func(_ *fleet.Fleet, _ *testenv.RedisServer, p *testenv.Proxy) int {
			fleet.Repeat(30, 50*time.Millisecond, p.LoseReply)
			return p.Lost()
		},
	},
	{
		name: "connections reset", policy: fastPolicy,
		inject: func(_ *fleet.Fleet, _ *testenv.RedisServer, p *testenv.Proxy) (reset int) {
			fleet.Repeat(15, 100*time.Millisecond, func() { reset += p.Reset() })
			return reset
		},
	},
	{
		name: "latency of 2 s", policy: slowPolicy,
		inject: func(f *fleet.Fleet, _ *testenv.RedisServer, p *testenv.Proxy) int {
			p.Delay(2 * time.Second)
			f.PauseUntilFailure(2500 * time.Millisecond)
			p.Delay(0)
			return 1
		},
		recovery: 7 * time.Second,
	},
	{
		name: "black hole", policy: slowPolicy,
		inject: func(f *fleet.Fleet, _ *testenv.RedisServer, p *testenv.Proxy) int {
			p.Hold()
			f.PauseUntilFailure(2 * time.Second)
			p.Pass()
			return 1
		},
		recovery: 7 * time.Second,
	},
	{
		name: "kill -9 with AOF everysec", policy: fastPolicy,
		args: []string{"--appendonly", "yes", "--appendfsync", "everysec"},
		inject: func(f *fleet.Fleet, s *testenv.RedisServer, _ *testenv.Proxy) (killed int) {
			fleet.Repeat(2, 700*time.Millisecond, func() {
				before := runID(f.T, s)
				s.Kill()
				s.Restart()
				if runID(f.T, s) != before {
					killed++
				}
			})
			return killed
		},
		// If the disk is slow, Redis goes on answering for two seconds before it writes, and the
		// machine may stand still meanwhile.
		mayLose: 5 * time.Second,
	},
	{
		name: "script flush", policy: fastPolicy,
		inject: func(f *fleet.Fleet, s *testenv.RedisServer, _ *testenv.Proxy) int {
			client := s.Client()
			n := fleet.Repeat(40, 40*time.Millisecond, func() {
				if err := client.ScriptFlush(context.Background()).Err(); err != nil {
					f.Errorf("SCRIPT FLUSH: %v", err)
				}
			})
			if stats := client.Info(context.Background(), "commandstats").Val(); !strings.Contains(stats, "cmdstat_eval:") {
				f.Error("no script had to be sent again")
			}
			return n
		},
	},
	{
		name: "stopped and continued", policy: slowPolicy,
		inject: func(f *fleet.Fleet, s *testenv.RedisServer, _ *testenv.Proxy) int {
			s.Suspend()
			f.PauseUntilFailure(2 * time.Second)
			s.Resume()
			return 1
		},
		recovery: 7 * time.Second,
	},
}

func TestFaultsLoseNoSession(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds for each fault")
	}
	t.Parallel()
	for _, ft := range faultTests {
		t.Run(ft.name, func(t *testing.T) {
			for _, c := range clientModes {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					ft.run(t, c.open)
				})
			}
		})
	}
}

// clientModes are the ways in which a store may use a client.
var clientModes = []struct {
	name string
	open func(*testing.T, *redis.UniversalOptions) redis.UniversalClient
}{
	{"pool", func(t *testing.T, opts *redis.UniversalOptions) redis.UniversalClient { return open(t, opts) }},
	{"pipeline", func(t *testing.T, opts *redis.UniversalOptions) redis.UniversalClient {
		p, err := open(t, opts).AsyncAutoPipeline()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}},
}

func open(t testing.TB, opts *redis.UniversalOptions) redis.UniversalClient {
	c := redis.NewUniversalClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

// recommended returns the options of ParseURL, for tests of faults and limits. On a busy machine
// their timeouts may make any call fail.
func recommended(t testing.TB, url string) *redis.UniversalOptions {
	t.Helper()
	opts, err := redisstore.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return opts
}

// options returns the options of ParseURL with timeouts that no busy machine exceeds.
func options(t testing.TB, url string) *redis.UniversalOptions {
	t.Helper()
	opts := recommended(t, url)
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout, opts.PoolTimeout = patience, patience, patience, patience
	return opts
}

func (ft faultTest) run(t *testing.T, open func(*testing.T, *redis.UniversalOptions) redis.UniversalClient) {
	server := testenv.Redis(t, ft.args...)
	proxy := testenv.NewProxy(t, server.Addr)
	store := redisstore.New(open(t, recommended(t, "redis://"+proxy.Addr)))
	f := fleet.New(t, store, ft.policy, 120)
	var w fleet.Window
	f.Drill(func() (faults int) {
		if ft.mayLose > 0 {
			fleet.Pause(ft.mayLose) // so that some sessions are older than the writes that may be lost
			w.From = time.Now().Add(-ft.mayLose)
		}
		faults = ft.inject(f, server, proxy)
		w.To = time.Now()
		if faults == 0 {
			t.Error("the fault did not happen")
		}
		return faults
	}, max(ft.recovery, 2500*time.Millisecond))
	f.Report(w)
}

// runID returns a value that differs between two runs of a server.
func runID(t *testing.T, s *testenv.RedisServer) string {
	t.Helper()
	info, err := s.Client().Info(context.Background(), "server").Result()
	_, id, _ := strings.Cut(info, "run_id:")
	id, _, found := strings.Cut(id, "\r\n")
	if err != nil || !found {
		t.Errorf("INFO server: %v", err)
	}
	return id
}

// TestPromotedReplicaThatMissedWrites breaks the replication. The master continues and then dies,
// and the replica replaces it without the last writes.
func TestPromotedReplicaThatMissedWrites(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	master, replica := testenv.Redis(t), testenv.Redis(t)
	link := testenv.NewProxy(t, master.Addr)
	replica.Follow(link.Addr)
	front := testenv.NewProxy(t, master.Addr)
	f := fleet.New(t, redisstore.New(open(t, recommended(t, "redis://"+front.Addr))), fastPolicy, 120)
	var w fleet.Window
	f.Drill(func() int {
		fleet.Pause(time.Second) // some sessions are past their second rotation
		w.From = time.Now()
		master.AwaitReplica() // it has all earlier writes
		link.Hold()
		f.AwaitOutcomes(session.Rotated, 100)
		master.Kill()
		if err := replica.Client().Do(context.Background(), "replicaof", "no", "one").Err(); err != nil {
			t.Fatal(err)
		}
		front.SetBackend(replica.Addr)
		front.Reset()
		w.To = time.Now()
		return 1
	}, 2*time.Second)
	if f.Outcomes(session.Adopted) == 0 {
		t.Error("no refresh was adopted: the replica has missed nothing")
	}
	f.Report(w)
}

// TestSlotsMoveUnderLoad reshards a cluster while sessions are in use.
func TestSlotsMoveUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	cluster := testenv.Cluster(t)
	f := fleet.New(t, redisstore.New(open(t, recommended(t, cluster.URL()))), fastPolicy, 120)
	from, to := cluster.Masters[0], cluster.Masters[1]
	f.Drill(func() (moved int) {
		ctx := context.Background()
		keys, err := from.Client().Keys(ctx, "*").Result()
		if err != nil || len(keys) == 0 {
			t.Fatalf("keys of the first master: %d, %v", len(keys), err)
		}
		for _, key := range keys {
			slot, err := from.Client().ClusterKeySlot(ctx, key).Result()
			if err != nil {
				t.Fatal(err)
			}
			finish := cluster.BeginMove(t, int(slot), from, to)
			fleet.Pause(20 * time.Millisecond) // in which the server redirects clients
			finish()
			moved++
		}
		return moved
	}, 2*time.Second)
	if told, err := from.Client().Info(context.Background(), "errorstats").Result(); err != nil || !strings.Contains(told, "errorstat_ASK") || !strings.Contains(told, "errorstat_MOVED") {
		t.Errorf("the server redirected no client: %v\n%s", err, told)
	}
	f.Report(fleet.Window{})
}

// TestClusterMasterDies kills a master of a cluster, whose replica takes over.
func TestClusterMasterDies(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	cluster := testenv.Cluster(t)
	f := fleet.New(t, redisstore.New(open(t, recommended(t, cluster.URL()))), fastPolicy, 120)
	var w fleet.Window
	f.Drill(func() int {
		w.From = time.Now().Add(-time.Second)
		cluster.KillMaster(0)
		w.To = time.Now()
		f.AwaitAll()
		return 1
	}, 2*time.Second)
	f.Report(w)
}

// TestSentinelFailsOver kills the master. Sentinel promotes the replica, and the client finds it.
func TestSentinelFailsOver(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	trio := testenv.Sentinel(t)
	f := fleet.New(t, redisstore.New(open(t, recommended(t, trio.URL()))), fastPolicy, 120)
	var w fleet.Window
	f.Drill(func() int {
		w.From = time.Now()
		trio.Master.AwaitReplica() // it has all earlier writes
		trio.KillMaster()
		w.To = time.Now()
		f.AwaitAll()
		return 1
	}, 2*time.Second)
	f.Report(w)
}
