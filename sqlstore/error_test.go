package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// operations are the store's methods, each with the code of its errors.
var operations = []struct {
	name string
	code session.Code
	call func(context.Context, session.Store) error
}{
	{"Create", session.CodeDatabaseUpdateFailed, func(ctx context.Context, s session.Store) error {
		_, err := s.Create(ctx, session.CreateParams{UserID: "ann", ID: session.ID{1}, Policy: long, Max: 5})
		return err
	}},
	{"Refresh", session.CodeDatabaseFetchFailed, func(ctx context.Context, s session.Store) error {
		_, err := refreshOf(1, 1, true)(ctx, s)
		return err
	}},
	{"Confirm", session.CodeDatabaseUpdateFailed, func(ctx context.Context, s session.Store) error {
		return s.Confirm(ctx, session.ConfirmParams{UserID: "ann", ID: session.ID{1}, Generation: 1, HandedAt: 1})
	}},
	{"Delete", session.CodeDatabaseUpdateFailed, func(ctx context.Context, s session.Store) error {
		return s.Delete(ctx, "ann", session.ID{1})
	}},
	{"DeleteUser", session.CodeDatabaseUpdateFailed, func(ctx context.Context, s session.Store) error {
		return s.DeleteUser(ctx, "ann")
	}},
	{"List", session.CodeDatabaseFetchFailed, func(ctx context.Context, s session.Store) error {
		_, err := s.List(ctx, "ann")
		return err
	}},
	{"Publish", session.CodeDatabaseUpdateFailed, func(ctx context.Context, s session.Store) error {
		return s.(session.Feed).Publish(ctx, session.Notice{Kind: session.NoticeEnd, UserID: "ann", IssuedUntil: 1}, time.Hour)
	}},
	{"ReadFeed", session.CodeDatabaseFetchFailed, func(ctx context.Context, s session.Store) error {
		_, _, err := s.(session.Feed).ReadFeed(ctx, "")
		return err
	}},
}

func TestErrorsCarryTheirCode(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	store := postgresAt(server.Addr).store(t, longTimeout)
	server.Kill()
	for _, op := range operations {
		err := op.call(context.Background(), store)
		if session.CodeOf(err) != op.code {
			t.Errorf("%s: %v, want code %s", op.name, err, op.code)
		}
		if _, ok := errors.AsType[*net.OpError](err); !ok {
			t.Errorf("%s: %v does not wrap the cause", op.name, err)
		}
	}
}

// TestMissingTableIsAnError checks that calls without Migrate fail with an error that names the
// table, and that no user is signed out.
func TestMissingTableIsAnError(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		store := sqlstore.New(d.pool(t), d.dialect, longTimeout)
		for _, op := range operations {
			if err := op.call(context.Background(), store); session.CodeOf(err) != op.code || !strings.Contains(err.Error(), "lucia_sessions") {
				t.Errorf("%s: %v, want code %s and the table's name", op.name, err, op.code)
			}
		}
	})
}

// TestReadOnlyDatabaseReportsNoSessionMissing checks that a read-only database signs no user out.
// It may have missed the session.
func TestReadOnlyDatabaseReportsNoSessionMissing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, refusal string
		open          func(*testing.T) (good, readOnly database)
	}{
		{"replica cut off from its primary", sqlstore.ErrReadOnly.Error(), func(t *testing.T) (good, readOnly database) {
			primary := testenv.Postgres(t)
			migrate(t, postgresAt(primary.Addr).store(t, longTimeout))
			link := testenv.NewProxy(t, primary.Addr)
			replica := primary.FollowThrough(link.Addr)
			link.Hold()
			return postgresAt(primary.Addr), postgresAt(replica.Addr)
		}},
		{"PostgreSQL set to read-only", sqlstore.ErrReadOnly.Error(), func(t *testing.T) (good, readOnly database) {
			good = postgresAt(testenv.Postgres(t).Addr)
			readOnly = good
			readOnly.url += "&default_transaction_read_only=on"
			return good, readOnly
		}},
		{"SQLite file opened read-only", "readonly", func(t *testing.T) (good, readOnly database) {
			good = databases[1].open(t)
			readOnly = good
			readOnly.url += "&mode=ro"
			return good, readOnly
		}},
		{"SQLite set to read-only", "readonly", func(t *testing.T) (good, readOnly database) {
			good = databases[1].open(t)
			readOnly = good
			readOnly.url += "&" + url.Values{"_pragma": {"query_only(1)"}}.Encode()
			return good, readOnly
		}},
	}
	// Refreshes by ann that a writable database answers with Missing.
	missing := []session.RefreshParams{
		{ID: session.ID{9}, Presented: session.Presentation{Generation: 1}},                            // no such session
		{ID: session.ID{2}, Presented: session.Presentation{Generation: 1}},                            // expired session
		{ID: session.ID{1}, Presented: session.Presentation{Generation: 7, IssuedAt: 1, ExpiresAt: 2}}, // expired token of a lost generation
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			good, readOnly := tt.open(t)
			store := good.store(t, longTimeout)
			create(t, store, "ann", session.ID{1}, long, 5)
			brief := long
			brief.Idle = time.Millisecond
			create(t, store, "ann", session.ID{2}, brief, 5)
			pass(t, store)
			pass(t, store) // session 2 expires
			bad := sqlstore.New(readOnly.pool(t), readOnly.dialect, longTimeout)
			for i, m := range missing {
				m.UserID, m.Policy, m.RevokeUser = "ann", long, true
				if r, err := store.Refresh(ctx, m); err != nil || r.Outcome != session.Missing {
					t.Errorf("refresh %d: %v, %v, want missing", i, r.Outcome, err)
				}
				r, err := bad.Refresh(ctx, m)
				if session.CodeOf(err) != session.CodeDatabaseFetchFailed || !strings.Contains(err.Error(), tt.refusal) {
					t.Errorf("refresh %d, read-only: %v, %v, want %s around %q", i, r.Outcome, err, session.CodeDatabaseFetchFailed, tt.refusal)
				}
			}
			for _, c := range []session.ConfirmParams{
				{UserID: "ann", ID: session.ID{9}, Generation: 2, HandedAt: 1},
				{UserID: "ann", ID: session.ID{1}, Generation: 7, HandedAt: 1},
			} {
				if err := bad.Confirm(ctx, c); session.CodeOf(err) != session.CodeDatabaseUpdateFailed {
					t.Errorf("Confirm of a missing session: %v, want %s", err, session.CodeDatabaseUpdateFailed)
				}
			}
			for _, op := range operations {
				reads := op.name == "List" || op.name == "ReadFeed"
				if err := op.call(ctx, bad); !reads && session.CodeOf(err) != op.code {
					t.Errorf("%s: %v, want %s", op.name, err, op.code)
				}
			}
			if live, err := store.List(ctx, "ann"); err != nil || len(live) != 1 || live[session.ID{1}].Generation != 1 {
				t.Errorf("List = %v, %v, want the one session as it was", live, err)
			}
		})
	}
}

// TestFullDiskSignsNoOneOut uses an SQLite file that cannot grow. Calls that need no space
// succeed; the others fail and change nothing.
func TestFullDiskSignsNoOneOut(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := databases[1].open(t)
	db := d.pool(t)
	db.SetMaxOpenConns(1) // the page limit belongs to the connection
	store := sqlstore.New(db, d.dialect, longTimeout)
	migrate(t, store)
	prepare(t, store)
	execute(t, db, "PRAGMA max_page_count = 1") // SQLite raises it to the current number of pages
	var refused error
	held := 0
	for ; refused == nil && held < 10_000; held++ {
		_, refused = store.Create(ctx, session.CreateParams{UserID: fmt.Sprint("user ", held), ID: session.NewID(), Policy: long, Max: 5})
	}
	if session.CodeOf(refused) != session.CodeDatabaseUpdateFailed || !strings.Contains(refused.Error(), "full") {
		t.Fatalf("after %d sign-ins: %v, want %s that wraps a full disk", held, refused, session.CodeDatabaseUpdateFailed)
	}
	if got := generations(t, store); len(got) != len(before) {
		t.Errorf("ann's sessions: %v, want %v", got, before)
	}
	for _, st := range steps {
		if st.name == "rotation" || st.name == "delete" {
			if _, err := st.call(ctx, store); err != nil {
				t.Errorf("%s: %v", st.name, err)
			}
		}
	}
	if got := generations(t, store); got[1] != 2 || got[2] != 3 || len(got) != 2 {
		t.Errorf("ann's sessions after a rotation and a sign-out: %v", got)
	}
	execute(t, db, "PRAGMA max_page_count = 1000000")
	create(t, store, "bob", session.NewID(), long, 5)
}

// TestCallsReturnInTime checks that a call returns within its timeout or by the deadline of ctx, if
// a lock is held, the pool is exhausted or the server does not answer. Without these limits it
// would take a minute or more. The store then recovers.
func TestCallsReturnInTime(t *testing.T) {
	const timeout, short, ample = 500 * time.Millisecond, 50 * time.Millisecond, patience / 2
	onDatabases(t, func(t *testing.T, d database) {
		ctx := context.Background()
		proxy := &testenv.Proxy{}
		if d.dialect == sqlstore.Postgres {
			u, err := url.Parse(d.url)
			if err != nil {
				t.Fatal(err)
			}
			proxy = testenv.NewProxy(t, u.Host)
			d = postgresAt(proxy.Addr)
		} else {
			d.url = strings.Replace(d.url, "5000", "60000", 1) // busy_timeout
		}
		db := d.pool(t)
		store := sqlstore.New(db, d.dialect, sqlstore.WithTimeout(timeout))
		patient := sqlstore.New(db, d.dialect, longTimeout)
		migrate(t, patient)
		create(t, patient, "ann", session.ID{1}, long, 5)
		obstacles := map[string]func() (remove func()){
			"lock": func() func() { return hold(t, d, db) },
			"exhausted pool": func() func() {
				db.SetMaxOpenConns(1)
				c, err := db.Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return func() { c.Close(); db.SetMaxOpenConns(connections) }
			},
		}
		if d.dialect == sqlstore.Postgres {
			obstacles["black hole"] = func() func() { proxy.Hold(); return proxy.Pass }
		}
		for name, obstruct := range obstacles {
			remove := obstruct()
			for _, op := range operations {
				switch sqlite := d.dialect == sqlstore.SQLite; {
				case name != "lock":
				case op.name == "ReadFeed", op.name == "List" && sqlite:
					continue // readers do not wait for a writer
				case op.name == "Publish" && !sqlite:
					continue // the lock is on the table of sessions
				}
				for _, limit := range []time.Duration{short, timeout} {
					ended, cancel := context.WithTimeout(ctx, limit)
					if limit == timeout {
						ended = ctx
					}
					began := time.Now()
					err := op.call(ended, store)
					cancel()
					if took := time.Since(began); session.CodeOf(err) != op.code || took > ample {
						t.Errorf("%s, %s: %v after %v, want %s after %v", name, op.name, err, took, op.code, limit)
					}
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s, %s: %v, want an exceeded deadline", name, op.name, err)
					}
				}
			}
			remove()
			for _, op := range operations {
				if err := op.call(ctx, patient); err != nil {
					t.Errorf("after %s: %s: %v", name, op.name, err)
				}
			}
		}
	})
}

// hold locks the table, or the file, until the function that it returns is called.
func hold(t *testing.T, d database, db *sql.DB) (release func()) {
	t.Helper()
	ctx := context.Background()
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{"BEGIN IMMEDIATE"}
	if d.dialect == sqlstore.Postgres {
		statements = []string{"BEGIN", "LOCK TABLE lucia_sessions"}
	}
	for _, s := range statements {
		if _, err := c.ExecContext(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return func() {
		if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}
