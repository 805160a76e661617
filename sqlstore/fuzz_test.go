package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// FuzzRow writes any row into each of the store's tables, as another program or an operator may.
// The store refuses or skips the row, or reads values that it would write in this form. Other rows
// are read in any case, and the session of a malformed row can be ended.
func FuzzRow(f *testing.F) {
	const id = "c2Vzc2lvbi1zYW1wbGUtMQ"
	const far = 1 << 47
	f.Add(id, int64(1), int64(0), int64(far), "Firefox on Linux", "203.0.113.0/24", "root", "end", int64(1700000000))
	f.Add(id, int64(2), int64(1), int64(far), `caf\\\xc3`, "2001:db8::/48", "", "reload", int64(-1))
	f.Add("no id", int64(1), int64(0), int64(far), "", "", "", "end", int64(1))
	f.Add(id, int64(1)<<32, int64(0), int64(far), `\xzz`, "nowhere", `\`, "newer", int64(1))
	f.Add(id, int64(-1), int64(-1)<<63, int64(1)<<62, `\x4`, "203.0.113.9/24", `\x41`, "end", int64(1)<<62)
	f.Add(id, int64(0), int64(0), int64(0), strings.Repeat("x", 300), "::ffff:203.0.113.0/120", "\xff", "", int64(0))
	f.Add(id, int64(1), int64(5), int64(-1)<<63, "a\nb\u202e", "fe80::1%eth0/64", `root\`, "END", int64(0))
	f.Add("", int64(1), int64(0), int64(far), "", "", "", "end", int64(1))
	d := sqliteAt(filepath.Join(f.TempDir(), "fuzz.db"))
	db := d.pool(f)
	db.SetMaxOpenConns(1) // a pragma concerns one connection
	store := sqlstore.New(db, d.dialect, longTimeout)
	migrate(f, store)
	execute(f, db, "PRAGMA ignore_check_constraints = 1", "PRAGMA synchronous = OFF")
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, sessionID string, generation, confirmed, expires int64, label, address, actor, kind string, until int64) {
		other := session.ID{9}
		execute(t, db, "DELETE FROM lucia_sessions", "DELETE FROM lucia_sessions_feed")
		before := create(t, store, "ann", other, long, 5)
		_, err := db.ExecContext(ctx, "INSERT INTO lucia_sessions (user_id, session_id, generation, issued_at, confirmed_at, created_at, expires_at, label, address, actor)"+
			" VALUES ('ann', ?, ?, ?, ?, ?, ?, ?, ?, ?)", sessionID, generation, before.IssuedAt, confirmed, before.CreatedAt, expires, label, address, actor)
		if err != nil {
			t.Skip("the database refuses the row")
		}
		live, err := store.List(ctx, "ann")
		if err != nil || sessionID != other.String() && live[other].Record != before {
			t.Fatalf("List = %v, %v", live, err)
		}
		for id, e := range live {
			if id == other {
				continue
			}
			if id.String() != sessionID || int64(e.Generation) != generation || int64(e.ExpiresAt) != expires || generation == 0 {
				t.Errorf("session %v %+v is read from the row %q, %d, %d", id, e.Record, sessionID, generation, expires)
			}
			if len(e.Label) > session.MaxLabelBytes || e.Address != (netip.Prefix{}) && e.Address.String() != address {
				t.Errorf("details %+v are read from %q and %q", e.Details, label, address)
			}
			for read, stored := range map[string]string{e.Label: label, e.ActorID: actor} {
				if read != "" && sqlstore.UserText(read) != stored {
					t.Errorf("%q is read from %q", read, stored)
				}
			}
		}
		id, err := session.ParseID(sessionID)
		if err == nil && id != other {
			checkCalls(t, store, id, session.Generation(generation))
		}
		if rec := refresh(t, store, other); rec.CreatedAt != before.CreatedAt {
			t.Errorf("the other session is %+v, want %+v", rec, before)
		}
		checkNotices(t, store, sessionID, label, kind, until)
	})
}

func refresh(t *testing.T, store *sqlstore.Store, id session.ID) session.Record {
	t.Helper()
	r, err := store.Refresh(t.Context(), session.RefreshParams{UserID: "ann", ID: id, Policy: long, Presented: session.Presentation{Generation: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Record
}

// checkCalls makes the calls that concern the session of any row.
func checkCalls(t *testing.T, store *sqlstore.Store, id session.ID, g session.Generation) {
	t.Helper()
	r, err := store.Refresh(t.Context(), session.RefreshParams{UserID: "ann", ID: id, Policy: long, Presented: session.Presentation{Generation: g}})
	if err != nil && (!errors.Is(err, sqlstore.ErrRecord) || r != session.RefreshResult{}) {
		t.Errorf("Refresh = %+v, %v", r, err)
	}
	if err == nil && r.Outcome.Alive() && !r.Record.Live(r.Now) {
		t.Errorf("Refresh = %+v, which has ended", r)
	}
	err = store.Confirm(t.Context(), session.ConfirmParams{UserID: "ann", ID: id, Generation: g, HandedAt: 1, Policy: long})
	if err != nil && !errors.Is(err, sqlstore.ErrRecord) {
		t.Errorf("Confirm: %v", err)
	}
	if err := store.Delete(t.Context(), "ann", id); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if live, err := store.List(t.Context(), "ann"); err != nil || len(live) != 1 {
		t.Errorf("List = %v, %v after Delete", live, err)
	}
}

// checkNotices writes any row into the feed.
func checkNotices(t *testing.T, store *sqlstore.Store, sessionID, user, kind string, until int64) {
	t.Helper()
	last := session.Notice{Kind: session.NoticeEnd, UserID: "u9", IssuedUntil: 9}
	if err := store.PublishRow(t.Context(), kind, user, sessionID, until); err != nil {
		t.Skip("the database refuses the row")
	}
	if err := store.Publish(t.Context(), last, time.Hour); err != nil {
		t.Fatal(err)
	}
	got, next, err := store.ReadFeed(t.Context(), "")
	if err != nil || next == "" || len(got) == 0 || len(got) > 2 || got[len(got)-1] != last {
		t.Fatalf("ReadFeed = %+v, %q, %v", got, next, err)
	}
	if n := got[0]; len(got) == 2 {
		id := ""
		if (n.SessionID != session.ID{}) {
			id = n.SessionID.String()
		}
		row := fmt.Sprint(n.Kind, " ", sqlstore.UserText(n.UserID), " ", id, " ", n.IssuedUntil)
		if want := fmt.Sprint(kind, " ", user, " ", sessionID, " ", until); row != want || session.CheckUserID(n.UserID) != nil {
			t.Errorf("the row %q is read as %q", want, row)
		}
	}
}
