// Package sqlstore keeps sessions in a table of the app's own database: PostgreSQL
// or SQLite. Sessions outlive a restart, and several processes share them.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	if err != nil { … }
//	store := sqlstore.New(db, sqlstore.Postgres)
//	if err := store.Migrate(ctx); err != nil { … }
//
// The app chooses the driver: this package imports none. The tests use
// github.com/jackc/pgx/v5/stdlib for PostgreSQL and modernc.org/sqlite for SQLite.
// For a file of SQLite, the settings belong into the name, so that each connection
// of the pool has them:
//
//	db, err := sql.Open("sqlite", "file:app.db?_pragma=busy_timeout(5000)"+
//		"&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
//
// The guide, docs/sql.md, says what a database and a pool need to be set to, what is
// lost in which failure, and what a session costs.
//
// # How a call works
//
// The rule is the Go function [session.Refresh], as in memory; no SQL repeats it. A
// refresh reads the record and the database's clock, applies the rule, and writes
// where the row still holds the record that was read. If another call came first,
// it begins again. Calls that concern several sessions of a user (Create, DeleteUser,
// a reuse that ends all) run in a transaction that excludes the like for that user:
// by an advisory lock and row locks on PostgreSQL, by BEGIN IMMEDIATE on SQLite.
//
// A call is tried again after a conflict, a deadlock, a serialization failure or a
// locked file, for as long as it may take, and up to twice after its connection was
// lost: to repeat a call is harmless.
//
// Expired sessions need no job. Every eighth sign-in deletes up to 64 of those that
// expired before the current day; those of the user who signs in go at once.
package sqlstore
