package sqlstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/fleet"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// fastPolicy makes sessions rotate about once a second. Its grace is longer than any request takes,
// as the rule requires.
var fastPolicy = session.Policy{
	Grace: 400 * time.Millisecond, Settle: 100 * time.Millisecond, Idle: time.Hour, Lifetime: 24 * time.Hour,
}

// slowPolicy is like fastPolicy, with a grace for requests that take seconds.
var slowPolicy = session.Policy{Grace: 2500 * time.Millisecond, Settle: fastPolicy.Settle, Idle: fastPolicy.Idle, Lifetime: fastPolicy.Lifetime}

// faultTest is one fault test on one PostgreSQL server behind a proxy.
type faultTest struct {
	name   string
	policy session.Policy
	params string // added to the URL
	// inject causes the fault for some seconds, while the browsers send requests. It returns how
	// often the fault happened.
	inject   func(f *fleet.Fleet, s *testenv.PostgresServer, p *testenv.Proxy) (faults int)
	recovery time.Duration // how long the browsers continue afterwards, so that late effects show
}

var faultTests = []faultTest{
	{
		name: "reply lost", policy: fastPolicy,
		inject: func(_ *fleet.Fleet, _ *testenv.PostgresServer, p *testenv.Proxy) int {
			fleet.Repeat(30, 50*time.Millisecond, p.LoseReply)
			return p.Lost()
		},
	},
	{
		name: "connections reset", policy: fastPolicy,
		inject: func(_ *fleet.Fleet, _ *testenv.PostgresServer, p *testenv.Proxy) (reset int) {
			fleet.Repeat(15, 100*time.Millisecond, func() { reset += p.Reset() })
			return reset
		},
	},
	{
		name: "connections ended by the server", policy: fastPolicy,
		inject: func(_ *fleet.Fleet, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			return fleet.Repeat(15, 100*time.Millisecond, func() {
				s.Do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
			})
		},
	},
	{
		name: "black hole", policy: slowPolicy,
		inject: func(f *fleet.Fleet, _ *testenv.PostgresServer, p *testenv.Proxy) int {
			p.Hold()
			f.PauseUntilFailure(2 * time.Second)
			p.Pass()
			return 1
		},
		recovery: 7 * time.Second,
	},
	{
		name: "kill -9", policy: slowPolicy,
		inject: func(f *fleet.Fleet, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			return fleet.Repeat(2, 700*time.Millisecond, func() {
				s.Kill()
				f.PauseUntilFailure(0)
				s.Restart()
			})
		},
		recovery: 7 * time.Second,
	},
	{
		name: "serialization failures", policy: fastPolicy, params: "&default_transaction_isolation=serializable",
		inject: func(f *fleet.Fleet, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			n := fleet.Repeat(40, 20*time.Millisecond, func() {
				s.Do("BEGIN; UPDATE lucia_sessions SET issued_at = issued_at; SELECT pg_sleep(0.02); COMMIT")
			})
			return n
		},
	},
	{
		name: "slow lock", policy: slowPolicy,
		inject: func(f *fleet.Fleet, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			d := postgresAt(s.Addr)
			release := hold(f.T, d, d.pool(f.T))
			f.PauseUntilFailure(2 * time.Second)
			release()
			return 1
		},
		recovery: 7 * time.Second,
	},
	{
		name: "read-only", policy: slowPolicy,
		inject: func(f *fleet.Fleet, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			s.Do("ALTER SYSTEM SET default_transaction_read_only = on")
			s.Do("SELECT pg_reload_conf()")
			f.PauseUntilFailure(2 * time.Second)
			s.Do("ALTER SYSTEM RESET default_transaction_read_only")
			s.Do("SELECT pg_reload_conf()")
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
			t.Parallel()
			ft.run(t)
		})
	}
}

func (ft faultTest) run(t *testing.T) {
	server := testenv.Postgres(t)
	migrate(t, postgresAt(server.Addr).store(t, longTimeout))
	proxy := testenv.NewProxy(t, server.Addr)
	d := postgresAt(proxy.Addr)
	d.url += ft.params
	f := fleet.New(t, sqlstore.New(d.pool(t), d.dialect), ft.policy, 120)
	f.Drill(func() (faults int) {
		if faults = ft.inject(f, server, proxy); faults == 0 {
			t.Error("the fault did not happen")
		}
		return faults
	}, max(ft.recovery, 2500*time.Millisecond))
	f.Report(fleet.Window{})
}

// TestPromotedReplicaThatMissedWrites breaks the replication. The primary continues and then
// dies, and the replica replaces it without the last writes.
func TestPromotedReplicaThatMissedWrites(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	primary := testenv.Postgres(t)
	migrate(t, postgresAt(primary.Addr).store(t, longTimeout))
	link := testenv.NewProxy(t, primary.Addr)
	replica := primary.FollowThrough(link.Addr)
	front := testenv.NewProxy(t, primary.Addr)
	f := fleet.New(t, sqlstore.New(postgresAt(front.Addr).pool(t), sqlstore.Postgres), fastPolicy, 120)
	var w fleet.Window
	f.Drill(func() int {
		fleet.Pause(time.Second) // some sessions are past their second rotation
		w.From = time.Now()
		replica.AwaitWrites(primary)
		link.Hold()
		f.AwaitOutcomes(session.Rotated, 100)
		primary.Kill()
		replica.Do("SELECT pg_promote()")
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

// TestOtherProcessesAreKilled kills another process that uses the same database, again and again,
// in the middle of its work.
func TestOtherProcessesAreKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	onDatabases(t, func(t *testing.T, d database) {
		f := fleet.New(t, d.store(t), slowPolicy, 150)
		f.Drill(func() int {
			return fleet.Repeat(10, 0, func() {
				cmd, _, out := childTask{Driver: d.driver, URL: d.url, Do: "churn", Callers: 8}.start(t)
				if line, err := out.ReadString('\n'); line != "ready\n" {
					t.Errorf("the other process printed %q, %v", line, err)
				}
				fleet.Pause(100 * time.Millisecond)
				_ = cmd.Process.Kill()
				_ = cmd.Wait() // killed
			})
		}, 12*time.Second) // long enough for a third generation
		f.Report(fleet.Window{})
	})
}

// TestLockedFile locks the file from another program for longer than a call may take.
func TestLockedFile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	d := databases[1].open(t)
	f := fleet.New(t, d.store(t), slowPolicy, 150)
	other, err := d.pool(t).Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f.Drill(func() int {
		for _, statement := range []string{"BEGIN IMMEDIATE", "COMMIT"} {
			if _, err := other.ExecContext(context.Background(), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
			if statement != "COMMIT" {
				f.PauseUntilFailure(2 * time.Second)
			}
		}
		return 1
	}, 12*time.Second)
	f.Report(fleet.Window{})
}

// TestAbandonedTransactionEnds makes the app's machine disappear in the middle of a sign-in without
// the server's notice. The user's other sign-ins wait for at most the ten seconds for which the
// server keeps the idle transaction.
func TestAbandonedTransactionEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	ctx := context.Background()
	server := testenv.Postgres(t)
	migrate(t, postgresAt(server.Addr).store(t, longTimeout))
	proxy := testenv.NewProxy(t, server.Addr)
	locked := false
	gone, leave := context.WithCancel(ctx)
	db := postgresAt(proxy.Addr).tapped(t, func(query string, done bool) {
		if done && strings.Contains(query, "pg_advisory_xact_lock") && !locked {
			locked = true
			proxy.Hold() // from now on nothing passes
			leave()
		}
	})
	p := session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5}
	if _, err := sqlstore.New(db, sqlstore.Postgres, longTimeout).Create(gone, p); err == nil || !locked {
		t.Fatalf("Create through a held proxy = %v; lock taken: %v", err, locked)
	}
	waits := sqlstore.New(postgresAt(server.Addr).pool(t), sqlstore.Postgres, longTimeout)
	if _, err := waits.Create(ctx, p); err != nil {
		t.Errorf("Create after the server has ended the transaction: %v", err)
	}
}
