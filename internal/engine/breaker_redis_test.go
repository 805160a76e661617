package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// A Redis that is stopped or that hangs opens the breaker. All sessions continue when it is back.
func TestBreakerWithARedisThatIsStopped(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct{ stop, start func(*testenv.RedisServer) }{
		"killed":    {(*testenv.RedisServer).Kill, (*testenv.RedisServer).Restart},
		"suspended": {(*testenv.RedisServer).Suspend, (*testenv.RedisServer).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
			client := redis.NewClient(&redis.Options{Addr: server.Addr, ContextTimeoutEnabled: true, MaxRetries: -1})
			t.Cleanup(func() { client.Close() })
			var loads atomic.Int64
			events := make(chan session.EventKind, 1000)
			e := newEngine(t, func(c *engine.Config[profile]) {
				c.Store = redisstore.New(client)
				c.LoadUser = func(context.Context, string) (profile, error) { loads.Add(1); return profile{}, nil }
				c.OnEvent = func(e session.Event) { events <- e.Kind }
				c.Grace, c.Timeout = time.Hour, time.Second // on a slow machine no repeat counts as reuse
			})
			jars := make([]jar, 5)
			for i := range jars {
				await(t, "a sign-in", func(int) bool { // on a slow machine the store may not answer in time
					in, err := e.SignIn(t.Context(), fmt.Sprint("user", i))
					if err != nil {
						return false
					}
					jars[i] = jar{in.Fingerprint, in.Session.AccessToken, in.Session.RefreshToken, in.RefreshCookie}
					return true
				})
			}

			fault.stop(server)
			await(t, "the breaker opens", func(i int) bool {
				_, err := jars[i%len(jars)].refresh(t, e)
				return err != nil && strings.Contains(err.Error(), "circuit breaker")
			})
			await(t, "a call is refused before LoadUser", func(i int) bool {
				before := loads.Load()
				_, err := jars[i%len(jars)].refresh(t, e)
				unavailable(t, err, session.CodeDatabaseFetchFailed)
				return loads.Load() == before
			})

			fault.start(server)
			for n := range jars {
				await(t, "the session goes on", func(int) bool {
					_, err := jars[n].refresh(t, e)
					if err != nil && !errors.Is(err, session.CodeDatabaseFetchFailed) {
						t.Fatalf("user %d has lost the session: %v", n, err)
					}
					return err == nil
				})
			}
			if err := e.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			close(events)
			count := map[session.EventKind]int{}
			for kind := range events {
				count[kind]++
			}
			if opened, closed := count[session.EventBreakerOpened], count[session.EventBreakerClosed]; opened == 0 || closed != opened {
				t.Errorf("events: %v", count)
			}
		})
	}
}

// await calls done, with the number of the call, until it returns true.
func await(t *testing.T, what string, done func(i int) bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for i := 0; !done(i); i++ {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
