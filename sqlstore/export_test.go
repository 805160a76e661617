package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

// NewWithClock is New with another clock: an SQL expression for the time in milliseconds.
func NewWithClock(db *sql.DB, d Dialect, clock string, opts ...Option) *Store {
	s := New(db, d, opts...)
	other := *d.dialect
	other.clock = clock
	s.q = Dialect{&other}.queries(s.table)
	return s
}

// UserText returns the form of a user id in the table.
func UserText(id string) string { return userText(id) }

// Table returns the name of the store's table.
func (s *Store) Table() string { return s.table }

// Through returns a copy of the store that uses another pool.
func (s *Store) Through(db *sql.DB) *Store {
	return &Store{db: db, dialect: s.dialect, table: s.table, timeout: s.timeout, schema: s.schema, q: s.q, writer: s.writer}
}

// PublishRow inserts any row into the table of notices.
func (s *Store) PublishRow(ctx context.Context, kind, user, sessionID string, until int64) error {
	_, err := s.db.ExecContext(ctx, s.feed.publish, kind, user, sessionID, until, time.Hour.Milliseconds())
	return err
}
