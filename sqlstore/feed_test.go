package sqlstore_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/session/sessiontest"
	"github.com/lucia-go/lucia/sqlstore"
)

func TestFeedConforms(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		here, there := d.pool(t), d.pool(t)
		sessiontest.RunFeed(t, func(t *testing.T) sessiontest.FeedHarness {
			table, name := newTable()
			a := sqlstore.New(here, d.dialect, table, longTimeout)
			migrate(t, a)
			return sessiontest.FeedHarness{
				Feed: a, Other: sqlstore.New(there, d.dialect, table, longTimeout),
				Lose: func() { execute(t, here, "DELETE FROM "+name+"_feed") },
			}
		})
	})
}

// TestFeedDropsOldNotices checks that Publish deletes old notices and that no id is used twice: a
// reader misses nothing, although all rows that it has read are deleted.
func TestFeedDropsOldNotices(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		s := d.store(t, longTimeout)
		db := d.pool(t)
		notice := session.Notice{Kind: session.NoticeEnd, UserID: "u1", IssuedUntil: 1}
		var at session.FeedPosition
		for round := range 10 {
			for range 20 {
				notice.IssuedUntil++
				if err := s.Publish(t.Context(), notice, time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			got, next, err := s.ReadFeed(t.Context(), at)
			if err != nil || len(got) < 20 || got[len(got)-1] != notice {
				t.Fatalf("round %d: %d notices, %v", round, len(got), err)
			}
			at = next
			execute(t, db, "UPDATE "+sqlstore.DefaultTable+"_feed SET expires_at = 1")
		}
		var rows int
		if err := db.QueryRow("SELECT count(*) FROM " + sqlstore.DefaultTable + "_feed").Scan(&rows); err != nil || rows > 20 {
			t.Errorf("%d rows are left, %v", rows, err)
		}
	})
}

// TestFeedReadsOnBehindWhatItCannotRead checks that a result without notices is the end of the
// feed, however many rows it has left out: another program's, or those of a newer version.
func TestFeedReadsOnBehindWhatItCannotRead(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		s := d.store(t, longTimeout)
		db := d.pool(t)
		notice := session.Notice{Kind: session.NoticeEnd, UserID: "u1", IssuedUntil: 1}
		var at session.FeedPosition
		for range 2 {
			execute(t, db, "INSERT INTO "+sqlstore.DefaultTable+"_feed (kind, user_id, session_id, issued_until, expires_at) "+
				"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) SELECT 'newer', 'u', '', 1, 9000000000000 FROM n")
			if err := s.Publish(t.Context(), notice, time.Hour); err != nil {
				t.Fatal(err)
			}
			got, next, err := s.ReadFeed(t.Context(), at)
			if err != nil || len(got) != 1 || got[0] != notice {
				t.Errorf("ReadFeed from %q = %v, %v", at, got, err)
			}
			if got, again, err := s.ReadFeed(t.Context(), next); err != nil || len(got) > 0 || again != next {
				t.Errorf("ReadFeed at the end = %v, %q, %v", got, again, err)
			}
			at = next
		}
	})
}
