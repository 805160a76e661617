package redisstore_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/feedtest"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// connected returns a function that opens a store with a client of its own.
func connected(url string, opts ...redisstore.Option) func(testing.TB) session.Store {
	return func(t testing.TB) session.Store {
		o, err := redisstore.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewUniversalClient(o)
		t.Cleanup(func() { client.Close() })
		return redisstore.New(client, opts...)
	}
}

func TestEndsReachOtherProcesses(t *testing.T) {
	t.Parallel()
	t.Run("single", func(t *testing.T) {
		t.Parallel()
		feedtest.Felt(t, connected(testenv.Redis(t).URL(), unhurried))
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		feedtest.Felt(t, connected(testenv.Cluster(t).URL(), unhurried))
	})
}

// revocations ends sessions of a process while something happens to the feed.
type revocations struct {
	t     *testing.T
	here  *feedtest.Process
	there *feedtest.Process
	begun []*feedtest.Browser
	ended atomic.Int64 // of begun, in order
	times []time.Time  // when they were acknowledged
}

const sessionsToEnd = 60

func newRevocations(t *testing.T, here, there *feedtest.Process) *revocations {
	t.Helper()
	r := &revocations{t: t, here: here, there: there}
	for i := range sessionsToEnd {
		b := here.SignIn(fmt.Sprintf("user-%d", i))
		if status, _ := there.Get(b.WithoutRefresh(), "/me"); status != 200 {
			t.Fatalf("before: %d", status)
		}
		r.begun = append(r.begun, b)
	}
	return r
}

// run ends the sessions one after the other. Each call is repeated until it succeeds.
func (r *revocations) run() (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, b := range r.begun {
			deadline := time.Now().Add(time.Minute)
			for err := errors.New("not tried"); err != nil; time.Sleep(10 * time.Millisecond) {
				if err = r.here.Auth.RevokeUser(r.t.Context(), b.User); err != nil && time.Now().After(deadline) {
					r.t.Errorf("RevokeUser: %v", err)
					return
				}
			}
			r.times = append(r.times, time.Now())
			r.ended.Add(1)
		}
	}()
	return func() { <-done }
}

// await waits until n sessions have ended.
func (r *revocations) await(n int64) {
	for r.ended.Load() < n && !r.t.Failed() {
		time.Sleep(time.Millisecond)
	}
}

// missed returns the sessions whose access tokens the other process still accepts after it has
// read the feed, in which the end of last stands.
func (r *revocations) missed() (missed []int) {
	r.t.Helper()
	last := r.here.SignIn("last")
	for r.here.Auth.RevokeUser(r.t.Context(), "last") != nil {
		time.Sleep(10 * time.Millisecond)
	}
	if !r.there.Await(last) {
		r.t.Fatal("the feed has not come back")
	}
	for i, b := range r.begun {
		if status, _ := r.there.Get(b.WithoutRefresh(), "/me"); status != 401 {
			missed = append(missed, i)
		}
	}
	return missed
}

// The connection of one process is cut, held and restored while sessions end in another one.
func TestAFeedThatIsCutMissesNothing(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	proxy := testenv.NewProxy(t, server.Addr)
	app := feedtest.NewApp()
	here := app.Start(t, connected(server.URL(), unhurried)(t))
	there := app.Start(t, connected("redis://"+proxy.Addr)(t))
	r := newRevocations(t, here, there)
	proxy.Hold()
	wait := r.run()
	r.await(sessionsToEnd / 3)
	proxy.Pass()
	proxy.Reset()
	r.await(2 * sessionsToEnd / 3)
	proxy.Hold()
	wait()
	proxy.Reset()
	proxy.Pass()
	if missed := r.missed(); len(missed) > 0 {
		t.Errorf("%d ends of %d were missed", len(missed), sessionsToEnd)
	}
}

// The server is killed and restarted during the revocations. Its AOF has every write.
func TestAFeedOnAServerThatRestartsMissesNothing(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	app, open := feedtest.NewApp(), connected(server.URL())
	r := newRevocations(t, app.Start(t, open(t)), app.Start(t, open(t)))
	wait := r.run()
	for _, n := range []int64{sessionsToEnd / 3, 2 * sessionsToEnd / 3} {
		r.await(n)
		server.Kill()
		server.Restart()
	}
	wait()
	if missed := r.missed(); len(missed) > 0 {
		t.Errorf("%d ends of %d were missed", len(missed), sessionsToEnd)
	}
}

// The master dies during the revocations and a replica takes over. What may be missed is what the
// replica had not received, of the moment before the master died.
func TestAFeedAfterAFailoverMissesWhatTheReplicaHadNotReceived(t *testing.T) {
	t.Parallel()
	s := testenv.Sentinel(t)
	app, open := feedtest.NewApp(), connected(s.URL())
	r := newRevocations(t, app.Start(t, open(t)), app.Start(t, open(t)))
	wait := r.run()
	r.await(sessionsToEnd / 2)
	s.Master.Kill()
	died := time.Now()
	wait()
	missed := r.missed()
	t.Logf("%d ends of %d were missed", len(missed), sessionsToEnd)
	for _, i := range missed {
		if before := died.Sub(r.times[i]); before < 0 || before > time.Second {
			t.Errorf("the end of session %d, %v before the master died, was missed", i, before)
		}
	}
}
