package redisstore_test

import (
	"context"
	"errors"
	"flag"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session/sessiontest"
)

var steps = flag.Int("steps", 40_000, "steps of each random history that two stores are compared in")

// TestLuaAgreesWithGo runs the same random histories against memstore, which calls the Go
// functions, and against the scripts in miniredis and in Redis, and compares every outcome and
// record.
func TestLuaAgreesWithGo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		open func(*testing.T) func(*testing.T) sessiontest.Harness
	}{
		{"miniredis", func(*testing.T) func(*testing.T) sessiontest.Harness { return miniInBubble }},
		{"redis", func(t *testing.T) func(*testing.T) sessiontest.Harness {
			server := testenv.Redis(t)
			return func(t *testing.T) sessiontest.Harness { return serverInBubble(t, server) }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			open := tt.open(t)
			seed := sessiontest.Seed(t)
			n := *steps
			if testing.Short() {
				n = min(n, 2000)
			}
			const histories = 8 // each policy of the suite twice
			for i := range uint64(histories) {
				synctest.Test(t, func(t *testing.T) {
					// The server's own clock must not reach what the bubble's has set.
					time.Sleep(time.Until(time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)))
					local := memstore.New()
					a := sessiontest.Harness{Store: local, Advance: time.Sleep, Snapshot: local.Snapshot}
					sessiontest.Compare(t, a, open(t), seed+i, n/histories)
				})
			}
			t.Logf("%d steps agree, seeds from %d", n/histories*histories, seed)
		})
	}
}

// noAdvance is the Advance of a store that reads the bubble's clock.
func noAdvance(time.Duration) {}

func miniInBubble(t *testing.T) sessiontest.Harness {
	m := miniredis.NewMiniRedis()
	t.Cleanup(m.Close)
	m.ClockTTL(true)
	client := redis.NewClient(&redis.Options{
		Addr:   "127.0.0.1:6379", // never dialled; a host name would be looked up
		Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
	})
	t.Cleanup(func() { client.Close() })
	return sessiontest.Harness{Store: redisstore.New(client), Advance: noAdvance}
}

func serverInBubble(t *testing.T, s *testenv.RedisServer) sessiontest.Harness {
	client := redis.NewClient(&redis.Options{ // a step that is sent twice would have another result
		Addr: s.Addr, MaxRetries: -1, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
	})
	t.Cleanup(func() { client.Close() })
	client.AddHook(bubbleClock{})
	return sessiontest.Harness{Store: redisstore.New(client), Advance: noAdvance, Snapshot: snapshots(t, s)}
}

// bubbleClock makes the scripts of a real server read the bubble's clock. It refuses digests, so
// that it sees the sources of the scripts, and replaces TIME in them by two additional arguments.
// It changes nothing else.
type bubbleClock struct{}

func (bubbleClock) DialHook(next redis.DialHook) redis.DialHook { return next }

func (bubbleClock) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (bubbleClock) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	const call = "redis.call('TIME')"
	return func(ctx context.Context, cmd redis.Cmder) error {
		switch args := cmd.Args(); args[0] {
		case "evalsha":
			cmd.SetErr(redis.ErrNoScript)
			return redis.ErrNoScript
		case "eval":
			source := args[1].(string)
			if strings.Count(source, call) != 1 {
				return errors.New("the script does not call TIME as expected")
			}
			given := len(args) - 4
			args[1] = strings.Replace(source, call, "{ARGV["+strconv.Itoa(given+1)+"], ARGV["+strconv.Itoa(given+2)+"]}", 1)
			now := time.Now()
			timed := redis.NewCmd(ctx, append(args, now.Unix(), now.Nanosecond()/1000)...)
			err := next(ctx, timed)
			cmd.(*redis.Cmd).SetVal(timed.Val())
			return err
		}
		return next(ctx, cmd)
	}
}
