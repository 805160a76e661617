// Package sqlstore keeps sessions in a table of the app's own database, PostgreSQL or SQLite.
// Sessions survive a restart, and several processes share them.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	if err != nil { … }
//	store := sqlstore.New(db, sqlstore.Postgres)
//	if err := store.Migrate(ctx); err != nil { … }
//
// The app chooses the driver: this package imports none. The tests use
// github.com/jackc/pgx/v5/stdlib for PostgreSQL and modernc.org/sqlite for SQLite. For an SQLite
// file, put the settings into the name, so that each connection of the pool has them:
//
//	db, err := sql.Open("sqlite", "file:app.db?_pragma=busy_timeout(5000)"+
//		"&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
//
// The guide, docs/sql.md, describes how to configure a database and a pool, what is lost in which
// failure, and what a session costs.
//
// # How a call works
//
// The rule is the Go function [session.Refresh], as in package memstore; no SQL repeats it. A
// refresh reads the record and the database's clock, applies the rule, and writes only if the row
// still holds the record that was read. If another call has changed the row, the refresh starts
// again. Calls that concern several sessions of a user (Create, DeleteUser, and a reuse that ends
// all sessions) run in a transaction that excludes other such calls for that user: by an advisory
// lock and row locks on PostgreSQL, by BEGIN IMMEDIATE on SQLite.
// The store repeats a call after a conflict, a deadlock, a serialization failure or a locked file,
// until its timeout. It repeats a call up to twice after a lost connection. Repeating a call is
// harmless.
//
// Expired sessions need no cleanup job. Every eighth sign-in deletes up to 64 sessions that
// expired before the current day. A sign-in also deletes the expired sessions of its own user.
package sqlstore
