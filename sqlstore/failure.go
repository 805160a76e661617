package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// The errors of the store itself. Its other errors wrap the driver's.
var (
	// ErrConflict reports that other calls changed the same sessions again and again.
	ErrConflict = errors.New("sqlstore: other calls keep changing the session")
	// ErrReadOnly reports that the database is read-only: it is a replica or configured so. A
	// session that it does not have may exist elsewhere.
	ErrReadOnly = errors.New("sqlstore: the database is read-only")
	// ErrRecord reports that a row is not a valid record, because another program changed it.
	ErrRecord = errors.New("sqlstore: malformed row")
)

// failure is what an error means for another attempt.
type failure int

const (
	// final: another attempt would fail, too, or is not allowed.
	final failure = iota
	// conflict: another transaction came first. Nothing has happened.
	conflict
	// locked: another transaction holds a lock. Nothing has happened.
	locked
	// lost: the connection broke. It is unknown whether the step has happened, and repeating it
	// is harmless.
	lost
)

// failureOf classifies an error of any database.
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

// postgresFailure classifies an error by its SQLSTATE, which pgx and lib/pq expose by the same
// method. An error without one comes from the network.
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
	// Connection; the server stops or starts.
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P0"):
		return lost
	}
	return final
}

// sqliteFailure classifies an error by its text, which comes from SQLite and is the same in every
// driver. The drivers' error types have nothing in common.
func sqliteFailure(err error) failure {
	if text := err.Error(); strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked") {
		return locked
	}
	return final
}
