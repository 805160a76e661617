// Package rotate holds the ways of refreshing to compare: exchanging a refresh token for its
// successor, with the state in Redis.
package rotate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/redisstore"
)

// Client is a way of talking to Redis.
type Client struct {
	Name string
	Open func(addr string) (*Conn, error)
}

// Conn is an open client and the contenders that use it. The first contender is the floor.
type Conn struct {
	Contenders []Contender
	Flush      func(ctx context.Context) error
	Close      func()
}

// Contender is one way of refreshing.
type Contender struct {
	Name string
	// Trips is how many round trips to Redis a refresh takes.
	Trips int
	// Prepare makes n tokens.
	Prepare func(n int) (Exchange, error)
}

// Exchange exchanges token i and returns its successor, or "" if the token was not accepted. It
// is safe for concurrent use.
type Exchange = func(i int) (successor string, err error)

// with returns the Prepare of a contender that uses a client.
func with[C any](client C, prepare func(client C, n int) (Exchange, error)) func(n int) (Exchange, error) {
	return func(n int) (Exchange, error) { return prepare(client, n) }
}

// Clients returns a pool of connections and automatic pipelining, each as package redisstore
// recommends, and gin-jwt's client.
func Clients() []Client {
	return []Client{{"pool of 64", pool}, {"pipelining", pipelining}, {"rueidis", openRueidis}}
}

func pool(addr string) (*Conn, error) {
	client, err := open(addr)
	if err != nil {
		return nil, err
	}
	all := append(over(client), Contender{"scs v2, RenewToken", 3, with(client, scsRenew)})
	return &Conn{all, flush(client), func() { client.Close() }}, nil
}

func pipelining(addr string) (*Conn, error) {
	client, err := open(addr)
	if err != nil {
		return nil, err
	}
	pipeline, err := client.AsyncAutoPipeline()
	if err != nil {
		client.Close()
		return nil, err
	}
	return &Conn{over(pipeline), flush(client), func() { pipeline.Close(); client.Close() }}, nil
}

func open(addr string) (*redis.Client, error) {
	opts, err := redisstore.ParseURL("redis://" + addr)
	if err != nil {
		return nil, err
	}
	return redis.NewUniversalClient(opts).(*redis.Client), nil
}

func flush(client *redis.Client) func(context.Context) error {
	return func(ctx context.Context) error { return client.FlushAll(ctx).Err() }
}

const bareName = "bare EVALSHA, compare and set"

// over returns the contenders that work with every client of go-redis.
func over(client redis.UniversalClient) []Contender {
	return []Contender{
		{bareName, 1, with(client, bare)},
		{"lucia, the store alone", 1, with(client, store)},
		{"**lucia**, the refresh route", 1, with(client, route)},
	}
}

// Rate makes callers exchange n tokens and returns their rate a second.
func Rate(callers, n int, exchange Exchange) (perSecond float64, err error) {
	start := time.Now()
	err = each(callers, n, func(i int) error {
		successor, err := exchange(i)
		if err == nil && successor == "" {
			err = fmt.Errorf("token %d was refused", i)
		}
		return err
	})
	return float64(n) / time.Since(start).Seconds(), err
}

// Accepted makes all callers present one token at once and returns how many different successors
// they get. The right number is one.
func Accepted(callers int, exchange Exchange) (int, error) {
	successors := make([]string, callers)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for i := range callers {
		wg.Go(func() {
			<-begin
			successor, err := exchange(0)
			if err != nil {
				failed.Store(&err)
			}
			successors[i] = successor
		})
	}
	close(begin)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	distinct := map[string]bool{}
	for _, s := range successors {
		if s != "" {
			distinct[s] = true
		}
	}
	return len(distinct), nil
}

// each calls do for 0 to n-1 from the given number of goroutines. It stops after an error and
// returns it.
func each(callers, n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && failed.Load() == nil; i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

var ctx = context.Background() // never cancelled
