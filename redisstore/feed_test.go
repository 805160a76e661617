package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/session/sessiontest"
)

func TestFeedConformanceMiniredis(t *testing.T) {
	t.Parallel()
	sessiontest.RunFeed(t, func(t *testing.T) sessiontest.FeedHarness {
		m := newMini(t)
		open := func() *redisstore.Store {
			return patient(m.client(t))
		}
		return sessiontest.FeedHarness{
			Feed: open(), Other: open(), Advance: m.advance,
			Lose: func() { m.FlushAll(); m.advance(time.Millisecond) },
		}
	})
}

func TestFeedConformanceServer(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	sessiontest.RunFeed(t, func(t *testing.T) sessiontest.FeedHarness {
		return feedOn(t, server.URL(), server)
	})
}

func TestFeedConformanceCluster(t *testing.T) {
	t.Parallel()
	cluster := testenv.Cluster(t)
	sessiontest.RunFeed(t, func(t *testing.T) sessiontest.FeedHarness {
		return feedOn(t, cluster.URL(), cluster.Masters...)
	})
}

// feedOn returns the feed of two processes with a client each. On a single server, one of them
// pipelines.
func feedOn(t *testing.T, url string, masters ...*testenv.RedisServer) sessiontest.FeedHarness {
	here, there := open(t, options(t, url)), open(t, options(t, url))
	if single, ok := there.(*redis.Client); ok {
		pipeline, err := single.AsyncAutoPipeline()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pipeline.Close() })
		there = pipeline
	}
	prefix := redisstore.WithPrefix("test:" + t.Name() + ":")
	return sessiontest.FeedHarness{
		Feed: patient(here, prefix), Other: patient(there, prefix),
		Lose: func() {
			for _, m := range masters {
				if err := m.Client().FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

// After a failover to a server whose clock is behind, new entries have lower ids than the last one
// that a reader has read. The reader misses none of them.
func TestFeedAfterAFailoverToASlowerClock(t *testing.T) {
	t.Parallel()
	m := newMini(t)
	store := patient(m.client(t))
	publish := func(user string) {
		t.Helper()
		if err := store.Publish(t.Context(), notice(user), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	publish("before")
	_, at, err := store.ReadFeed(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	m.FlushAll()
	m.now = m.now.Add(-time.Minute)
	m.SetTime(m.now)
	publish("after")
	got, _, err := store.ReadFeed(t.Context(), at)
	if err != nil || len(got) != 1 || got[0] != notice("after") {
		t.Errorf("ReadFeed = %v, %v", got, err)
	}
}

// ReadFeed skips the entries of other programs and those of newer versions.
func TestFeedSkipsUnreadableEntries(t *testing.T) {
	t.Parallel()
	m := newMini(t)
	client := m.client(t)
	store := patient(client)
	for _, values := range [][]string{
		{"x", "y"},
		{"kind", "newer", "user", "u1", "session", "", "until", "1"},
		{"kind", "end", "user", "", "session", "", "until", "1"},
		{"kind", "end", "user", "u1", "session", "!", "until", "1"},
		{"kind", "end", "user", "u1", "session", "", "until", ""},
	} {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "lucia:feed", Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Publish(t.Context(), notice("u1"), time.Hour); err != nil {
		t.Fatal(err)
	}
	got, _, err := store.ReadFeed(t.Context(), "")
	if err != nil || len(got) != 1 || got[0] != notice("u1") {
		t.Errorf("ReadFeed = %v, %v", got, err)
	}
}

// A result without notices is the end of the feed, however many entries it has left out.
func TestFeedReadsOnBehindWhatItCannotRead(t *testing.T) {
	t.Parallel()
	client := newMini(t).client(t)
	store := patient(client)
	var at session.FeedPosition
	for range 2 {
		for range 1200 {
			if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "lucia:feed", Values: []string{"kind", "newer"}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Publish(t.Context(), notice("u1"), time.Hour); err != nil {
			t.Fatal(err)
		}
		got, next, err := store.ReadFeed(t.Context(), at)
		if err != nil || len(got) != 1 || got[0] != notice("u1") {
			t.Errorf("ReadFeed from %q = %v, %v", at, got, err)
		}
		if got, again, err := store.ReadFeed(t.Context(), next); err != nil || len(got) > 0 || again != next {
			t.Errorf("ReadFeed at the end = %v, %q, %v", got, again, err)
		}
		at = next
	}
}

// The stream does not outlive its notices.
func TestFeedExpires(t *testing.T) {
	t.Parallel()
	m := newMini(t)
	client := m.client(t)
	store := patient(client)
	if err := store.Publish(t.Context(), notice("u1"), time.Minute); err != nil {
		t.Fatal(err)
	}
	m.advance(time.Hour)
	if keys := m.Keys(); len(keys) != 0 {
		t.Errorf("keys %v are left", keys)
	}
}

func notice(user string) session.Notice {
	return session.Notice{Kind: session.NoticeEnd, UserID: user, IssuedUntil: 1}
}

// After the server's clock has been far ahead, new entries have ids of that time, and none of them
// looks old. The stream stays bounded, and readers still get new notices.
func TestFeedIsBoundedAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	opts, err := redisstore.ParseURL(testenv.Redis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	opts.ReadTimeout = time.Minute // for a server that is slow to fill the stream
	client := redis.NewUniversalClient(opts)
	t.Cleanup(func() { client.Close() })
	prefix := "test:" + t.Name() + ":"
	store := redisstore.New(client, redisstore.WithPrefix(prefix), longTimeout)
	const entries = 101_000 // more than are kept, by more than the blocks that "~" leaves
	fill := redis.NewScript(`for i = 1, tonumber(ARGV[1]) do
  redis.call('XADD', KEYS[1], '9000000000000-' .. i, 'kind', 'newer')
end
return ''`)
	if err := fill.Run(t.Context(), client, []string{prefix + "feed"}, entries).Err(); err != nil {
		t.Fatal(err)
	}
	if err := store.Publish(t.Context(), notice("u1"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if kept := client.XLen(t.Context(), prefix+"feed").Val(); kept < 100_000 || kept >= entries {
		t.Errorf("%d entries are kept of %d, want about 100,000", kept, entries)
	}
	got, at, err := store.ReadFeed(t.Context(), "")
	if err != nil || len(got) != 1 || got[0] != notice("u1") {
		t.Errorf("ReadFeed = %v, %v", got, err)
	}
	if err := store.Publish(t.Context(), notice("u2"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, _, err := store.ReadFeed(t.Context(), at); err != nil || len(got) != 1 || got[0] != notice("u2") {
		t.Errorf("ReadFeed after it = %v, %v", got, err)
	}
}

// Entries with ids slightly ahead of the clock, as after a small correction of it, are all kept.
func TestFeedKeepsEntriesOfAClockThatWasCorrected(t *testing.T) {
	t.Parallel()
	m := newMini(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { client.Close() })
	store := redisstore.New(client, longTimeout)
	for _, user := range []string{"u1", "u2", "u3"} {
		if err := store.Publish(t.Context(), notice(user), time.Minute); err != nil {
			t.Fatal(err)
		}
		m.now = m.now.Add(-20 * time.Second)
		m.SetTime(m.now)
	}
	if got, _, err := store.ReadFeed(t.Context(), ""); err != nil || len(got) != 3 {
		t.Errorf("ReadFeed = %v, %v, want three notices", got, err)
	}
}
