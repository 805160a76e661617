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
