package testenv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisServer is a redis-server on a loopback port of its own.
type RedisServer struct {
	*Process
	Addr string

	t    testing.TB
	path string
	dir  string
	args []string
}

// Redis starts a redis-server without persistence. args are appended to its command line and take
// precedence, for example "--appendonly", "yes". The data directory is the server's own and
// survives Restart.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	s := &RedisServer{t: t, path: Require(t, "redis"), dir: t.TempDir()}
	const attempts = 10 // another program may take the port first
	for range attempts {
		port := freePort(t)
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		s.args = append([]string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", s.dir,
			"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0",
		}, args...)
		if s.start() {
			return s
		}
	}
	t.Fatalf("testenv: redis-server did not start:\n%s", s.Log())
	return nil
}

func (s *RedisServer) start() (ok bool) {
	s.t.Helper()
	s.Process, ok = start(s.t, s.dir, "Ready to accept connections", s.path, s.args...)
	return ok
}

// Restart starts the server again after Kill, on the same port and with the same data directory.
func (s *RedisServer) Restart() {
	s.t.Helper()
	if !s.start() {
		s.t.Fatalf("testenv: redis-server did not start again:\n%s", s.Log())
	}
}

// URL returns the server's redis:// URL.
func (s *RedisServer) URL() string { return "redis://" + s.Addr }

// Client returns a client of this server, for the commands of a test. It is closed with the test.
func (s *RedisServer) Client() *redis.Client {
	c := s.client()
	s.t.Cleanup(func() { c.Close() })
	return c
}

// client returns a client that sends each command once, however slow the server is.
func (s *RedisServer) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.Addr, MaxRetries: -1, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, PoolTimeout: patience,
	})
}

// do sends a command and fails the test on an error.
func (s *RedisServer) do(args ...any) *redis.Cmd {
	s.t.Helper()
	c := s.client()
	defer c.Close()
	cmd := c.Do(context.Background(), args...)
	if cmd.Err() != nil {
		s.t.Fatalf("testenv: %v: %v", args, cmd.Err())
	}
	return cmd
}

// Follow makes the server a replica of the one at addr and returns when it is in sync.
func (s *RedisServer) Follow(addr string) {
	s.t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do("replicaof", host, port)
	eventually(s.t, "a replica to be in sync", func() (bool, string) {
		role, err := s.do("role").Slice()
		if err != nil || len(role) < 4 {
			return false, fmt.Sprint(role, err)
		}
		return role[3] == "connected", fmt.Sprint(role)
	})
}

// AwaitReplica returns when a replica of the server has the writes that the server had made before
// the call.
func (s *RedisServer) AwaitReplica() {
	s.t.Helper()
	client := s.client()
	defer client.Close()
	one := client.Conn() // WAIT counts the writes of its own connection
	defer one.Close()
	ctx := context.Background()
	const key = "testenv:written"
	for _, err := range []error{one.Set(ctx, key, "", 0).Err(), one.Del(ctx, key).Err()} {
		if err != nil {
			s.t.Fatalf("testenv: %v", err)
		}
	}
	if n, err := one.Wait(ctx, 1, patience).Result(); n == 0 || err != nil {
		s.t.Fatalf("testenv: %d replicas have the writes, %v", n, err)
	}
}

// FreeAddr returns an address on loopback with a port on which no program listens. A server may
// leave it and take it again.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
}

// freePort returns a port on which no program listens. The port is below the range from which the
// system takes the ports of outgoing connections. So a server that is down for a moment finds it
// still free.
func freePort(t testing.TB) int {
	t.Helper()
	const first, last, attempts = 12000, 31000, 100
	for range attempts {
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("testenv: found no free port")
	return 0
}

// eventually polls other processes until done returns true. They have no other way to report. The
// state is for the message.
func eventually(t testing.TB, what string, done func() (ok bool, state string)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		var ok bool
		if ok, last = done(); ok {
			return
		}
	}
	t.Fatalf("testenv: waited %v for %s: %s", patience, what, last)
}
