package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// brittle is a feed that fails on demand.
type brittle struct {
	session.Feed
	broken atomic.Bool
}

var errBrittle = errors.New("the feed is broken")

func (f *brittle) Publish(ctx context.Context, n session.Notice, keep time.Duration) error {
	if f.broken.Load() {
		return errBrittle
	}
	return f.Feed.Publish(ctx, n, keep)
}

func (f *brittle) ReadFeed(ctx context.Context, after session.FeedPosition) ([]session.Notice, session.FeedPosition, error) {
	if f.broken.Load() {
		return nil, after, errBrittle
	}
	return f.Feed.ReadFeed(ctx, after)
}

// twin returns two processes with one store and one feed, and a browser that is signed in.
func twin(t *testing.T, change func(*middleware.Config[profile])) (here, there *app, feed *brittle, b *browser) {
	t.Helper()
	feed = &brittle{Feed: memstore.NewFeed()}
	here = newApp(t, func(c *middleware.Config[profile]) {
		c.Feed = feed
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(here.auth.Close)
	there = newApp(t, func(c *middleware.Config[profile]) {
		c.Feed, c.Store = feed, here.store
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(there.auth.Close)
	b = newBrowser(t, here).signIn("u1")
	return here, there, feed, b
}

// serve answers a GET of the browser with h behind the middleware of a.
func (b *browser) serve(a *app, h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.auth.Handler(h).ServeHTTP(w, b.request("GET", "/page", nil))
	return w
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })

func TestRequireAskStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there, _, b := twin(t, func(c *middleware.Config[profile]) { c.Feed = session.NoFeed })
		asking := there.auth.Require(there.auth.Require(ok, middleware.AskStore()), middleware.AskStore())
		before := here.store.calls.Load()
		if w := b.serve(there, there.auth.Require(ok)); w.Code != http.StatusOK || here.store.calls.Load() != before {
			t.Errorf("without asking: %d, %d calls", w.Code, here.store.calls.Load()-before)
		}
		if w := b.serve(there, asking); w.Code != http.StatusOK || here.store.calls.Load() != before+1 {
			t.Errorf("alive: %d, %d calls, want one", w.Code, here.store.calls.Load()-before)
		}
		here.store.set(errBrittle, false)
		if w := b.serve(there, asking); w.Code != http.StatusServiceUnavailable {
			t.Errorf("store down: %d", w.Code)
		}
		here.store.set(nil, false)
		if err := here.auth.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		if w := b.serve(there, there.auth.Require(ok)); w.Code != http.StatusOK {
			t.Errorf("ended, without asking: %d", w.Code)
		}
		seen := middleware.OutcomeFresh
		w := b.serve(there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asking.ServeHTTP(w, r)
			seen = there.auth.Outcome(r.Context())
		}))
		if w.Code != http.StatusUnauthorized || seen != middleware.OutcomeExpired {
			t.Errorf("ended: %d, then the request has the outcome %v", w.Code, seen)
		}
	})
}

// While the feed is lost, requests ask the store if Config.FeedLost says so, and only then.
func TestFeedLostAskStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there, feed, b := twin(t, func(c *middleware.Config[profile]) { c.FeedLost = middleware.FeedLostAskStore })
		get := func() (int, int64) {
			before := here.store.calls.Load()
			w := b.serve(there, there.auth.Require(ok))
			return w.Code, here.store.calls.Load() - before
		}
		if code, calls := get(); code != http.StatusOK || calls != 0 {
			t.Errorf("with the feed: %d, %d calls", code, calls)
		}
		feed.broken.Store(true)
		time.Sleep(10 * time.Second)
		if code, calls := get(); code != http.StatusOK || calls != 1 {
			t.Errorf("without: %d, %d calls, want one", code, calls)
		}
		here.store.set(errBrittle, false)
		if code, _ := get(); code != http.StatusServiceUnavailable {
			t.Errorf("store down, too: %d", code)
		}
		here.store.set(nil, false)
		if err := here.auth.RevokeUser(t.Context(), "u1"); !errors.Is(err, session.CodeDatabaseUpdateFailed) {
			t.Errorf("RevokeUser = %v", err)
		}
		w := b.serve(there, there.auth.Require(ok))
		if w.Code != http.StatusUnauthorized {
			t.Errorf("ended: %d", w.Code)
		}
		feed.broken.Store(false)
		time.Sleep(time.Second)
		other := newBrowser(t, here).signIn("u2")
		before := here.store.calls.Load()
		if w := other.serve(there, there.auth.Require(ok)); w.Code != http.StatusOK || here.store.calls.Load() != before {
			t.Errorf("with the feed again: %d, %d calls", w.Code, here.store.calls.Load()-before)
		}
	})
}

func TestEndedOfARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there, _, b := twin(t, nil)
		closed := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		var own, ofWorker, signedOut, same <-chan struct{}
		b.serve(there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			own = there.auth.Ended(r.Context())
			same = there.auth.Ended(r.Context())
			ofWorker = there.auth.Ended(context.WithoutCancel(r.Context()))
		}))
		if own != same {
			t.Error("a second call returns another channel")
		}
		if closed(own) || closed(ofWorker) {
			t.Error("closed while the session lives")
		}
		b.clone().serve(there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := there.auth.SignIn(w, r, "u2", middleware.FromCallback()); err != nil {
				t.Error(err)
			}
			signedOut = there.auth.Ended(r.Context())
			if closed(signedOut) {
				t.Error("closed after the sign-in")
			}
			if err := there.auth.SignOut(w, r); err != nil {
				t.Error(err)
			}
			if !closed(signedOut) || !closed(there.auth.Ended(r.Context())) {
				t.Error("open after the sign-out of the request itself")
			}
		}))
		newBrowser(t, there).serve(there, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if !closed(there.auth.Ended(r.Context())) {
				t.Error("open without a session")
			}
		}))
		if !closed(there.auth.Ended(t.Context())) {
			t.Error("open without the middleware")
		}
		if err := here.auth.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if !closed(own) || !closed(ofWorker) {
			t.Errorf("after the revocation: closed %v, for work that outlives the request %v", closed(own), closed(ofWorker))
		}
	})
}

// The data of a user changes. The next page shows it, and the person stays signed in. A handler
// that reloads the user everywhere may also reload its own request.
func TestReloadUserOnPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var name atomic.Value
		name.Store("old")
		here, there, _, b := twin(t, func(c *middleware.Config[profile]) {
			c.LoadUser = func(context.Context, string) (profile, error) { return profile{name.Load().(string)}, nil }
		})
		shown := func(a *app) (got string) {
			w := b.serve(a, a.auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = a.auth.Session(r.Context()).User.Data.Username
			})))
			b.keep(w.Result())
			return got
		}
		if got := shown(there); got != "old" {
			t.Fatalf("shows %q", got)
		}
		b.serve(here, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name.Store("new")
			if err := here.auth.ReloadUser(r.Context(), "u1"); err != nil {
				t.Error(err)
			}
			if err := here.auth.Reload(w, r); err != nil {
				t.Errorf("Reload after ReloadUser: %v", err)
			}
			if got := here.auth.Session(r.Context()).User.Data.Username; got != "new" {
				t.Errorf("the request itself has %q", got)
			}
		}))
		time.Sleep(time.Second)
		for range 2 {
			if got := shown(there); got != "new" {
				t.Errorf("the next page shows %q", got)
			}
		}
	})
}
