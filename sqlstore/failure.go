package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// Causes of the store's own. Other errors wrap what the driver returned.
var (
	// ErrConflict: other calls changed the same sessions again and again.
	ErrConflict = errors.New("sqlstore: other calls keep changing the session")
	// ErrReadOnly: the database may only be read: it is a replica, or was set so.
	// What it does not know may have been written elsewhere, so it has no say.
	ErrReadOnly = errors.New("sqlstore: the database is read-only")
	// ErrRecord: a row was changed by something else than this package, to what is
	// no record.
	ErrRecord = errors.New("sqlstore: malformed row")
)

// failure is what an error means for a further try.
type failure int

const (
	// final: the same again would fail again, or must not be tried.
	final failure = iota
	// conflict: another transaction came first. Nothing has happened.
	conflict
	// locked: another transaction is at work. Nothing has happened.
	locked
	// lost: the connection broke. Whether the step has happened is unknown, and
	// repeating it is harmless.
	lost
)

// failureOf says what an error of any database means.
func (s *Store) failureOf(ctx context.Context, err error) failure {
	switch {
	case ctx.Err() != nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return final
	case errors.Is(err, ErrReadOnly), errors.Is(err, ErrRecord):
		return final
	case errors.Is(err, errChanged):
		return conflict
	case errors.Is(err, driver.ErrBadConn):
		return lost
	}
	return s.dialect.failure(err)
}

// postgresFailure goes by the SQLSTATE, which the errors of pgx and of lib/pq tell
// in the same way. An error without one comes from the network.
func postgresFailure(err error) failure {
	coded, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	if !ok {
		return lost
	}
	switch state := coded.SQLState(); {
	case state == "40001", state == "40P01": // serialization failure, deadlock
		return conflict
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P0"): // connection; the server stops or starts
		return lost
	}
	return final
}

// sqliteFailure goes by the text, which is SQLite's own and the same in every
// driver: their error types have nothing in common.
func sqliteFailure(err error) failure {
	if text := err.Error(); strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked") {
		return locked
	}
	return final
}
