package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session/sessiontest"
)

func TestConformsOnMiniredis(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness { return newMini(t).harness(t) })
}

func TestConformsOnServer(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
		return remote(t, redis.NewUniversalClient(options(t, server.URL())), snapshots(t, server))
	})
}

func TestConformsOnCluster(t *testing.T) {
	t.Parallel()
	cluster := testenv.Cluster(t)
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
		return remote(t, redis.NewUniversalClient(options(t, cluster.URL())), snapshots(t, cluster.Masters...))
	})
}

func TestConformsUnderSentinel(t *testing.T) {
	t.Parallel()
	trio := testenv.Sentinel(t)
	sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
		return remote(t, redis.NewUniversalClient(options(t, trio.URL())), snapshots(t, trio.Master))
	})
}

func TestConformsThroughPipelines(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	for _, mode := range []struct {
		name string
		open func(redis.UniversalClient) (*redis.AutoPipeliner, error)
	}{
		{"blocking", redis.UniversalClient.AutoPipeline},
		{"deferred", redis.UniversalClient.AsyncAutoPipeline},
	} {
		t.Run(mode.name, func(t *testing.T) {
			sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
				p, err := mode.open(open(t, options(t, server.URL())))
				if err != nil {
					t.Fatal(err)
				}
				return remote(t, p, snapshots(t, server))
			})
		})
	}
}

// TestConformsWithWait checks that waiting for replicas changes nothing else.
func TestConformsWithWait(t *testing.T) {
	t.Parallel()
	cluster, trio := testenv.Cluster(t), testenv.Sentinel(t)
	wait := redisstore.WithWait(1, patience)
	for _, tt := range []struct {
		name, url string
		masters   []*testenv.RedisServer
	}{
		{"cluster", cluster.URL(), cluster.Masters},
		{"sentinel", trio.URL(), []*testenv.RedisServer{trio.Master}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sessiontest.Run(t, func(t *testing.T) sessiontest.Harness {
				return remote(t, redis.NewUniversalClient(options(t, tt.url)), snapshots(t, tt.masters...), wait)
			})
		})
	}
}
