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

// TestCallsReturnInTime checks that a call returns at the end of the store's timeout, whatever the
// server does, if the client obeys its context. The client's own timeouts are a minute.
func TestCallsReturnInTime(t *testing.T) {
	t.Parallel()
	const (
		timeout = 150 * time.Millisecond
		slack   = patience / 2 // for a busy machine; without the store's timeout, a call takes longer
	)
	clients := []struct {
		name string
		open func(t *testing.T, addr string) redis.UniversalClient
	}{
		{"pool", func(t *testing.T, addr string) redis.UniversalClient {
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
			proxy.Hold()       // before the first connection, so that connecting stalls, too
			defer proxy.Pass() // Close of a pipeline waits for the commands that it has sent
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

// TestPipelineToAHungServerIsBounded checks that abandoned commands do not pile up in the
// pipeline and that it recovers.
func TestPipelineToAHungServerIsBounded(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	pipeline, err := open(t, options(t, server.URL())).AsyncAutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	refresh := operations[1].call
	impatient := redisstore.New(pipeline, redisstore.WithTimeout(time.Millisecond))
	server.Suspend()
	const most = 10_000
	full := false
	for i := 0; i < most && !full; i++ {
		full = errors.Is(refresh(context.Background(), impatient), redis.ErrAutoPipelineQueueFull)
	}
	server.Resume()
	if !full {
		t.Errorf("the pipeline holds %d commands and refuses none", most)
	}
	store := redisstore.New(pipeline, longTimeout)
	repeatUntil(t, "the pipeline to serve", func() bool { return refresh(context.Background(), store) == nil })
}

func TestOptionsPanicOnInvalidValues(t *testing.T) {
	t.Parallel()
	tests := map[string]func(){
		"prefix with a brace":    func() { redisstore.WithPrefix("app{1}:") },
		"closing brace":          func() { redisstore.WithPrefix("}") },
		"no timeout":             func() { redisstore.WithTimeout(0) },
		"negative timeout":       func() { redisstore.WithTimeout(-time.Second) },
		"no replicas":            func() { redisstore.WithWait(0, time.Second) },
		"no time to wait":        func() { redisstore.WithWait(1, 0) },
		"WAIT 1 0 waits forever": func() { redisstore.WithWait(1, time.Millisecond-1) },
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
	redisstore.WithWait(1, time.Millisecond) // the shortest that is allowed
}

// TestRingIsRefused checks that New refuses a ring. A ring whose shard is down asks another shard,
// which does not have the sessions.
func TestRingIsRefused(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": newMini(t).Addr()}})
	defer ring.Close()
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "redis.Ring") {
			t.Errorf("New with a ring: panic %q, want one that names the ring", p)
		}
	}()
	redisstore.New(ring)
}
