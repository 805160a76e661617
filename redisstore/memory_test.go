package redisstore_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/session"
)

// BenchmarkMemory measures the memory of a session in Redis with 100,000 users whose ids have 36
// characters. One iteration is enough (-benchtime 1x).
func BenchmarkMemory(b *testing.B) {
	users := 100_000
	if testing.Short() {
		users = 1000
	}
	for name, details := range map[string]session.Details{"none": {}, "label and address": firefoxOnWindows} {
		for _, each := range []int{1, 2, 3} {
			b.Run(fmt.Sprintf("sessions=%d/details=%s", each, name), func(b *testing.B) {
				for range b.N {
					b.ReportMetric(memoryPerSession(b, users, each, details), "bytes/session")
				}
			})
		}
	}
}

// firefoxOnWindows are details of a usual length.
var firefoxOnWindows = session.Details{Label: "Firefox on Windows", Address: netip.MustParsePrefix("203.0.113.0/24")}

// TestMemoryPerSession checks the figures in the guide: without details, and with a label and the
// prefix of an IPv4 or IPv6 address. The key of a user and its expiry take more than one session
// does, so the limit for the first session is higher. With details, two sessions of one user or
// more take at most 200 bytes each.
func TestMemoryPerSession(t *testing.T) {
	t.Parallel()
	users := 20_000
	if testing.Short() {
		users = 2000
	}
	samsungBrowser := session.Details{Label: "Samsung Browser on Android", Address: netip.MustParsePrefix("2001:db8:1::/48")}
	for _, tt := range []struct {
		each    int
		details session.Details
		limit   float64
	}{
		{1, session.Details{}, 260},
		{1, firefoxOnWindows, 280},
		{1, samsungBrowser, 290},
		{2, firefoxOnWindows, 200},
		{2, samsungBrowser, 200},
		{3, session.Details{}, 120},
		{3, firefoxOnWindows, 200},
		{3, samsungBrowser, 200},
	} {
		got := memoryPerSession(t, users, tt.each, tt.details)
		t.Logf("%d users, %d sessions each, %+v: %.1f bytes a session", users, tt.each, tt.details, got)
		if got > tt.limit && !testing.Short() {
			t.Errorf("%.1f bytes a session at %d sessions a user, want at most %.0f", got, tt.each, tt.limit)
		}
	}
}

// memoryPerSession signs users in and returns by how many bytes the server's data grew per session.
func memoryPerSession(t testing.TB, users, each int, details session.Details) float64 {
	t.Helper()
	server := testenv.Redis(t)
	client := redis.NewUniversalClient(options(t, server.URL()))
	defer client.Close()
	store := patient(client)
	before := dataset(t, client)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(users*each); i = next.Add(1) - 1 {
				_, err := store.Create(context.Background(), session.CreateParams{
					UserID: userKey(i % int64(users)), ID: session.NewID(), Policy: benchPolicy, Max: 100, Details: details,
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

// dataset returns the bytes that keys and their tables take, without those of connections.
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
