package sqlstore

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/lucia-go/lucia/session"
)

var _ session.Feed = (*Store)(nil)

const (
	// feedPage is how many notices a call of ReadFeed returns at most.
	feedPage = 500
	// feedSweep is how many old notices a call of Publish deletes at most.
	feedSweep = 64
)

// feedSuffix makes the name of the table of notices from that of sessions.
const feedSuffix = "_feed"

// feedLock is the name of the lock that orders the notices, in place of a user's. It cannot be a
// user's, because userText returns no zero bytes.
const feedLock = "\x00feed"

// feedQueries are the statements on the table of notices.
type feedQueries struct{ publish, sweep, read string }

func (d Dialect) feedQueries(table string) feedQueries {
	replace := func(query string) string {
		return d.numbered(strings.NewReplacer("{feed}", table+feedSuffix, "{now}", d.clock).Replace(query))
	}
	return feedQueries{
		publish: replace("INSERT INTO {feed} (kind, user_id, session_id, issued_until, expires_at) VALUES ($1, $2, $3, $4, {now} + $5)"),
		sweep: replace("DELETE FROM {feed} WHERE expires_at < {now} AND id IN (SELECT id FROM {feed} ORDER BY id LIMIT " +
			strconv.Itoa(feedSweep) + ")"),
		read: replace("SELECT id, kind, user_id, session_id, issued_until FROM {feed} WHERE id >= $1 ORDER BY id LIMIT " +
			strconv.Itoa(feedPage)),
	}
}

// Publish implements [session.Feed]. Its error wraps [session.CodeDatabaseUpdateFailed] and the
// cause. All processes together publish one notice at a time. A reader continues from the last id
// that it has read, so ids must become visible in their order.
func (s *Store) Publish(ctx context.Context, n session.Notice, keep time.Duration) error {
	id := ""
	if n.SessionID != (session.ID{}) {
		id = n.SessionID.String()
	}
	_, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (none struct{}, err error) {
		return none, s.aloneInTx(ctx, c, feedLock, func() error {
			_, err := c.ExecContext(ctx, s.feed.publish, n.Kind.String(), userText(n.UserID), id, n.IssuedUntil, keep.Milliseconds())
			if err != nil {
				return err
			}
			_, err = c.ExecContext(ctx, s.feed.sweep)
			return err
		})
	})
	if err != nil {
		return fail("publish", session.CodeDatabaseUpdateFailed, err)
	}
	return nil
}

// ReadFeed implements [session.Feed]. Its error wraps [session.CodeDatabaseFetchFailed] and the
// cause. The position is the id of the last row that was read. Each call reads that row again
// together with those that follow. If it is missing, it was deleted or lost, and the call starts
// from the beginning.
func (s *Store) ReadFeed(ctx context.Context, after session.FeedPosition) ([]session.Notice, session.FeedPosition, error) {
	type page struct {
		notices []session.Notice
		next    session.FeedPosition
	}
	p, err := call(ctx, s, s.timeout, func(ctx context.Context, c *sql.Conn) (p page, err error) {
		from, err := strconv.ParseInt(string(after), 10, 64)
		known := err == nil // whether the row from has been read
		for {
			entries, err := s.entries(ctx, c, from)
			if err != nil {
				return p, err
			}
			unread := entries
			if known {
				if len(entries) == 0 || entries[0].id != from {
					from, known = 0, false
					continue
				}
				unread = entries[1:]
			}
			p = page{notices(unread), positionOf(entries)}
			if len(p.notices) > 0 || len(entries) < feedPage { // without notices, it is the end
				return p, nil
			}
			from, known = entries[len(entries)-1].id, true
		}
	})
	if err != nil {
		return nil, "", fail("read feed", session.CodeDatabaseFetchFailed, err)
	}
	return p.notices, p.next, nil
}

// feedEntry is a row of the table of notices.
type feedEntry struct {
	id                        int64
	kind, userID, sessionText string
	issuedUntil               int64
}

// entries returns up to feedPage rows, starting at the id from.
func (s *Store) entries(ctx context.Context, c *sql.Conn, from int64) (entries []feedEntry, err error) {
	rows, err := c.QueryContext(ctx, s.feed.read, from)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e feedEntry
		if err := rows.Scan(&e.id, &e.kind, &e.userID, &e.sessionText, &e.issuedUntil); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

func positionOf(entries []feedEntry) session.FeedPosition {
	if len(entries) == 0 {
		return ""
	}
	return session.FeedPosition(strconv.FormatInt(entries[len(entries)-1].id, 10))
}

// notices returns the notices of rows. It skips rows that it cannot read, such as those of a newer
// version of this package.
func notices(entries []feedEntry) (list []session.Notice) {
	for _, e := range entries {
		n := session.Notice{UserID: userID(e.userID), IssuedUntil: e.issuedUntil}
		kind, ok := session.ParseNoticeKind(e.kind)
		n.Kind = kind
		ok = ok && session.CheckUserID(n.UserID) == nil
		if e.sessionText != "" {
			id, err := session.ParseID(e.sessionText)
			ok = ok && err == nil && id != session.ID{} // which would stand for all sessions
			n.SessionID = id
		}
		if ok {
			list = append(list, n)
		}
	}
	return list
}
