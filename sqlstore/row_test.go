package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// TestRowsAreReadable checks that an operator can read the table without this package.
func TestRowsAreReadable(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		store := sqlstore.New(db, d.dialect, longTimeout)
		migrate(t, store)
		id := session.NewID()
		rec := create(t, store, "ann@example.com", id, long, 5)
		var sessionID string
		var generation, issued, confirmed, created, expires, day int64
		err := db.QueryRow("SELECT session_id, generation, issued_at, confirmed_at, created_at, expires_at, expires_day"+
			" FROM lucia_sessions WHERE user_id = 'ann@example.com'").Scan(&sessionID, &generation, &issued, &confirmed, &created, &expires, &day)
		if err != nil {
			t.Fatal(err)
		}
		got := session.Record{
			Generation: session.Generation(generation), IssuedAt: session.Instant(issued), ConfirmedAt: session.Instant(confirmed),
			CreatedAt: session.Instant(created), ExpiresAt: session.Instant(expires),
		}
		if got != rec || sessionID != id.String() || day != expires/(24*time.Hour).Milliseconds() {
			t.Errorf("row %s %+v, day %d, want %v %+v", sessionID, got, day, id, rec)
		}
		if off := time.Until(rec.CreatedAt.Time()).Abs(); off > time.Minute {
			t.Errorf("the database's clock is off by %v", off)
		}
	})
}

func TestUserText(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"ann":            "ann",
		"é\u0301 ユーザ\n":  "é\u0301 ユーザ\n",
		`DOMAIN\ann`:     `DOMAIN\\ann`,
		"a\x00b":         `a\x00b`,
		`a\x00b`:         `a\\x00b`,
		"\xff":           `\xff`,
		"\xc3\xa9\xc3":   `é\xc3`,
		"\ufffd":         "\ufffd",
		"\xef\xbf\xbd\\": "\ufffd" + `\\`,
	}
	for id, want := range tests {
		if got := sqlstore.UserText(id); got != want {
			t.Errorf("%q is stored as %q, want %q", id, got, want)
		}
	}
}

// FuzzUserText looks for two ids with the same form by inverting the conversion.
func FuzzUserText(f *testing.F) {
	for _, id := range []string{"", "ann", `\`, "\x00", `\x00`, "\xff", "\xc3\xa9\\"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		text, back := sqlstore.UserText(id), []byte{}
		if strings.ContainsRune(text, 0) || strings.ToValidUTF8(text, "?") != text {
			t.Errorf("%q is stored as %q, which databases refuse", id, text)
		}
		for rest := text; rest != ""; {
			var b byte
			switch {
			case strings.HasPrefix(rest, `\\`):
				back, rest = append(back, '\\'), rest[2:]
			case rest[0] == '\\':
				if _, err := fmt.Sscanf(rest[:4], `\x%02x`, &b); err != nil {
					t.Fatalf("%q is stored as %q: %v", id, text, err)
				}
				back, rest = append(back, b), rest[4:]
			default:
				back, rest = append(back, rest[0]), rest[1:]
			}
		}
		if string(back) != id {
			t.Errorf("%q is stored as %q, which is %q", id, text, back)
		}
	})
}

// TestStatements counts the statements of each operation. On PostgreSQL each is a round trip.
func TestStatements(t *testing.T) {
	want := map[string]map[string]int{ // as docs/sql.md says
		"PostgreSQL": {"Create": 5, "Refresh": 2, "Confirm": 1, "Delete": 1, "DeleteUser": 4, "List": 1, "Publish": 5, "ReadFeed": 1},
		"SQLite":     {"Create": 4, "Refresh": 2, "Confirm": 2, "Delete": 1, "DeleteUser": 3, "List": 1, "Publish": 4, "ReadFeed": 1},
	}
	onDatabases(t, func(t *testing.T, d database) {
		ctx := context.Background()
		var sent []string
		store := sqlstore.New(d.tapped(t, func(query string, done bool) {
			if !done {
				sent = append(sent, query)
			}
		}), d.dialect, longTimeout)
		migrate(t, store)
		for _, op := range operations {
			sent = nil
			if err := op.call(ctx, store); err != nil {
				t.Fatalf("%s: %v", op.name, err)
			}
			if n := want[d.dialect.String()][op.name]; len(sent) != n {
				t.Errorf("%s sent %d statements, want %d:\n%s", op.name, len(sent), n, strings.Join(sent, "\n"))
			}
		}
	})
}

// TestSignInsDeleteExpiredSessions checks that expired sessions are deleted from the table without
// a cleanup job.
func TestSignInsDeleteExpiredSessions(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		h := frozen(t, d, db)
		policy := long
		policy.Idle = time.Minute
		const users = 200
		for i := range users {
			create(t, h.Store, fmt.Sprint("old ", i), session.NewID(), policy, 5)
		}
		h.Advance(25 * time.Hour)
		for i := range users / 4 {
			create(t, h.Store, fmt.Sprint("new ", i), session.NewID(), long, 5)
		}
		if n := count(t, db, "SELECT count(*) FROM "+h.Store.(*sqlstore.Store).Table()); n != users/4 {
			t.Errorf("%d rows, want the %d of live sessions", n, users/4)
		}
	})
}

// TestExpiredSessionIsNotRestored stops a call between reading a record and writing it. The session
// expires in the meantime and must stay expired.
func TestExpiredSessionIsNotRestored(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		ctx := context.Background()
		plain := d.pool(t)
		h := frozen(t, d, plain)
		stood := false
		tapped := d.tapped(t, func(query string, done bool) {
			if !done && !stood && strings.HasPrefix(query, "UPDATE") {
				stood = true
				h.Advance(long.Idle)
			}
		})
		rec := create(t, h.Store, "ann", session.ID{1}, long, 5)
		r, err := h.Store.(*sqlstore.Store).Through(tapped).Refresh(ctx, session.RefreshParams{
			UserID: "ann", ID: session.ID{1}, Presented: session.Presentation{Generation: rec.Generation}, Policy: long,
		})
		if err != nil || r.Outcome != session.Missing || !stood {
			t.Errorf("Refresh = %v, %v, want missing", r.Outcome, err)
		}
		if live, err := h.Store.List(ctx, "ann"); err != nil || len(live) != 0 {
			t.Errorf("List = %v, %v, want nothing", live, err)
		}
	})
}

// TestRotationsAreHeapOnly checks that rotations do not change PostgreSQL's indexes.
func TestRotationsAreHeapOnly(t *testing.T) {
	t.Parallel()
	d := databases[0].open(t)
	db := d.pool(t)
	store := sqlstore.New(db, d.dialect, longTimeout)
	migrate(t, store)
	const users = 200
	signIns(t, store, users, 1)
	each(t, 8, users, func(i int) error {
		_, err := store.Refresh(context.Background(), session.RefreshParams{
			UserID: benchUser(i), ID: benchID(i, 0), Presented: session.Presentation{Generation: 1}, Policy: benchPolicy,
		})
		return err
	})
	deadline := time.Now().Add(patience)
	for { // the server updates its statistics with a delay
		var updates, heapOnly int
		err := db.QueryRow("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'lucia_sessions'").Scan(&updates, &heapOnly)
		if err != nil {
			t.Fatal(err)
		}
		if updates == users {
			if heapOnly < users*9/10 {
				t.Errorf("%d of %d updates were heap-only", heapOnly, updates)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server counts %d updates, want %d", updates, users)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestMalformedRows checks that malformed rows of other programs neither hide other sessions nor
// sign a user out.
func TestMalformedRows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := databases[1].open(t)
	db := d.pool(t)
	store := sqlstore.New(db, d.dialect, longTimeout)
	migrate(t, store)
	create(t, store, "ann", session.ID{1}, long, 5)
	create(t, store, "ann", session.ID{2}, long, 5)
	execute(t, db,
		"INSERT INTO lucia_sessions (user_id, session_id, generation, issued_at, confirmed_at, created_at, expires_at)"+
			" SELECT user_id, 'no session id', generation, issued_at, confirmed_at, created_at, expires_at FROM lucia_sessions LIMIT 1",
		"PRAGMA ignore_check_constraints = 1",
		"UPDATE lucia_sessions SET generation = 4294967296 WHERE session_id = '"+session.ID{1}.String()+"'")
	if live, err := store.List(ctx, "ann"); err != nil || !slices.Equal(slices.Collect(maps.Keys(live)), []session.ID{{2}}) {
		t.Errorf("List = %v, %v, want session 2 alone", live, err)
	}
	if _, err := store.Refresh(ctx, session.RefreshParams{UserID: "ann", ID: session.ID{1}}); !errors.Is(err, sqlstore.ErrRecord) {
		t.Errorf("Refresh = %v, want %v", err, sqlstore.ErrRecord)
	}
	create(t, store, "ann", session.ID{3}, long, 5)
	if err := store.Delete(ctx, "ann", session.ID{1}); err != nil {
		t.Error(err)
	}
	if err := store.DeleteUser(ctx, "ann"); err != nil || count(t, db, "SELECT count(*) FROM lucia_sessions") != 0 {
		t.Errorf("DeleteUser: %v, or rows remain", err)
	}
}

// TestMigrateAtOnce checks that all processes of an app may call Migrate when they start.
func TestMigrateAtOnce(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := sqlstore.New(d.pool(t), d.dialect, longTimeout).Migrate(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// TestTables checks that stores with different tables do not see each other's sessions, and that
// on PostgreSQL a table may be in a schema of its own.
func TestTables(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		names := []string{"one", "two"}
		if d.dialect == sqlstore.Postgres {
			execute(t, db, "CREATE SCHEMA auth")
			names = append(names, "auth.one")
		}
		var stores []*sqlstore.Store
		for _, name := range names {
			s := sqlstore.New(db, d.dialect, sqlstore.WithTable(name), longTimeout)
			execute(t, db, strings.SplitAfter(sqlstore.Schema(d.dialect, sqlstore.WithTable(name)), ";\n")[:2]...)
			migrate(t, s) // the table exists already
			stores = append(stores, s)
		}
		for i, s := range stores {
			create(t, s, "ann", session.ID{byte(i)}, long, 5)
		}
		for i, s := range stores {
			if live, err := s.List(context.Background(), "ann"); err != nil || len(live) != 1 || live[session.ID{byte(i)}].Generation != 1 {
				t.Errorf("sessions in %s: %v, %v", names[i], live, err)
			}
		}
	})
}

func TestOptionsPanicOnInvalidValues(t *testing.T) {
	t.Parallel()
	tests := map[string]func(){
		"no dialect":     func() { sqlstore.New(nil, sqlstore.Dialect{}) },
		"no timeout":     func() { sqlstore.WithTimeout(0) },
		"empty table":    func() { sqlstore.WithTable("") },
		"quoted table":   func() { sqlstore.WithTable(`a"; DROP TABLE users; --`) },
		"capital letter": func() { sqlstore.WithTable("Sessions") },
		"long table":     func() { sqlstore.WithTable(strings.Repeat("a", 51)) },
		"SQLite schema":  func() { sqlstore.New(nil, sqlstore.SQLite, sqlstore.WithTable("main.sessions")) },
	}
	for name, call := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

// TestDocumentedStatements runs the statements that docs/sql.md offers to the app on the table: one
// lists a user's sessions, the other ends them.
func TestDocumentedStatements(t *testing.T) {
	guide, err := os.ReadFile("../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sql\n-- the sessions of one person(.*?)```").FindSubmatch(guide)
	if block == nil {
		t.Fatal("docs/sql.md no longer shows the statements")
	}
	text := regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString("--"+string(block[1]), "")
	list, end, ok := strings.Cut(text, ";")
	if !ok || !strings.Contains(end, "DELETE") {
		t.Fatalf("docs/sql.md shows %q, want a SELECT and a DELETE", text)
	}
	sqlite := regexp.MustCompile(`to_timestamp\((\w+) / 1000\.0\)`).ReplaceAllString(list, "datetime($1 / 1000, 'unixepoch')")
	if !strings.Contains(string(block[1]), "on SQLite: datetime(created_at / 1000, 'unixepoch')") {
		t.Error("docs/sql.md no longer shows the expression for SQLite")
	}
	onDatabases(t, func(t *testing.T, d database) {
		db := d.pool(t)
		store := sqlstore.New(db, d.dialect, longTimeout)
		migrate(t, store)
		for _, user := range []string{"ann", "ann", "ben"} {
			create(t, store, user, session.NewID(), long, 5)
		}
		sessions := func() (n int) {
			t.Helper()
			query := list
			if d.dialect == sqlstore.SQLite {
				query = sqlite
			}
			rows, err := db.Query(query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for ; rows.Next(); n++ {
				var id string
				var created, issued any
				if err := rows.Scan(&id, &created, &issued); err != nil || created == nil || issued == nil {
					t.Errorf("row %q, %v, %v: %v", id, created, issued, err)
				}
			}
			if err := rows.Err(); err != nil {
				t.Error(err)
			}
			return n
		}
		if n := sessions(); n != 2 {
			t.Errorf("ann has %d sessions, want two", n)
		}
		execute(t, db, strings.TrimSuffix(strings.TrimSpace(end), ";"))
		if n := sessions(); n != 0 {
			t.Errorf("after the DELETE ann has %d sessions, want none", n)
		}
		if n := count(t, db, "SELECT COUNT(*) FROM lucia_sessions"); n != 1 {
			t.Errorf("after the DELETE the table has %d sessions, want one", n)
		}
	})
}

// TestDocumentedPermissionsSuffice uses the store as a role with the rights that docs/sql.md
// grants.
func TestDocumentedPermissionsSuffice(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	grant := regexp.MustCompile(`(?m)^GRANT .* TO app;$`).FindString(string(guide))
	if grant == "" || !strings.Contains(string(guide), strings.TrimSpace(sqlstore.Schema(sqlstore.Postgres))) {
		t.Fatal("docs/sql.md no longer shows the permissions")
	}
	d := databases[0].open(t)
	db := d.pool(t)
	migrate(t, sqlstore.New(db, d.dialect, longTimeout))
	execute(t, db, "CREATE ROLE app LOGIN", grant)
	d.url = strings.Replace(d.url, "postgres@", "app@", 1)
	store := sqlstore.New(d.pool(t), d.dialect, longTimeout)
	for range 10 { // enough for a sweep
		for _, op := range operations {
			if err := op.call(context.Background(), store); err != nil {
				t.Errorf("%s: %v", op.name, err)
			}
		}
	}
	prepare(t, store)
	for _, st := range steps {
		if _, err := st.call(context.Background(), store); err != nil {
			t.Errorf("%s: %v", st.name, err)
		}
	}
}
