package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/session"
)

var _ session.Feed = (*Store)(nil)

// feedPage is how many notices a call of ReadFeed returns at most.
const feedPage = 500

// feedKey returns the key of the stream of notices. It differs from every user's key, because those
// contain braces.
func (s *Store) feedKey() string { return s.prefix + "feed" }

// Publish implements [session.Feed]. The notices are entries of one stream. If [WithWait] is set,
// the call waits for the replicas.
func (s *Store) Publish(ctx context.Context, n session.Notice, keep time.Duration) error {
	id := ""
	if n.SessionID != (session.ID{}) {
		id = n.SessionID.String()
	}
	key := s.feedKey()
	request := s.publish.on(key, keep.Milliseconds(), n.Kind.String(), n.UserID, id, n.IssuedUntil)
	if _, err := s.doDurably(ctx, key, request, nil); err != nil {
		return fail("publish", err)
	}
	return nil
}

// ReadFeed implements [session.Feed]. The position is the id of the last entry that was read. Each
// call reads that entry again together with those that follow. If it is missing, the server has
// lost it, and the call starts from the beginning: after a failover, new entries may have lower ids
// than the lost ones.
func (s *Store) ReadFeed(ctx context.Context, after session.FeedPosition) ([]session.Notice, session.FeedPosition, error) {
	const op = "read feed"
	if err := ctx.Err(); err != nil {
		return nil, "", fail(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if after != "" {
		entries, err := s.entries(ctx, string(after))
		if err != nil {
			return nil, "", fail(op, err)
		}
		if len(entries) > 0 && entries[0].ID == string(after) {
			return s.readable(ctx, entries, entries[1:])
		}
	}
	entries, err := s.entries(ctx, "-")
	if err != nil {
		return nil, "", fail(op, err)
	}
	if len(entries) == 0 {
		return nil, "", nil
	}
	return s.readable(ctx, entries, entries)
}

// readable returns the notices among the unread entries of a page, and the position of the page's
// last entry. If there are none, it reads the following pages, because a result without notices
// means that the stream has no more.
func (s *Store) readable(ctx context.Context, page, unread []redis.XMessage) ([]session.Notice, session.FeedPosition, error) {
	for {
		at := page[len(page)-1].ID
		list := notices(unread)
		if len(list) > 0 || len(page) < feedPage {
			return list, session.FeedPosition(at), nil
		}
		next, err := s.entries(ctx, "("+at)
		if err != nil {
			return nil, "", fail("read feed", err)
		}
		if len(next) == 0 {
			return nil, session.FeedPosition(at), nil
		}
		page, unread = next, next
	}
}

// entries returns up to feedPage entries of the stream, starting at the id from.
func (s *Store) entries(ctx context.Context, from string) ([]redis.XMessage, error) {
	cmd := redis.NewXMessageSliceCmd(ctx, "xrange", s.feedKey(), from, "+", "count", feedPage)
	if err := s.processor.Process(ctx, cmd); err != nil {
		s.reloadAfter(err)
		return nil, err // a deferred pipeline's Val would wait for the reply
	}
	return cmd.Val(), nil
}

// notices returns the notices of entries. It skips entries that it cannot read, such as those of a
// newer version of this package.
func notices(entries []redis.XMessage) (list []session.Notice) {
	for _, e := range entries {
		field := func(name string) string {
			v, _ := e.Values[name].(string)
			return v
		}
		n := session.Notice{UserID: field("user")}
		kind, ok := session.ParseNoticeKind(field("kind"))
		until, err := strconv.ParseInt(field("until"), 10, 64)
		n.Kind, n.IssuedUntil = kind, until
		ok = ok && err == nil && session.CheckUserID(n.UserID) == nil
		if text := field("session"); text != "" {
			id, err := session.ParseID(text)
			ok = ok && err == nil && id != session.ID{} // which would stand for all sessions
			n.SessionID = id
		}
		if ok {
			list = append(list, n)
		}
	}
	return list
}
