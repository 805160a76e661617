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

// brisk is a policy with which sessions rotate about once a second. Its grace is longer than any
// request takes, as the rule requires.
var brisk = session.Policy{
	Grace: 400 * time.Millisecond, Settle: 100 * time.Millisecond, Idle: time.Hour, Lifetime: 24 * time.Hour,
}

// patient is brisk for requests that take seconds.
var patient = session.Policy{Grace: 2500 * time.Millisecond, Settle: brisk.Settle, Idle: brisk.Idle, Lifetime: brisk.Lifetime}

// trouble is one fault test on one PostgreSQL server behind a proxy.
type trouble struct {
	name   string
	policy session.Policy
	params string // added to the URL
	// cause makes the fault happen, for a second or a few, and returns how often
	// it did. The browsers are at work meanwhile.
	cause func(t *testing.T, s *testenv.PostgresServer, p *testenv.Proxy) (faults int)
	fails bool          // whether calls fail meanwhile, however often the store repeats them
	calm  time.Duration // of work afterwards, for what comes late
}

var troubles = []trouble{
	{
		name: "reply lost", policy: brisk,
		cause: func(_ *testing.T, _ *testenv.PostgresServer, p *testenv.Proxy) int {
			fleet.Repeat(30, 50*time.Millisecond, p.LoseReply)
			return p.Lost()
		},
	},
	{
		name: "connections reset", policy: brisk,
		cause: func(_ *testing.T, _ *testenv.PostgresServer, p *testenv.Proxy) (reset int) {
			fleet.Repeat(15, 100*time.Millisecond, func() { reset += p.Reset() })
			return reset
		},
	},
	{
		name: "connections ended by the server", policy: brisk,
		cause: func(_ *testing.T, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			return fleet.Repeat(15, 100*time.Millisecond, func() {
				s.Do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
			})
		},
	},
	{
		name: "black hole", policy: patient,
		cause: func(_ *testing.T, _ *testenv.PostgresServer, p *testenv.Proxy) int {
			p.Hold()
			fleet.Pause(2 * time.Second)
			p.Pass()
			return 1
		},
		calm: 7 * time.Second, fails: true,
	},
	{
		name: "kill -9", policy: patient,
		cause: func(_ *testing.T, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			return fleet.Repeat(2, 700*time.Millisecond, func() {
				s.Kill()
				s.Restart()
			})
		},
		calm: 7 * time.Second, fails: true,
	},
	{
		name: "serialization failures", policy: brisk, params: "&default_transaction_isolation=serializable",
		cause: func(t *testing.T, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			n := fleet.Repeat(40, 20*time.Millisecond, func() {
				s.Do("BEGIN; UPDATE lucia_sessions SET issued_at = issued_at; SELECT pg_sleep(0.02); COMMIT")
			})
			return n
		},
	},
	{
		name: "slow lock", policy: patient,
		cause: func(_ *testing.T, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			s.Do("BEGIN; LOCK TABLE lucia_sessions; SELECT pg_sleep(2); COMMIT")
			return 1
		},
		calm: 7 * time.Second, fails: true,
	},
	{
		name: "read-only", policy: patient,
		cause: func(_ *testing.T, s *testenv.PostgresServer, _ *testenv.Proxy) int {
			s.Do("ALTER SYSTEM SET default_transaction_read_only = on")
			s.Do("SELECT pg_reload_conf()")
			fleet.Pause(2 * time.Second)
			s.Do("ALTER SYSTEM RESET default_transaction_read_only")
			s.Do("SELECT pg_reload_conf()")
			return 1
		},
		calm: 7 * time.Second, fails: true,
	},
}

func TestFaultsLoseNoSession(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds for each fault")
	}
	t.Parallel()
	for _, tr := range troubles {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			tr.run(t)
		})
	}
}

func (tr trouble) run(t *testing.T) {
	server := testenv.Postgres(t)
	migrate(t, postgresAt(server.Addr).store(t, unhurried))
	proxy := testenv.NewProxy(t, server.Addr)
	d := postgresAt(proxy.Addr)
	d.url += tr.params
	f := fleet.New(t, sqlstore.New(d.pool(t), d.dialect), tr.policy, 120)
	f.Drill(func() (faults int) {
		if faults = tr.cause(t, server, proxy); faults == 0 {
			t.Error("the fault has not happened")
		}
		return faults
	}, max(tr.calm, 2500*time.Millisecond))
	if tr.fails && f.FailedCalls() == 0 {
		t.Error("no call has failed: the fault has not happened")
	}
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
	migrate(t, postgresAt(primary.Addr).store(t, unhurried))
	link := testenv.NewProxy(t, primary.Addr)
	replica := primary.FollowThrough(link.Addr)
	front := testenv.NewProxy(t, primary.Addr)
	f := fleet.New(t, sqlstore.New(postgresAt(front.Addr).pool(t), sqlstore.Postgres), brisk, 120)
	var w fleet.Window
	f.Drill(func() int {
		fleet.Pause(time.Second) // some sessions are past their second rotation
		w.From = time.Now().Add(-200 * time.Millisecond)
		link.Hold()
		fleet.Pause(time.Second)
		primary.Kill()
		replica.Do("SELECT pg_promote()")
		front.SetBackend(replica.Addr)
		front.Reset()
		w.To = time.Now().Add(100 * time.Millisecond)
		return 1
	}, 2*time.Second)
	if f.Outcomes(session.Adopted) == 0 {
		t.Error("no refresh was adopted: the replica has missed nothing")
	}
	f.Report(w)
}

// TestOtherProcessesAreKilled kills another process that uses the same database, again and again,
// at any point of its work.
func TestOtherProcessesAreKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	onDatabases(t, func(t *testing.T, d database) {
		f := fleet.New(t, d.store(t), patient, 150)
		f.Drill(func() int {
			return fleet.Repeat(10, 0, func() {
				cmd, _, out := errand{Driver: d.driver, URL: d.url, Do: "churn", Callers: 8}.start(t)
				if line, err := out.ReadString('\n'); line != "ready\n" {
					t.Errorf("the other process says %q, %v", line, err)
				}
				fleet.Pause(100 * time.Millisecond)
				_ = cmd.Process.Kill()
				_ = cmd.Wait() // killed
			})
		}, 12*time.Second) // in which sessions come to their third generation
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
	f := fleet.New(t, d.store(t), patient, 150)
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
				fleet.Pause(2 * time.Second)
			}
		}
		return 1
	}, 12*time.Second)
	if f.FailedCalls() == 0 {
		t.Error("no call has failed: the file was not locked")
	}
	f.Report(fleet.Window{})
}

// TestAbandonedTransactionEnds lets the app's machine disappear in the middle of a sign-in,
// unnoticed by the server. The user's other sign-ins wait at most for the ten seconds for which
// the server keeps the idle transaction.
func TestAbandonedTransactionEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	ctx := context.Background()
	server := testenv.Postgres(t)
	migrate(t, postgresAt(server.Addr).store(t, unhurried))
	proxy := testenv.NewProxy(t, server.Addr)
	locked := false
	db := postgresAt(proxy.Addr).tapped(t, func(query string, done bool) {
		if done && strings.Contains(query, "pg_advisory_xact_lock") && !locked {
			locked = true
			proxy.Hold() // and nothing comes through any more
		}
	})
	p := session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5}
	lost := sqlstore.New(db, sqlstore.Postgres, sqlstore.WithTimeout(2*time.Second))
	if _, err := lost.Create(ctx, p); err == nil || !locked {
		t.Fatalf("Create through a black hole = %v, the lock taken: %v", err, locked)
	}
	waits := sqlstore.New(postgresAt(server.Addr).pool(t), sqlstore.Postgres, sqlstore.WithTimeout(time.Minute))
	if _, err := waits.Create(ctx, p); err != nil {
		t.Errorf("Create once the server has ended the transaction: %v", err)
	}
}
