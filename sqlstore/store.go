package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Store implements [session.Store] on a table of a database. [New] makes a Store. A Store is safe
// for concurrent use. It has nothing to close, because the pool of connections belongs to the
// caller.
type Store struct {
	db      *sql.DB
	dialect Dialect
	table   string
	timeout time.Duration
	schema  string
	q       queries
	feed    feedQueries
	writer  chan struct{} // holds the call that may write; nil if all may at once
	created atomic.Uint32 // number of calls of Create, for the sweep
}

var _ session.Store = (*Store)(nil)

// New returns a store that keeps sessions through db, which the app opened with a driver of its
// choice. It does not talk to the database. The table must exist before the first call;
// [Store.Migrate] or the statements of [Schema] create it.
//
// New panics if d is neither [Postgres] nor [SQLite], or if d is [SQLite] and the table name has
// a schema.
func New(db *sql.DB, d Dialect, opts ...Option) *Store {
	if d.dialect == nil {
		panic("sqlstore: no dialect")
	}
	c := configOf(opts)
	if !d.schemas && strings.Contains(c.table, ".") {
		panic("sqlstore: on " + d.name + " the table " + c.table + " can have no schema")
	}
	s := &Store{
		db: db, dialect: d, table: c.table, timeout: c.timeout, schema: Schema(d, opts...), q: d.queries(c.table),
		feed: d.feedQueries(c.table),
	}
	if d.oneWriter {
		s.writer = make(chan struct{}, 1)
	}
	return s
}

// Create implements [session.Store]. Its error wraps [session.CodeDatabaseUpdateFailed] and the
// cause.
func (s *Store) Create(ctx context.Context, p session.CreateParams) (session.CreateResult, error) {
	r, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (r session.CreateResult, err error) {
		user := userText(p.UserID)
		err = s.aloneInTx(ctx, c, user, func() error {
			r = session.CreateResult{}
			now, held, err := s.load(ctx, c, s.q.listLocked, user)
			if err != nil {
				return err
			}
			live, expired := split(held, p.ID, now)
			ended, ok := session.MakeRoom(live, p)
			if !ok {
				return nil
			}
			if err := s.drop(ctx, c, user, append(expired, ended...)); err != nil {
				return err
			}
			r = session.CreateResult{Record: session.Begin(p.Policy, now), Ended: ended}
			args := slices.Concat([]any{user, p.ID.String()}, fields(r.Record), detailFields(p.Details))
			if _, err := c.ExecContext(ctx, s.q.insert, args...); err != nil {
				return err
			}
			return s.sweep(ctx, c, now)
		})
		return r, err
	})
	if err != nil {
		return session.CreateResult{}, fail("create", session.CodeDatabaseUpdateFailed, err)
	}
	return r, nil
}

// Refresh implements [session.Store]. Its error wraps [session.CodeDatabaseFetchFailed] and the
// cause. A read-only database may have missed the session, so the result is then an error and
// never [session.Missing].
func (s *Store) Refresh(ctx context.Context, p session.RefreshParams) (session.RefreshResult, error) {
	r, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (r session.RefreshResult, err error) {
		user := userText(p.UserID)
		rec, now, err := s.read(ctx, c, user, p.ID)
		if err != nil {
			return r, err
		}
		r.Now = now
		r.Outcome, r.Record = session.Refresh(rec, p.Presented, p.Policy, now)
		if r.Record == rec && r.Outcome != session.Missing {
			return r, nil
		}
		return r, s.alone(ctx, func() error {
			switch {
			case r.Outcome == session.Missing:
				return s.mayWrite(ctx, c, user, p.ID)
			case r.Outcome != session.Reused:
				return s.one(ctx, c, s.q.update, user, p.ID, rec, fields(r.Record)...)
			case !p.RevokeUser:
				return s.one(ctx, c, s.q.remove, user, p.ID, rec)
			}
			return s.inTx(ctx, c, user, func() error {
				if err := s.one(ctx, c, s.q.remove, user, p.ID, rec); err != nil {
					return err
				}
				_, err := c.ExecContext(ctx, s.q.deleteUser, user)
				return err
			})
		})
	})
	if err != nil {
		return session.RefreshResult{}, fail("refresh", session.CodeDatabaseFetchFailed, err)
	}
	return r, nil
}

// Confirm implements [session.Store]. Its error wraps [session.CodeDatabaseUpdateFailed] and the
// cause.
func (s *Store) Confirm(ctx context.Context, p session.ConfirmParams) error {
	_, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (none struct{}, err error) {
		user := userText(p.UserID)
		rec, now, err := s.read(ctx, c, user, p.ID)
		if err != nil {
			return none, err
		}
		after, changed := session.Confirm(rec, p.Generation, p.HandedAt, p.Policy, now)
		return none, s.alone(ctx, func() error {
			if !changed {
				return s.mayWrite(ctx, c, user, p.ID)
			}
			return s.one(ctx, c, s.q.update, user, p.ID, rec, fields(after)...)
		})
	})
	if err != nil {
		return fail("confirm", session.CodeDatabaseUpdateFailed, err)
	}
	return nil
}

// Delete implements [session.Store]. Its error wraps [session.CodeDatabaseUpdateFailed] and the
// cause.
func (s *Store) Delete(ctx context.Context, userID string, id session.ID) error {
	_, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (none struct{}, err error) {
		return none, s.alone(ctx, func() error {
			_, err := c.ExecContext(ctx, s.q.delete, userText(userID), id.String())
			return err
		})
	})
	if err != nil {
		return fail("delete", session.CodeDatabaseUpdateFailed, err)
	}
	return nil
}

// DeleteUser implements [session.Store]. Its error wraps [session.CodeDatabaseUpdateFailed] and
// the cause.
func (s *Store) DeleteUser(ctx context.Context, userID string) error {
	_, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (none struct{}, err error) {
		user := userText(userID)
		return none, s.aloneInTx(ctx, c, user, func() error {
			_, err := c.ExecContext(ctx, s.q.deleteUser, user)
			return err
		})
	})
	if err != nil {
		return fail("delete user", session.CodeDatabaseUpdateFailed, err)
	}
	return nil
}

// List implements [session.Store]. It leaves out malformed rows, so that one of them does not
// hide the others. Its error wraps [session.CodeDatabaseFetchFailed] and the cause.
func (s *Store) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	live, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (map[session.ID]session.Entry, error) {
		now, held, err := s.load(ctx, c, s.q.list, userText(userID))
		if err != nil {
			return nil, err
		}
		live := make(map[session.ID]session.Entry, len(held))
		for _, e := range held {
			if e.rec.Live(now) {
				live[e.id] = session.Entry{Record: e.rec, Details: e.details}
			}
		}
		return live, nil
	})
	if err != nil {
		return nil, fail("list", session.CodeDatabaseFetchFailed, err)
	}
	return live, nil
}

// read returns a session's record and the time.
func (s *Store) read(ctx context.Context, c *sql.Conn, user string, id session.ID) (session.Record, session.Instant, error) {
	var r row
	err := c.QueryRowContext(ctx, s.q.read, user, id.String()).Scan(append([]any{&r.now, &r.readOnly}, r.scan()...)...)
	if err != nil {
		return session.Record{}, 0, err
	}
	if r.readOnly {
		return session.Record{}, 0, ErrReadOnly
	}
	rec, err := r.record()
	return rec, session.Instant(r.now), err
}

// mayWrite returns an error if the database is read-only. It does nothing if read has already
// checked that, which depends on the dialect.
func (s *Store) mayWrite(ctx context.Context, c *sql.Conn, user string, id session.ID) error {
	if s.q.probe == "" {
		return nil
	}
	_, err := c.ExecContext(ctx, s.q.probe, user, id.String())
	return err
}

// one executes a statement on the row of a session if the row still holds rec. Otherwise it
// returns errChanged.
func (s *Store) one(ctx context.Context, c *sql.Conn, query, user string, id session.ID, rec session.Record, more ...any) error {
	result, err := c.ExecContext(ctx, query, slices.Concat([]any{user, id.String()}, fields(rec), more)...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = errChanged
	}
	return err
}

// entry is a session of a user.
type entry struct {
	id      session.ID
	rec     session.Record
	details session.Details
}

// load returns the user's sessions, including expired ones, and the time.
func (s *Store) load(ctx context.Context, c *sql.Conn, query, user string) (now session.Instant, held []entry, err error) {
	rows, err := c.QueryContext(ctx, query, user)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(slices.Concat([]any{&r.now, &r.id}, r.scan(), r.scanDetails())...); err != nil {
			return 0, nil, err
		}
		now = max(now, session.Instant(r.now))
		id, badID := session.ParseID(r.id)
		rec, badRecord := r.record()
		if badID == nil && badRecord == nil {
			held = append(held, entry{id, rec, r.details()})
		}
	}
	return now, held, rows.Err()
}

// split returns the live sessions and the ids of the expired ones. It leaves out the session that a
// Create replaces.
func split(held []entry, replaced session.ID, now session.Instant) (live []session.Candidate, expired []session.ID) {
	for _, e := range held {
		switch {
		case e.id == replaced:
		case e.rec.Live(now):
			live = append(live, session.Candidate{ID: e.id, IssuedAt: e.rec.IssuedAt, ActorID: e.details.ActorID})
		default:
			expired = append(expired, e.id)
		}
	}
	return live, expired
}

// dropAtOnce is how many sessions one statement deletes. It is far below the number of parameters
// that the databases allow.
const dropAtOnce = 100

// drop deletes sessions of the user.
func (s *Store) drop(ctx context.Context, c *sql.Conn, user string, ids []session.ID) error {
	for batch := range slices.Chunk(ids, dropAtOnce) {
		args := []any{user}
		for _, id := range batch {
			args = append(args, id.String())
		}
		if _, err := c.ExecContext(ctx, s.dialect.deleteSome(s.table, len(batch)), args...); err != nil {
			return err
		}
	}
	return nil
}

// Every eighth Create sweeps: it deletes up to 64 sessions, of any users, that expired before
// today. So up to eight sessions are deleted for each new one, and expired sessions do not
// accumulate.
const (
	sweepEvery = 8
	sweepRows  = 64
	day        = 24 * time.Hour
)

// sweep deletes expired sessions if it is this Create's turn.
func (s *Store) sweep(ctx context.Context, c *sql.Conn, now session.Instant) error {
	if s.created.Add(1)%sweepEvery != 0 {
		return nil
	}
	_, err := c.ExecContext(ctx, s.q.sweep, int64(now)/day.Milliseconds())
	return err
}

// fail returns an error that names the operation and wraps the code and the cause.
func fail(op string, code session.Code, cause error) error {
	return fmt.Errorf("sqlstore: %s: %w: %w", op, code, cause)
}
