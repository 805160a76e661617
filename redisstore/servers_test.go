package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session/sessiontest"
)

// mini is a miniredis whose clock stands still unless a test advances it.
type mini struct {
	*miniredis.Miniredis
	now time.Time
}

func newMini(t *testing.T) *mini {
	t.Helper()
	m := &mini{miniredis.RunT(t), time.UnixMilli(1_800_000_000_123)}
	m.SetTime(m.now)
	return m
}

func (m *mini) advance(d time.Duration) {
	m.now = m.now.Add(d)
	m.SetTime(m.now)
	m.FastForward(d)
}

// snapshot copies all hashes; restore puts them back.
func (m *mini) snapshot() (restore func()) {
	saved := make(map[string]map[string]string)
	ends := make(map[string]time.Time)
	for _, key := range m.Keys() {
		fields, _ := m.HKeys(key)
		saved[key] = make(map[string]string, len(fields))
		for _, f := range fields {
			saved[key][f] = m.HGet(key, f)
		}
		ends[key] = m.now.Add(m.TTL(key))
	}
	return func() {
		m.FlushAll()
		for key, fields := range saved {
			for f, v := range fields {
				m.HSet(key, f, v)
			}
			m.SetTTL(key, ends[key].Sub(m.now))
		}
	}
}

// patience is far longer than a call takes on a busy machine. It only ends a test that hangs.
const patience = time.Minute

// longTimeout is for stores whose calls must not fail because the machine is busy, as they may with
// the default timeout.
var longTimeout = redisstore.WithTimeout(patience)

// client returns a client of the miniredis with timeouts that no busy machine exceeds.
func (m *mini) client(t *testing.T) redis.UniversalClient {
	return open(t, options(t, "redis://"+m.Addr()))
}

func (m *mini) harness(t *testing.T) sessiontest.Harness {
	return sessiontest.Harness{Store: patient(m.client(t)), Advance: m.advance, Snapshot: m.snapshot}
}

// patient returns a store whose calls do not fail because the machine is busy.
func patient(client redis.UniversalClient, opts ...redisstore.Option) *redisstore.Store {
	return redisstore.New(client, append(opts, longTimeout)...)
}

// remote is the harness of a store on real servers, whose clock a test cannot set.
func remote(t *testing.T, client redis.UniversalClient, snapshot func() func(), opts ...redisstore.Option) sessiontest.Harness {
	t.Helper()
	t.Cleanup(func() { client.Close() })
	return sessiontest.Harness{Store: patient(client, opts...), Snapshot: snapshot}
}

// snapshots returns a function that saves the data of the masters. Its result restores them.
func snapshots(t *testing.T, masters ...*testenv.RedisServer) func() func() {
	var each []func() func()
	for _, m := range masters {
		each = append(each, snapshotsOf(t, m.Client()))
	}
	return func() func() {
		var restores []func()
		for _, snapshot := range each {
			restores = append(restores, snapshot())
		}
		return func() {
			for _, restore := range restores {
				restore()
			}
		}
	}
}

func snapshotsOf(t *testing.T, client *redis.Client) func() func() {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return func() func() {
		saved := make(map[string]string)
		for it := client.Scan(ctx, 0, "*", 1000).Iterator(); it.Next(ctx); {
			dump, err := client.Dump(ctx, it.Val()).Result()
			must(err)
			saved[it.Val()] = dump
		}
		return func() {
			must(client.FlushDB(ctx).Err())
			for key, dump := range saved {
				must(client.Restore(ctx, key, time.Hour, dump).Err())
			}
		}
	}
}
