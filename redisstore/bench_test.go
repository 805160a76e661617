package redisstore_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// benchPolicy has the library's defaults.
var benchPolicy = session.Policy{
	Grace: middleware.DefaultGrace, Settle: middleware.DefaultSettle, Idle: 365 * 24 * time.Hour, Lifetime: 400 * 24 * time.Hour,
}

// benchClients are the ways to set up a client that the package comment compares.
var benchClients = []struct {
	name string
	open func(b *testing.B, addr string) redis.UniversalClient
}{
	{"defaults", func(b *testing.B, addr string) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: addr})
	}},
	{"recommended", func(b *testing.B, addr string) redis.UniversalClient {
		return redis.NewUniversalClient(benchOptions(b, addr))
	}},
	{"pipeline", func(b *testing.B, addr string) redis.UniversalClient {
		p, err := redis.NewUniversalClient(benchOptions(b, addr)).AutoPipeline()
		if err != nil {
			b.Fatal(err)
		}
		return p
	}},
	{"deferred-pipeline", func(b *testing.B, addr string) redis.UniversalClient {
		p, err := redis.NewUniversalClient(benchOptions(b, addr)).AsyncAutoPipeline()
		if err != nil {
			b.Fatal(err)
		}
		return p
	}},
}

func benchOptions(b *testing.B, addr string) *redis.UniversalOptions {
	opts, err := redisstore.ParseURL("redis://" + addr)
	if err != nil {
		b.Fatal(err)
	}
	return opts
}

// BenchmarkRotate measures rotations, each of another session, beside a bare script that compares
// and sets the same field of the same hash without a rule or a clock. The bare script shows the
// least that a rotation can cost.
func BenchmarkRotate(b *testing.B) {
	addr := testenv.Redis(b).Addr
	for _, c := range benchClients {
		for _, callers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d/bare", c.name, callers), func(b *testing.B) { benchBare(b, c.open(b, addr), callers) })
			b.Run(fmt.Sprintf("%s/callers=%d/store", c.name, callers), func(b *testing.B) { benchStore(b, c.open(b, addr), callers) })
		}
	}
}

const bareCAS = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return ARGV[3]
end
return ''`

func benchBare(b *testing.B, client redis.UniversalClient, callers int) {
	ctx := context.Background()
	before, _ := seed(b, client)
	after := append([]byte{}, before...)
	after[4] = 2
	cas := redis.NewScript(bareCAS)
	run(b, client, callers, func(i int64) error {
		got, err := cas.Run(ctx, client, []string{storedKey(i)}, benchID[:], before, after).Text()
		if err == nil && got != string(after) {
			err = fmt.Errorf("compare-and-set = %q", got)
		}
		return err
	})
}

func benchStore(b *testing.B, client redis.UniversalClient, callers int) {
	ctx := context.Background()
	_, presented := seed(b, client)
	store := redisstore.New(client)
	run(b, client, callers, func(i int64) error {
		r, err := store.Refresh(ctx, session.RefreshParams{
			UserID: userKey(i), ID: benchID, Presented: presented, Policy: benchPolicy, RevokeUser: true,
		})
		if err == nil && r.Outcome != session.Rotated {
			err = fmt.Errorf("outcome %v", r.Outcome)
		}
		return err
	})
}

var benchID = session.ID{0: 1, 15: 1}

func userKey(i int64) string { return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i) }

func storedKey(i int64) string {
	return redisstore.DefaultPrefix + "{" + base64.RawURLEncoding.EncodeToString([]byte(userKey(i))) + "}"
}

// seed fills an empty server with b.N users who have just signed in, with one session each, and
// returns their record and the tokens that they present.
func seed(b *testing.B, client redis.UniversalClient) ([]byte, session.Presentation) {
	ctx := context.Background()
	if err := client.FlushAll(ctx).Err(); err != nil {
		b.Fatal(err)
	}
	begun := session.Begin(benchPolicy, session.InstantOf(time.Now()))
	rec := packed(begun)
	const batch = 1000
	for from := 0; from < b.N; from += batch {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := from; i < min(from+batch, b.N); i++ {
				key := storedKey(int64(i))
				p.HSet(ctx, key, string(benchID[:]), rec)
				p.PExpireAt(ctx, key, begun.ExpiresAt.Add(24*time.Hour).Time())
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return rec, session.Presentation{
		Generation: begun.Generation, IssuedAt: begun.IssuedAt, ExpiresAt: begun.ExpiresAt, HandedAt: begun.IssuedAt,
	}
}

// run makes b.N calls with that many callers and reports calls per second.
func run(b *testing.B, client redis.UniversalClient, callers int, call func(i int64) error) {
	defer client.Close()
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "calls/s")
}
