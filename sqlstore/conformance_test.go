package sqlstore_test

import (
	"testing"

	"github.com/lucia-go/lucia/session/sessiontest"
	"github.com/lucia-go/lucia/sqlstore"
)

func TestConforms(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return harness(t, d, db) })
	})
}

// TestConformsToTheMillisecond uses a clock that stands still, so that the suite tests each
// boundary of the rule to the millisecond.
func TestConformsToTheMillisecond(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return frozen(t, d, db) })
	})
}

// TestConformsOnOneConnection uses a pool of one connection, as docs/sql.md recommends for SQLite.
// A call that needs two would hang.
func TestConformsOnOneConnection(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		db.SetMaxOpenConns(1)
		sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return harness(t, d, db) })
	})
}

// TestConformsWhereTransactionsAreSerializable uses a server whose default isolation level makes
// transactions fail that cannot be serialized.
func TestConformsWhereTransactionsAreSerializable(t *testing.T) {
	t.Parallel()
	d := databases[0].open(t)
	d.url += "&default_transaction_isolation=serializable"
	db := d.pool(t)
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return harness(t, d, db) })
}

// TestConformsWithoutWAL runs without the write-ahead log and without busy_timeout, so that readers
// and writers conflict. Each case has a file and a pool of its own: while others write, a
// connection that is older than a table reports "no such table" instead of "database is locked".
func TestConformsWithoutWAL(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
		d := database{"sqlite", "file:" + t.TempDir() + "/test.db?_pragma=synchronous(OFF)", sqlstore.SQLite}
		table, name := newTable()
		migrate(t, sqlstore.New(d.pool(t), d.dialect, table, longTimeout))
		db := d.pool(t)
		return sessiontest.Harness{Store: sqlstore.New(db, d.dialect, table, longTimeout), Snapshot: snapshots(t, db, name)}
	})
}

// TestLongHistories runs longer histories than the suite does, one for each of its policies.
func TestLongHistories(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		steps := 3000
		if testing.Short() {
			steps = 1000
		}
		seed := sessiontest.Seed(t)
		for i := range uint64(4) {
			sessiontest.Model(t, frozen(t, d, db), seed+i, steps)
		}
	})
}
