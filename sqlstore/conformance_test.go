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

// With a clock that stands still, every boundary of the rule is tested to the millisecond.
func TestConformsToTheMillisecond(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return frozen(t, d, db) })
	})
}

// The guide recommends a pool of one connection for SQLite. A store that needs two would hang.
func TestConformsOnOneConnection(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		db.SetMaxOpenConns(1)
		sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return harness(t, d, db) })
	})
}

// A server may be configured for an isolation level that refuses transactions that are not
// serializable.
func TestConformsWhereTransactionsAreSerializable(t *testing.T) {
	t.Parallel()
	d := databases[0].open(t)
	d.url += "&default_transaction_isolation=serializable"
	db := d.pool(t)
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return harness(t, d, db) })
}

// TestConformsWithoutWAL runs without the write-ahead log and without busy_timeout, so that
// readers and writers conflict. Each case has a file and a pool of its own, because a connection
// that is older than a table reports "no such table" instead of "database is locked" while others
// write.
func TestConformsWithoutWAL(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
		d := database{"sqlite", "file:" + t.TempDir() + "/test.db?_pragma=synchronous(OFF)", sqlstore.SQLite}
		table, name := newTable()
		migrate(t, sqlstore.New(d.pool(t), d.dialect, table, unhurried))
		db := d.pool(t)
		return sessiontest.Harness{Store: sqlstore.New(db, d.dialect, table, unhurried), Snapshot: snapshots(t, db, name)}
	})
}

// Longer histories than the suite has, one for each of its policies.
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
