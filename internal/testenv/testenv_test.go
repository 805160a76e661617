package testenv_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
)

// roundTrip writes and reads one key through the client.
func roundTrip(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ctx := context.Background()
	if err := c.Set(ctx, "key", "value", 0).Err(); err != nil {
		t.Fatalf("SET: %v", err)
	}
	if got, err := c.Get(ctx, "key").Result(); err != nil || got != "value" {
		t.Fatalf("GET = %q, %v", got, err)
	}
}

func TestServersServe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		options func(*testing.T) *redis.UniversalOptions
	}{
		{"single", func(t *testing.T) *redis.UniversalOptions {
			return &redis.UniversalOptions{Addrs: []string{testenv.Redis(t).Addr}}
		}},
		{"cluster", func(t *testing.T) *redis.UniversalOptions {
			return &redis.UniversalOptions{Addrs: testenv.Cluster(t).Addrs()}
		}},
		{"sentinel", func(t *testing.T) *redis.UniversalOptions {
			s := testenv.Sentinel(t)
			return &redis.UniversalOptions{Addrs: s.Addrs(), MasterName: s.Name}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := redis.NewUniversalClient(tt.options(t))
			defer c.Close()
			roundTrip(t, c)
		})
	}
}

func TestRestartKeepsWhatIsOnDisk(t *testing.T) {
	t.Parallel()
	s := testenv.Redis(t, "--appendonly", "yes")
	roundTrip(t, s.Client())
	s.Kill()
	s.Restart()
	if got, err := s.Client().Get(context.Background(), "key").Result(); err != nil || got != "value" {
		t.Fatalf("GET after the restart = %q, %v", got, err)
	}
}
