package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// BenchmarkMemory measures the memory of a session in Redis with 100,000 users whose ids have 36
// characters. One iteration is enough (-benchtime 1x).
func BenchmarkMemory(b *testing.B) {
	for _, each := range []int{1, 3} {
		b.Run(fmt.Sprintf("sessions=%d", each), func(b *testing.B) {
			for range b.N {
				b.ReportMetric(memoryPerSession(b, 100_000, each), "bytes/session")
			}
		})
	}
}

// TestMemoryPerSession checks the figure in the guide.
func TestMemoryPerSession(t *testing.T) {
	t.Parallel()
	users, limits := 20_000, map[int]float64{1: 260, 3: 120}
	if testing.Short() {
		users = 2000
	}
	for each, limit := range limits {
		got := memoryPerSession(t, users, each)
		t.Logf("%d users, %d sessions each: %.1f bytes a session", users, each, got)
		if got > limit && !testing.Short() {
			t.Errorf("%.1f bytes a session at %d sessions a user, want at most %.0f", got, each, limit)
		}
	}
}

// memoryPerSession signs users in and returns how much the server's memory for data grew, for
// each session.
func memoryPerSession(t testing.TB, users, each int) float64 {
	t.Helper()
	server := testenv.Redis(t)
	opts, err := redisstore.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewUniversalClient(opts)
	defer client.Close()
	store := redisstore.New(client)
	before := dataset(t, client)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(users*each); i = next.Add(1) - 1 {
				_, err := store.Create(context.Background(), session.CreateParams{
					UserID: userKey(i % int64(users)), ID: session.NewID(), Policy: benchPolicy, Max: 100,
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(dataset(t, client)-before) / float64(users*each)
}

// dataset returns the bytes that the keys and their tables take, without those of connections.
func dataset(t testing.TB, client redis.UniversalClient) (bytes int64) {
	t.Helper()
	info, err := client.Info(context.Background(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	var used, clients int64
	for line := range strings.Lines(info) {
		fmt.Sscanf(line, "used_memory:%d", &used)
		fmt.Sscanf(line, "mem_clients_normal:%d", &clients)
	}
	return used - clients
}
