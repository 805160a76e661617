package memstore

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Feed is a [session.Feed] in the memory of one process, for several Auths there that share a
// store, and for tests. A single Auth needs none, because it knows of its own calls. [NewFeed]
// makes a Feed. A Feed is safe for concurrent use. Its clock is time.Now.
type Feed struct {
	mu      sync.Mutex
	entries []feedEntry
	dropped int // entries before the first
}

type feedEntry struct {
	notice session.Notice
	until  time.Time
}

var _ session.Feed = (*Feed)(nil)

// NewFeed returns an empty feed.
func NewFeed() *Feed { return &Feed{} }

// Publish implements [session.Feed].
func (f *Feed) Publish(ctx context.Context, n session.Notice, keep time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	expired := 0
	for expired < len(f.entries) && f.entries[expired].until.Before(now) {
		expired++
	}
	f.entries = slices.Delete(f.entries, 0, expired)
	f.dropped += expired
	f.entries = append(f.entries, feedEntry{n, now.Add(keep)})
	return nil
}

// feedPage is the greatest number of notices that ReadFeed returns.
const feedPage = 1000

// ReadFeed implements [session.Feed].
func (f *Feed) ReadFeed(ctx context.Context, after session.FeedPosition) ([]session.Notice, session.FeedPosition, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	read, _ := strconv.Atoi(string(after)) // the zero position is 0
	first := max(0, read-f.dropped)
	if first > len(f.entries) { // the position of another feed
		first = 0
	}
	last := min(first+feedPage, len(f.entries))
	var notices []session.Notice
	for _, e := range f.entries[first:last] {
		notices = append(notices, e.notice)
	}
	return notices, session.FeedPosition(strconv.Itoa(f.dropped + last)), nil
}
