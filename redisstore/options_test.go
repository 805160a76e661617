package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
)

// TestCallsReturnInTime checks that a call through a client that obeys its context returns within
// the store's timeout, whatever happens to the server.
func TestCallsReturnInTime(t *testing.T) {
	t.Parallel()
	const (
		timeout = 150 * time.Millisecond
		slack   = 1500 * time.Millisecond // a busy machine's; go-redis alone would take 5 s and more
	)
	clients := []struct {
		name string
		open func(t *testing.T, addr string) redis.UniversalClient
	}{
		{"recommended", func(t *testing.T, addr string) redis.UniversalClient {
			return open(t, options(t, "redis://"+addr))
		}},
		{"deferred pipeline", func(t *testing.T, addr string) redis.UniversalClient {
			p, err := open(t, options(t, "redis://"+addr)).AsyncAutoPipeline()
			if err != nil {
				t.Fatal(err)
			}
			return p
		}},
		{"cluster", func(t *testing.T, addr string) redis.UniversalClient {
			opts := options(t, "redis://"+addr)
			opts.IsClusterMode = true
			return open(t, opts)
		}},
		{"one connection, taken", func(t *testing.T, addr string) redis.UniversalClient {
			opts := options(t, "redis://"+addr)
			opts.PoolSize = 1
			return open(t, opts)
		}},
	}
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy := testenv.NewProxy(t, testenv.Redis(t).Addr)
			store := redisstore.New(c.open(t, proxy.Addr), redisstore.WithTimeout(timeout))
			proxy.Hold()       // before the first connection, so that dialling and greeting hang too
			defer proxy.Pass() // a pipeline's Close waits for what it has sent
			for range 2 {
				for _, op := range operations {
					start := time.Now()
					err := op.call(context.Background(), store)
					if took := time.Since(start); took > timeout+slack {
						t.Errorf("%s took %v", op.name, took)
					}
					if err == nil {
						t.Errorf("%s = nil, want an error", op.name)
					}
				}
			}
		})
	}
}

// TestPipelineOfAServerThatHangsIsBounded checks that abandoned commands do not pile up in the
// pipeline and that it recovers.
func TestPipelineOfAServerThatHangsIsBounded(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	pipeline, err := open(t, options(t, server.URL())).AsyncAutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	refresh := operations[1].call
	hasty := redisstore.New(pipeline, redisstore.WithTimeout(time.Millisecond))
	server.Suspend()
	const most = 10_000
	full := false
	for i := 0; i < most && !full; i++ {
		full = errors.Is(refresh(context.Background(), hasty), redis.ErrAutoPipelineQueueFull)
	}
	server.Resume()
	if !full {
		t.Errorf("%d commands are in the pipeline", most)
	}
	store := redisstore.New(pipeline, unhurried)
	repeatUntil(t, "the pipeline to serve", func() bool { return refresh(context.Background(), store) == nil })
}

func TestOptionsRefuseNonsense(t *testing.T) {
	t.Parallel()
	tests := map[string]func(){
		"prefix with a brace": func() { redisstore.WithPrefix("app{1}:") },
		"closing brace":       func() { redisstore.WithPrefix("}") },
		"no timeout":          func() { redisstore.WithTimeout(0) },
		"negative timeout":    func() { redisstore.WithTimeout(-time.Second) },
		"no replicas":         func() { redisstore.WithWait(0, time.Second) },
		"no time to wait":     func() { redisstore.WithWait(1, 0) },
		"WAIT 1 0 has no end": func() { redisstore.WithWait(1, time.Millisecond-1) },
	}
	for name, set := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			set()
		}()
	}
	redisstore.WithWait(1, time.Millisecond) // is the least
}

// TestRingIsRefused checks that New refuses a ring, which asks another shard if one is dead and
// so finds sessions missing.
func TestRingIsRefused(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": newMini(t).Addr()}})
	defer ring.Close()
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "redis.Ring") {
			t.Errorf("New with a ring: panic %q, want one that names it", p)
		}
	}()
	redisstore.New(ring)
}
