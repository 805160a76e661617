package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// benchPolicy has the library's defaults.
var benchPolicy = session.Policy{
	Grace: 30 * time.Second, Settle: 90 * time.Second, Idle: 365 * 24 * time.Hour, Lifetime: 400 * 24 * time.Hour,
}

// benchStores are the stores to compare, each with a function that opens an empty one.
var benchStores = []struct {
	name string
	open func(testing.TB) session.Store
}{
	{"redis", func(t testing.TB) session.Store {
		opts, err := redisstore.ParseURL(testenv.Redis(t).URL())
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewUniversalClient(opts)
		t.Cleanup(func() { client.Close() })
		return redisstore.New(client)
	}},
	{"redis-aof", func(t testing.TB) session.Store {
		opts, err := redisstore.ParseURL(testenv.Redis(t, "--appendonly", "yes").URL())
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewUniversalClient(opts)
		t.Cleanup(func() { client.Close() })
		return redisstore.New(client)
	}},
	{"postgresql", func(t testing.TB) session.Store { return postgresAt(testenv.Postgres(t).Addr).store(t, longTimeout) }},
	{"sqlite-normal", func(t testing.TB) session.Store { return sqliteBench(t, "NORMAL", 1) }},
	{"sqlite-full", func(t testing.TB) session.Store { return sqliteBench(t, "FULL", 1) }},
	{"sqlite-pool", func(t testing.TB) session.Store { return sqliteBench(t, "NORMAL", 8) }},
}

// sqliteBench returns a store on a file with WAL, the given setting of synchronous and the given
// number of connections.
func sqliteBench(t testing.TB, synchronous string, most int) session.Store {
	t.Helper()
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(" + synchronous + ")"}}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "bench.db")+"?"+pragmas.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	s := sqlstore.New(db, sqlstore.SQLite, longTimeout)
	migrate(t, s)
	return s
}

// BenchmarkRotate measures rotations, each of another session.
func BenchmarkRotate(b *testing.B) {
	for _, open := range benchStores {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", open.name, callers), func(b *testing.B) {
				s := open.open(b)
				signIns(b, s, b.N, 1)
				b.ReportAllocs()
				b.ResetTimer()
				began := time.Now()
				each(b, callers, b.N, func(i int) error {
					r, err := s.Refresh(context.Background(), session.RefreshParams{
						UserID: benchUser(i), ID: benchID(i, 0), Presented: session.Presentation{Generation: 1}, Policy: benchPolicy, RevokeUser: true,
					})
					if err == nil && r.Outcome != session.Rotated {
						err = fmt.Errorf("outcome %v", r.Outcome)
					}
					return err
				})
				b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "calls/s")
			})
		}
	}
}

// BenchmarkSignIn measures sign-ins, each of another user.
func BenchmarkSignIn(b *testing.B) {
	for _, open := range benchStores {
		b.Run(open.name+"/callers=64", func(b *testing.B) {
			s := open.open(b)
			began := time.Now()
			signIns(b, s, b.N, 1)
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "calls/s")
		})
	}
}

func benchUser(i int) string { return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i) }

func benchID(i, nth int) session.ID {
	return session.ID{byte(nth), byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24), 15: 1}
}

// signIns signs users in, with the given number of sessions each.
func signIns(t testing.TB, s session.Store, users, each_ int) {
	t.Helper()
	each(t, 64, users*each_, func(i int) error {
		_, err := s.Create(context.Background(), session.CreateParams{
			UserID: benchUser(i % users), ID: benchID(i%users, i/users), Policy: benchPolicy, Max: 100,
		})
		return err
	})
}

// each makes n calls, spread over the given number of callers.
func each(t testing.TB, callers, n int, call func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := call(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkSize measures the size of a session on disk, table and indexes, for users whose ids have
// 36 characters: after the sign-in, and after three more generations. One iteration is enough
// (-benchtime 1x).
func BenchmarkSize(b *testing.B) {
	users := 10_000
	if testing.Short() {
		users = 100
	}
	kinds := []struct {
		name string
		open func(testing.TB) (*sqlstore.Store, *sql.DB)
		size string
	}{
		{"postgresql", func(t testing.TB) (*sqlstore.Store, *sql.DB) {
			db := postgresAt(testenv.Postgres(t, "-c", "fsync=off").Addr).pool(t)
			return sqlstore.New(db, sqlstore.Postgres, longTimeout), db
		}, "SELECT pg_total_relation_size('lucia_sessions')"},
		{"sqlite", func(t testing.TB) (*sqlstore.Store, *sql.DB) {
			db := sqliteAt(filepath.Join(t.TempDir(), "bench.db")).pool(t)
			return sqlstore.New(db, sqlstore.SQLite, longTimeout), db
		}, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"},
	}
	for _, kind := range kinds {
		for _, sessions := range []int{1, 3} {
			b.Run(fmt.Sprintf("%s/sessions=%d", kind.name, sessions), func(b *testing.B) {
				for range b.N {
					s, db := kind.open(b)
					migrate(b, s)
					signIns(b, s, users, sessions)
					n := users * sessions
					b.ReportMetric(float64(count(b, db, kind.size))/float64(n), "bytes/session")
					for generation := range session.Generation(3) {
						each(b, 16, n, func(i int) error {
							_, err := s.Refresh(context.Background(), session.RefreshParams{
								UserID: benchUser(i % users), ID: benchID(i%users, i/users), Policy: session.Policy{Idle: time.Hour, Lifetime: 24 * time.Hour},
								Presented: session.Presentation{Generation: generation + 2, IssuedAt: 1, ExpiresAt: 1 << 50},
							})
							return err
						})
					}
					b.ReportMetric(float64(count(b, db, kind.size))/float64(n), "bytes/used-session")
				}
			})
		}
	}
}
