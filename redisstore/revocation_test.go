package redisstore_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/feedtest"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// connected returns a function that opens a store with a client of its own, as recommended.
func connected(url string) func(testing.TB) session.Store {
	return func(t testing.TB) session.Store { return redisstore.New(open(t, recommended(t, url))) }
}

// patiently returns a function that opens a store with a client of its own, whose calls do not fail
// because the machine is busy.
func patiently(url string) func(testing.TB) session.Store {
	return func(t testing.TB) session.Store { return patient(open(t, options(t, url))) }
}

func TestRevocationsReachOtherProcesses(t *testing.T) {
	t.Parallel()
	t.Run("single", func(t *testing.T) {
		t.Parallel()
		feedtest.Revocations(t, patiently(testenv.Redis(t).URL()))
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		feedtest.Revocations(t, patiently(testenv.Cluster(t).URL()))
	})
}

// revocations revokes users in one process while a test disturbs the feed of the other.
type revocations struct {
	t        *testing.T
	here     *feedtest.Process // revokes the users
	there    *feedtest.Process // reads the feed
	signedIn []*feedtest.Browser
	ended    atomic.Int64 // how many of signedIn, in order
	begun    []time.Time  // when each revocation began
	done     []time.Time  // when the store had acknowledged it
}

const sessionsToEnd = 60

func newRevocations(t *testing.T, here, there *feedtest.Process) *revocations {
	t.Helper()
	r := &revocations{t: t, here: here, there: there}
	for i := range sessionsToEnd {
		b := here.SignIn(fmt.Sprintf("user-%d", i))
		if status, _ := there.Get(b.WithoutRefresh(), "/me"); status != 200 {
			t.Fatalf("status before the revocation: %d, want 200", status)
		}
		r.signedIn = append(r.signedIn, b)
	}
	return r
}

// run revokes the users one after the other. It repeats each call until it succeeds.
func (r *revocations) run() (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, b := range r.signedIn {
			deadline := time.Now().Add(3 * time.Minute) // a failover takes most of a minute after the machine has stood still
			var begun time.Time
			for err := errors.New("not tried"); err != nil; time.Sleep(10 * time.Millisecond) {
				begun = time.Now()
				if err = r.here.Auth.RevokeUser(r.t.Context(), b.User); err != nil && begun.After(deadline) {
					r.t.Errorf("RevokeUser: %v", err)
					return
				}
			}
			r.begun, r.done = append(r.begun, begun), append(r.done, time.Now())
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

// missed returns the indexes of the sessions whose access tokens the other process still accepts.
// It first revokes one more user and waits until the other process has read that notice.
func (r *revocations) missed() (missed []int) {
	r.t.Helper()
	last := r.here.SignIn("last")
	for r.here.Auth.RevokeUser(r.t.Context(), "last") != nil {
		time.Sleep(10 * time.Millisecond)
	}
	if !r.there.Await(last) {
		r.t.Fatal("the other process does not read the feed again")
	}
	for i, b := range r.signedIn {
		if status, _ := r.there.Get(b.WithoutRefresh(), "/me"); status != 401 {
			missed = append(missed, i)
		}
	}
	return missed
}

// The connection of one process stalls, breaks and recovers while another process revokes users.
func TestFeedMissesNothingAfterADisconnect(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	proxy := testenv.NewProxy(t, server.Addr)
	app := feedtest.NewApp()
	here := app.Start(t, patiently(server.URL())(t))
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
		t.Errorf("%d of %d revocations were missed", len(missed), sessionsToEnd)
	}
}

// The server is killed and restarted during the revocations. It syncs its AOF at every write.
func TestFeedMissesNothingAfterARestart(t *testing.T) {
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
		t.Errorf("%d of %d revocations were missed", len(missed), sessionsToEnd)
	}
}

// The master dies during the revocations and a replica takes over. Only revocations that the
// replica had not received may be missed: those of the last moment before the master died.
func TestFeedMissesOnlyUnreplicatedNoticesAfterAFailover(t *testing.T) {
	t.Parallel()
	s := testenv.Sentinel(t)
	app, open := feedtest.NewApp(), connected(s.URL())
	r := newRevocations(t, app.Start(t, open(t)), app.Start(t, open(t)))
	wait := r.run()
	r.await(sessionsToEnd / 2)
	replicated := time.Now()
	s.Master.AwaitReplica() // it has all earlier writes
	s.KillMaster()
	died := time.Now()
	wait()
	missed := r.missed()
	t.Logf("%d of %d revocations were missed", len(missed), sessionsToEnd)
	for _, i := range missed {
		if r.done[i].Before(replicated) {
			t.Errorf("the revocation of user %d, which the replica had received, was missed", i)
		}
		if r.begun[i].After(died) {
			t.Errorf("the revocation of user %d, after the failover, was missed", i)
		}
	}
}
