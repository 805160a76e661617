package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/session/sessiontest"
	"github.com/lucia-go/lucia/sqlstore"
)

// database is an empty database for one test.
type database struct {
	driver, url string
	dialect     sqlstore.Dialect
}

// databases are the kinds of databases. open starts one.
var databases = []struct {
	name string
	open func(*testing.T) database
}{
	{"PostgreSQL", func(t *testing.T) database { return postgresAt(testenv.Postgres(t).Addr) }},
	{"SQLite", func(t *testing.T) database { return sqliteAt(filepath.Join(t.TempDir(), "test.db")) }},
}

func postgresAt(addr string) database {
	return database{"pgx", testenv.PostgresURL(addr), sqlstore.Postgres}
}

// sqliteAt returns an SQLite file with the settings that docs/sql.md recommends.
func sqliteAt(file string) database {
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"}}
	return database{"sqlite", "file:" + file + "?" + pragmas.Encode(), sqlstore.SQLite}
}

// onDatabases runs a test on a new database of each kind.
func onDatabases(t *testing.T, test func(t *testing.T, db database)) {
	t.Parallel()
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, d.open(t))
		})
	}
}

// connections is the limit of connections in the tests' pools.
const connections = 16

// pool opens the database.
func (d database) pool(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// store returns a store on the database, whose tables it has created.
func (d database) store(t testing.TB, opts ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	s := sqlstore.New(d.pool(t), d.dialect, opts...)
	migrate(t, s)
	return s
}

func migrate(t testing.TB, s *sqlstore.Store) {
	t.Helper()
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// patience is far longer than a call takes on a busy machine. It only ends a test that hangs.
const patience = time.Minute

// longTimeout is for stores whose calls must not fail because the machine is busy.
var longTimeout = sqlstore.WithTimeout(patience)

var tables atomic.Int64

// newTable returns an option with the name of a table that no other test uses, and the name.
func newTable() (sqlstore.Option, string) {
	name := fmt.Sprintf("sessions_%d", tables.Add(1))
	return sqlstore.WithTable(name), name
}

// harness returns a store on a table of its own, with the database's clock.
func harness(t *testing.T, d database, db *sql.DB, opts ...sqlstore.Option) sessiontest.Harness {
	table, name := newTable()
	s := sqlstore.New(db, d.dialect, append(opts, table, longTimeout)...)
	migrate(t, s)
	return sessiontest.Harness{Store: s, Snapshot: snapshots(t, db, name)}
}

// frozen returns a store whose clock is a table. The clock stands still until the test advances it.
func frozen(t *testing.T, d database, db *sql.DB) sessiontest.Harness {
	table, name := newTable()
	clock := "(SELECT ms FROM clock_of_" + name + ")"
	s := sqlstore.NewWithClock(db, d.dialect, clock, table, longTimeout)
	migrate(t, s)
	start := time.Now().UnixMilli()
	execute(t, db, fmt.Sprintf("CREATE TABLE clock_of_%s AS SELECT %d AS ms", name, start))
	return sessiontest.Harness{
		Store:    s,
		Snapshot: snapshots(t, db, name),
		Advance: func(by time.Duration) {
			execute(t, db, fmt.Sprintf("UPDATE clock_of_%s SET ms = ms + %d", name, by.Milliseconds()))
		},
	}
}

func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// snapshots returns a function that copies a table's rows to another table. Its result restores
// them.
func snapshots(t *testing.T, db *sql.DB, table string) func() func() {
	n := 0
	return func() func() {
		n++
		saved := fmt.Sprintf("%s_saved_%d", table, n)
		const columns = "user_id, session_id, generation, issued_at, confirmed_at, created_at, expires_at, label, address, actor"
		execute(t, db, "CREATE TABLE "+saved+" AS SELECT "+columns+" FROM "+table)
		return func() {
			execute(t, db, "DELETE FROM "+table, "INSERT INTO "+table+" ("+columns+") SELECT "+columns+" FROM "+saved)
		}
	}
}

// long is a policy whose durations do not pass during a test.
var long = session.Policy{Grace: time.Hour, Settle: time.Hour, Idle: 24 * time.Hour, Lifetime: 240 * time.Hour}

func create(t testing.TB, s session.Store, user string, id session.ID, policy session.Policy, most int) session.Record {
	t.Helper()
	r, err := s.Create(context.Background(), session.CreateParams{UserID: user, ID: id, Policy: policy, Max: most})
	if err != nil {
		t.Fatal(err)
	}
	return r.Record
}

// count returns the result of a SELECT count.
func count(t testing.TB, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
