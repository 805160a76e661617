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
	"github.com/lucia-go/lucia/session"
)

// TestCallsReturnInTime: however the client is set up, and whatever becomes of
// the server, a call returns within the store's timeout.
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
		{"defaults", func(t *testing.T, addr string) redis.UniversalClient {
			return open(t, &redis.UniversalOptions{Addrs: []string{addr}})
		}},
		{"recommended", func(t *testing.T, addr string) redis.UniversalClient {
			return open(t, options(t, "redis://"+addr))
		}},
		{"pipeline", func(t *testing.T, addr string) redis.UniversalClient {
			p, err := open(t, &redis.UniversalOptions{Addrs: []string{addr}}).AutoPipeline()
			if err != nil {
				t.Fatal(err)
			}
			return p
		}},
		{"deferred pipeline", func(t *testing.T, addr string) redis.UniversalClient {
			p, err := open(t, &redis.UniversalOptions{Addrs: []string{addr}}).AsyncAutoPipeline()
			if err != nil {
				t.Fatal(err)
			}
			return p
		}},
		{"cluster", func(t *testing.T, addr string) redis.UniversalClient {
			return open(t, &redis.UniversalOptions{Addrs: []string{addr}, IsClusterMode: true})
		}},
		{"one connection, taken", func(t *testing.T, addr string) redis.UniversalClient {
			return open(t, &redis.UniversalOptions{Addrs: []string{addr}, PoolSize: 1})
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
					if session.CodeOf(err) != op.code {
						t.Errorf("%s = %v, want code %s", op.name, err, op.code)
					}
				}
			}
		})
	}
}

// hanging is a hook that holds commands until it is released, whatever their
// context says.
type hanging struct{ release chan struct{} }

func (hanging) DialHook(next redis.DialHook) redis.DialHook { return next }

func (hanging) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h hanging) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		<-h.release
		return next(context.WithoutCancel(ctx), cmd)
	}
}

func TestStuckCallsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 3
	client := redis.NewClient(&redis.Options{Addr: newMini(t).Addr()})
	defer client.Close()
	h := hanging{make(chan struct{})}
	client.AddHook(h)
	store := redisstore.New(client, redisstore.WithTimeout(20*time.Millisecond), redisstore.WithMaxStuck(most))
	call := operations[1].call
	for range most {
		if err := call(context.Background(), store); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("call into a client that hangs = %v, want %v", err, context.DeadlineExceeded)
		}
	}
	for range 2 {
		err := call(context.Background(), store)
		if !errors.Is(err, redisstore.ErrStuck) || session.CodeOf(err) != session.CodeDatabaseFetchFailed {
			t.Fatalf("call after %d are stuck = %v, want %v", most, err, redisstore.ErrStuck)
		}
	}
	close(h.release)
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := call(context.Background(), store)
		if err == nil {
			return
		}
		if !errors.Is(err, redisstore.ErrStuck) && !errors.Is(err, context.DeadlineExceeded) || time.Now().After(deadline) {
			t.Fatalf("call after the client goes on = %v", err)
		}
	}
}

func TestStuckPipelineIsBounded(t *testing.T) {
	t.Parallel()
	const most = 3
	server := testenv.Redis(t)
	pipeline, err := open(t, options(t, server.URL())).AsyncAutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	store := redisstore.New(pipeline, redisstore.WithTimeout(5*time.Millisecond), redisstore.WithMaxStuck(most))
	server.Suspend()
	stuck := false
	for i := 0; i < 100 && !stuck; i++ {
		stuck = errors.Is(operations[1].call(context.Background(), store), redisstore.ErrStuck)
	}
	server.Resume()
	if !stuck {
		t.Errorf("no call failed with %v", redisstore.ErrStuck)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err = operations[1].call(context.Background(), store); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("call after the server goes on = %v", err)
		}
	}
}

// panicking is a hook with a bug.
type panicking struct{ hanging }

func (panicking) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { panic("a bug in a hook") }
}

func TestPanicOfTheClientIsAnError(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: newMini(t).Addr()})
	defer client.Close()
	client.AddHook(panicking{})
	err := operations[1].call(context.Background(), redisstore.New(client))
	if session.CodeOf(err) != session.CodeDatabaseFetchFailed || !strings.Contains(err.Error(), "a bug in a hook") {
		t.Fatalf("Refresh = %v, want the panic as the cause", err)
	}
}

func TestOptionsRefuseNonsense(t *testing.T) {
	t.Parallel()
	tests := map[string]func(){
		"prefix with a brace": func() { redisstore.WithPrefix("app{1}:") },
		"closing brace":       func() { redisstore.WithPrefix("}") },
		"no timeout":          func() { redisstore.WithTimeout(0) },
		"negative timeout":    func() { redisstore.WithTimeout(-time.Second) },
		"no stuck calls":      func() { redisstore.WithMaxStuck(0) },
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

// TestRingIsRefused: with a shard dead a ring asks another one, which says that
// the sessions are missing.
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
