package sqlstore

import (
	"strconv"
	"strings"
)

// Dialect is the SQL of a database: [Postgres] or [SQLite]. [New] panics if it is given the zero
// Dialect.
type Dialect struct{ *dialect }

// dialect is what differs between databases.
type dialect struct {
	name string
	// clock is the database's time in milliseconds since the Unix epoch.
	clock string
	// readOnly is an expression that is true if the database is read-only. If it is empty, the
	// database has no such expression, and the store tries a write.
	readOnly string
	// oneWriter is set if only one transaction may write at a time.
	oneWriter bool
	// begin begins a transaction in which each statement sees what was committed before it, or
	// one that excludes all other writers.
	begin string
	// lock waits until no other transaction holds the lock with that number, and keeps it until
	// the transaction ends. It is empty if begin has the same effect.
	lock string
	// forUpdate locks the rows that a select reads. skipLocked locks those of them that no other
	// transaction has locked.
	forUpdate, skipLocked string
	// text is the type of a text column that is compared byte by byte.
	text string
	// schemas is set if the name of a table may have a schema.
	schemas bool
	// serial and autoincrement stand before and after PRIMARY KEY. They make a column of numbers
	// that grow and are never used twice.
	serial, autoincrement string
	// options end the definition of the table.
	options string
	// numbered converts $1 to the database's form of numbered parameters.
	numbered func(string) string
	// failure classifies an error by what it means for another attempt.
	failure func(error) failure
}

// Postgres is PostgreSQL 12 or later, in a database with the encoding UTF8.
var Postgres = Dialect{&postgres}

var postgres = dialect{
	name:     "PostgreSQL",
	clock:    "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
	readOnly: "current_setting('transaction_read_only') = 'on'",
	begin:    "BEGIN ISOLATION LEVEL READ COMMITTED",
	// If the app's machine disappears, the server would keep the locks until TCP gives up, which
	// takes two hours.
	lock:       "SELECT pg_advisory_xact_lock($1), set_config('idle_in_transaction_session_timeout', '10s', true)",
	forUpdate:  "FOR UPDATE",
	skipLocked: "FOR UPDATE SKIP LOCKED",
	text:       `text COLLATE "C"`,
	// The fillfactor leaves free space in each page for the new version of a row. A rotation then
	// does not change the indexes (a HOT update).
	serial:   "bigint GENERATED ALWAYS AS IDENTITY",
	options:  " WITH (fillfactor = 80)",
	schemas:  true,
	numbered: func(query string) string { return query },
	failure:  postgresFailure,
}

// SQLite is SQLite 3.35 or later.
var SQLite = Dialect{&sqlite}

var sqlite = dialect{
	name: "SQLite",
	// Days as a float have a resolution of 0.04 ms in this century.
	clock:     "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
	oneWriter: true,
	begin:     "BEGIN IMMEDIATE",
	text:      "TEXT",
	serial:    "INTEGER", autoincrement: " AUTOINCREMENT",
	options:  " WITHOUT ROWID",
	numbered: func(query string) string { return strings.ReplaceAll(query, "$", "?") },
	failure:  sqliteFailure,
}

// String returns the name of the database.
func (d Dialect) String() string {
	if d.dialect == nil {
		return "no dialect"
	}
	return d.name
}

// queries are the statements of a store. Their first parameter is the user. The second is the
// session, if they concern one.
type queries struct {
	read, list, listLocked     string
	update, remove             string
	delete, deleteUser, insert string
	probe, sweep               string
}

// The columns of a record, in the order of [fields].
const columns = "generation, issued_at, confirmed_at, created_at, expires_at"

// The columns of the details, in the order of [detailFields].
const detailColumns = "label, address, actor"

// queries returns the statements on a table.
func (d Dialect) queries(table string) queries {
	readOnly := d.readOnly
	if readOnly == "" {
		readOnly = "0"
	}
	now, values := "SELECT "+d.clock, strings.Builder{}
	for _, column := range strings.Split(columns, ", ") {
		values.WriteString(", coalesce(s." + column + ", 0)")
	}
	list := func(lock string) string {
		// The statement reads the clock for each row, so that the last value was read after all
		// rows were locked.
		return "WITH s AS (SELECT session_id, " + columns + ", " + detailColumns + " FROM {table} WHERE user_id = $1 " + lock + ") " +
			now + ", coalesce(s.session_id, '')" + values.String() +
			", coalesce(s.label, ''), coalesce(s.address, ''), coalesce(s.actor, '') FROM (SELECT 1) AS one LEFT JOIN s ON 1 = 1"
	}
	const one = " WHERE user_id = $1 AND session_id = $2"
	same := one + " AND generation = $3 AND issued_at = $4 AND confirmed_at = $5 AND created_at = $6 AND expires_at = $7" +
		" AND expires_at > " + d.clock
	q := queries{
		read: "SELECT c.now, c.read_only" + values.String() + " FROM (" + now + " AS now, " + readOnly + " AS read_only) AS c" +
			" LEFT JOIN {table} AS s ON s.user_id = $1 AND s.session_id = $2",
		list:       list(""),
		listLocked: list(d.forUpdate),
		update:     "UPDATE {table} SET generation = $8, issued_at = $9, confirmed_at = $10, created_at = $11, expires_at = $12" + same,
		remove:     "DELETE FROM {table}" + same,
		delete:     "DELETE FROM {table}" + one,
		deleteUser: "DELETE FROM {table} WHERE user_id = $1",
		insert: "INSERT INTO {table} (user_id, session_id, " + columns + ", " + detailColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)" +
			" ON CONFLICT (user_id, session_id) DO UPDATE SET generation = excluded.generation, issued_at = excluded.issued_at," +
			" confirmed_at = excluded.confirmed_at, created_at = excluded.created_at, expires_at = excluded.expires_at," +
			" label = excluded.label, address = excluded.address, actor = excluded.actor",
		sweep: "DELETE FROM {table} WHERE (user_id, session_id) IN (SELECT user_id, session_id FROM {table}" +
			" WHERE expires_day < $1 ORDER BY expires_day LIMIT " + strconv.Itoa(sweepRows) + " " + d.skipLocked + ")",
	}
	if d.readOnly == "" {
		q.probe = "DELETE FROM {table}" + one + " AND expires_at <= " + d.clock
	}
	for _, query := range []*string{&q.read, &q.list, &q.listLocked, &q.update, &q.remove, &q.delete, &q.deleteUser, &q.insert, &q.probe, &q.sweep} {
		*query = d.numbered(strings.ReplaceAll(*query, "{table}", table))
	}
	return q
}

// deleteSome returns the statement that deletes n sessions of a user.
func (d Dialect) deleteSome(table string, n int) string {
	var b strings.Builder
	b.WriteString("DELETE FROM " + table + " WHERE user_id = $1 AND session_id IN ($2")
	for i := 3; i < n+2; i++ {
		b.WriteString(", $" + strconv.Itoa(i))
	}
	b.WriteByte(')')
	return d.numbered(b.String())
}
