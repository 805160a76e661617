package engine_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// errCut is the error of a feed whose connection is cut.
var errCut = errors.New("the feed is cut")

// cable is a process's connection to the feed. It can be cut.
type cable struct {
	session.Feed
	mu    sync.Mutex
	isCut bool
	hangs bool
}

func (c *cable) set(isCut, hangs bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut, c.hangs = isCut, hangs
}

func (c *cable) fault(ctx context.Context) error {
	c.mu.Lock()
	isCut, hangs := c.isCut, c.hangs
	c.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if isCut {
		return errCut
	}
	return nil
}

func (c *cable) Publish(ctx context.Context, n session.Notice, keep time.Duration) error {
	if err := c.fault(ctx); err != nil {
		return err
	}
	return c.Feed.Publish(ctx, n, keep)
}

func (c *cable) ReadFeed(ctx context.Context, after session.FeedPosition) ([]session.Notice, session.FeedPosition, error) {
	if err := c.fault(ctx); err != nil {
		return nil, after, err
	}
	return c.Feed.ReadFeed(ctx, after)
}

// fleet is some processes with one store and one feed.
type fleet struct {
	store *tap
	feed  *memstore.Feed
	data  string // what LoadUser returns
	gone  bool   // whether LoadUser reports that the user is gone

	mu     sync.Mutex
	events []session.Event
}

func newFleet() *fleet {
	return &fleet{store: newTap(), feed: memstore.NewFeed(), data: "old"}
}

// process starts a process. It stops at the end of the test.
func (f *fleet) process(t *testing.T, change ...func(*engine.Config[profile])) (*engine.Engine[profile], *cable) {
	t.Helper()
	c := &cable{Feed: f.feed}
	e := newEngine(t, func(config *engine.Config[profile]) {
		config.Store, config.Feed = f.store, c
		config.LoadUser = func(context.Context, string) (profile, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.gone {
				return profile{}, session.ErrUserNotFound
			}
			return profile{f.data}, nil
		}
		config.OnEvent = func(event session.Event) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.events = append(f.events, event)
		}
		for _, ch := range change {
			ch(config)
		}
	})
	t.Cleanup(e.Close)
	return e, c
}

func (f *fleet) load(data string, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data, f.gone = data, gone
}

// saw returns how many events of a kind have occurred.
func (f *fleet) saw(kind session.EventKind) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// aSecond is the time within which every process must know of an end.
const aSecond = time.Second

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sessionOf returns the session of the access token in a jar.
func sessionOf(t testing.TB, e *engine.Engine[profile], j jar) session.Session[profile] {
	t.Helper()
	s, err := e.Verify(j.access, j.fingerprint)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return s
}

// Each way in which a session ends in one process takes effect in another within a second: its
// requests are refused without a call of the store, and its streams close.
func TestEndsReachOtherProcesses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(t *testing.T, f *fleet, here *engine.Engine[profile], j, phone jar)
		all  bool // of the user's sessions
	}{
		{"sign-out", func(t *testing.T, _ *fleet, here *engine.Engine[profile], j, _ jar) {
			if err := here.SignOut(t.Context(), "u1", idOf(t, here, j)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"the app ends a session", func(t *testing.T, _ *fleet, here *engine.Engine[profile], j, _ jar) {
			if err := here.EndSession(t.Context(), "u1", idOf(t, here, j)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"revocation", func(t *testing.T, _ *fleet, here *engine.Engine[profile], _, _ jar) {
			if err := here.RevokeUser(t.Context(), "u1"); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"reuse", func(t *testing.T, _ *fleet, here *engine.Engine[profile], j, phone jar) {
			thief := phone
			for range 4 {
				phone.must(t, here, session.Rotated)
				time.Sleep(10 * time.Minute)
				if _, err := here.Verify(phone.access, phone.fingerprint); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the confirmation
				time.Sleep(10 * time.Minute)
			}
			if o, err := j.refresh(t, here); !o.Alive() { // so that its access token is valid
				t.Fatal(o, err)
			}
			time.Sleep(aSecond)
			if o, err := thief.refresh(t, here); o != session.Reused {
				t.Fatalf("the thief: %v, %v", o, err)
			}
		}, true},
		{"user gone", func(t *testing.T, f *fleet, here *engine.Engine[profile], _, phone jar) {
			f.load("", true)
			if _, err := phone.refresh(t, here); !errors.Is(err, session.ErrUserNotFound) {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFleet()
				here, _ := f.process(t)
				there, _ := f.process(t)
				j, phone, other := signIn(t, here, "u1"), signIn(t, here, "u1"), signIn(t, here, "u2")
				ended := there.Ended(t.Context(), sessionOf(t, there, j))
				ofPhone := there.Ended(t.Context(), sessionOf(t, there, phone))
				ofOther := there.Ended(t.Context(), sessionOf(t, there, other))
				c.end(t, f, here, j, phone)
				time.Sleep(aSecond)
				f.store.took()
				if !isClosed(ended) {
					t.Error("the stream is still open")
				}
				if isClosed(ofPhone) != c.all || isClosed(ofOther) {
					t.Errorf("the stream of the user's other session is closed: %v, of another user: %v", isClosed(ofPhone), isClosed(ofOther))
				}
				for range 3 {
					if err := verdict(there, j); !errors.Is(err, engine.ErrRevoked) && !errors.Is(err, engine.ErrExpired) {
						t.Errorf("Verify = %v, want ErrRevoked", err)
					}
					if err := verdict(there, other); errors.Is(err, engine.ErrRevoked) {
						t.Errorf("another user: %v", err)
					}
				}
				if calls := f.store.took(); len(calls) != 0 {
					t.Errorf("requests called the store: %v", calls)
				}
			})
		})
	}
}

// An idle end is not published, because no access token expires later than its session. When one
// process has found that the session is over, every other refuses its tokens within their leeway.
func TestIdleEndsNeedNoNotice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const accessTTL, leeway = 5 * time.Minute, 30 * time.Second
		f := newFleet()
		idle := func(c *engine.Config[profile]) { c.AccessTTL, c.IdleTimeout = accessTTL, 30*time.Minute }
		here, _ := f.process(t, idle)
		there, _ := f.process(t, idle)
		j := signIn(t, here, "u1")
		streaming, _ := f.process(t, idle) // it has the stream and gets no other request
		ended := streaming.Ended(t.Context(), sessionOf(t, streaming, j))
		tokens := []jar{j}
		for i := 0; ; i++ { // an open page refreshes in the background
			time.Sleep(time.Second)
			if o, _ := j.refresh(t, []*engine.Engine[profile]{here, there}[i%2]); !o.Alive() {
				break
			}
			tokens = append(tokens, j)
		}
		if len(tokens) < 1800 {
			t.Fatalf("the session ended after %d seconds", len(tokens))
		}
		time.Sleep(leeway + time.Millisecond)
		for name, e := range map[string]*engine.Engine[profile]{"here": here, "there": there} {
			for i, old := range tokens {
				if err := verdict(e, old); !errors.Is(err, engine.ErrExpired) && !errors.Is(err, engine.ErrRevoked) {
					t.Fatalf("Verify %s, with token %d of %d: %v", name, i, len(tokens), err)
				}
			}
		}
		if !isClosed(ended) {
			t.Error("the stream is still open")
		}
		if notices, _, err := f.feed.ReadFeed(t.Context(), ""); len(notices) != 0 || err != nil {
			t.Errorf("the feed has %v, %v", notices, err)
		}
	})
}

// After "sign out everywhere" the user signs in again at once, in any process. Each process accepts
// the new session, at the latest after one refresh.
func TestSessionsBegunAfterARevocationGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		here, _ := f.process(t)
		there, _ := f.process(t)
		synctest.Wait() // both have read the feed and read it again only when time passes
		old := signIn(t, here, "u1")
		if err := here.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		same, elsewhere := signIn(t, here, "u1"), signIn(t, there, "u1")
		time.Sleep(aSecond)
		for name, e := range map[string]*engine.Engine[profile]{"here": here, "there": there} {
			if err := verdict(e, old); !errors.Is(err, engine.ErrRevoked) {
				t.Errorf("%s, the old session: %v", name, err)
			}
			if err := verdict(e, same); err != nil {
				t.Errorf("%s, signed in in the process of the revocation: %v", name, err)
			}
			if err := verdict(e, elsewhere); !errors.Is(err, engine.ErrRevoked) {
				t.Errorf("%s, signed in where the revocation was not known yet: %v, want a refresh", name, err)
			}
		}
		elsewhere.must(t, there, session.Rotated)
		for name, e := range map[string]*engine.Engine[profile]{"here": here, "there": there} {
			if err := verdict(e, elsewhere); err != nil {
				t.Errorf("%s, after its refresh: %v", name, err)
			}
		}
	})
}

func TestReloadUserLoadsTheUserAnewEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		here, _ := f.process(t)
		there, _ := f.process(t)
		sessions := []jar{signIn(t, here, "u1"), signIn(t, there, "u1")}
		other := signIn(t, here, "u2")
		ended := there.Ended(t.Context(), sessionOf(t, there, sessions[0]))
		time.Sleep(time.Minute)
		for round, data := range []string{"new", "newer", "newest"} { // in immediate succession
			f.load(data, false)
			if err := here.ReloadUser(t.Context(), "u1"); err != nil {
				t.Fatal(err)
			}
			if round == 0 {
				time.Sleep(aSecond)
			}
			for i := range sessions {
				e := []*engine.Engine[profile]{here, there}[(i+round)%2]
				if round > 0 { // the other process may not know yet
					e = here
				}
				if err := verdict(e, sessions[i]); !errors.Is(err, engine.ErrOutdated) {
					t.Errorf("%s, session %d: %v, want ErrOutdated", data, i, err)
				}
				if o, err := sessions[i].refresh(t, e); !o.Alive() {
					t.Errorf("%s, session %d: refresh %v, %v", data, i, o, err)
				}
				for range 2 {
					if s := sessionOf(t, e, sessions[i]); s.User.Data.Username != data {
						t.Errorf("session %d has %q, want %q", i, s.User.Data.Username, data)
					}
				}
			}
		}
		time.Sleep(aSecond)
		for i, j := range sessions {
			if s := sessionOf(t, there, j); s.User.Data.Username != "newest" {
				t.Errorf("session %d has %q in the other process", i, s.User.Data.Username)
			}
		}
		if err := verdict(there, other); err != nil {
			t.Errorf("another user: %v", err)
		}
		if isClosed(ended) {
			t.Error("the reload has closed a stream")
		}
		if err := here.ReloadUser(t.Context(), ""); session.CodeOf(err) != session.CodeInvalidUserID {
			t.Errorf("ReloadUser without a user id: %v", err)
		}
	})
}

// A token that was issued while the user changed has the old data. It is refused like those before
// it.
func TestReloadUserDuringARefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		here, _ := f.process(t)
		j := signIn(t, here, "u1")
		held := make(chan struct{})
		f.store.set(func(_ context.Context, call string) error {
			if call == "Refresh" {
				<-held
			}
			return nil
		})
		answered := make(chan error)
		go func() {
			_, err := j.refresh(t, here) // has loaded the user
			answered <- err
		}()
		synctest.Wait()
		f.load("new", false)
		if err := here.ReloadUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(aSecond)
		close(held)
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		if err := verdict(here, j); !errors.Is(err, engine.ErrOutdated) {
			t.Errorf("Verify = %v, want ErrOutdated", err)
		}
	})
}

// A process that starts knows what has ended before, and answers no request until it does.
func TestAStartingProcessReadsWhatHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		here, _ := f.process(t)
		var ended []jar
		for i := range 1500 { // more than one page of the feed
			user := "u" + strconv.Itoa(i)
			j := signIn(t, here, user)
			ended = append(ended, j)
			if err := here.SignOut(t.Context(), user, idOf(t, here, j)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		fresh, _ := f.process(t)
		for _, j := range []jar{ended[0], ended[len(ended)-1]} {
			if err := verdict(fresh, j); !errors.Is(err, engine.ErrRevoked) {
				t.Errorf("Verify = %v, want ErrRevoked", err)
			}
		}
	})
}

// A process that cannot read the feed at its start serves requests after Timeout.
func TestAFeedThatIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet()
			here, _ := f.process(t)
			j := signIn(t, here, "u1")
			var c *cable
			fresh, _ := f.process(t, func(config *engine.Config[profile]) {
				c = config.Feed.(*cable)
				c.set(true, hangs)
			})
			began := time.Now()
			if err := verdict(fresh, j); err != nil {
				t.Errorf("hangs %v: Verify = %v", hangs, err)
			}
			if waited := time.Since(began); waited > engine.DefaultTimeout+aSecond {
				t.Errorf("hangs %v: the first request waited %v", hangs, waited)
			}
			c.set(false, false) // otherwise Close waits for the call
		})
	}
}

// The feed is cut and restored. No notice that was published in between is missed, and the events
// report when the feed was lost and restored.
func TestACutFeedMissesNothing(t *testing.T) {
	t.Parallel()
	for _, ask := range []engine.FeedLost{engine.FeedLostCarryOn, engine.FeedLostAskStore} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet()
			here, _ := f.process(t)
			there, c := f.process(t, func(c *engine.Config[profile]) { c.FeedLost = ask })
			j, kept := signIn(t, here, "u1"), signIn(t, here, "u1")
			s := sessionOf(t, there, j)
			c.set(true, false)
			time.Sleep(aSecond)
			if there.MustAsk() {
				t.Error("a short failure makes requests ask the store")
			}
			time.Sleep(5 * time.Second)
			if err := here.SignOut(t.Context(), "u1", s.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if n := f.saw(session.EventFeedLost); n != 1 {
				t.Errorf("%d events that the feed is lost", n)
			}
			unavailable(t, there.Ready(t.Context()), session.CodeDatabaseFetchFailed)
			if there.MustAsk() != (ask == engine.FeedLostAskStore) {
				t.Errorf("FeedLost %d: MustAsk = %v", ask, there.MustAsk())
			}
			if err := verdict(there, j); err != nil {
				t.Errorf("Verify while the feed is cut: %v", err)
			}
			c.set(false, false)
			time.Sleep(aSecond)
			if err := verdict(there, j); !errors.Is(err, engine.ErrRevoked) {
				t.Errorf("Verify after that: %v, want ErrRevoked", err)
			}
			if err := verdict(there, kept); err != nil {
				t.Errorf("another session: %v", err)
			}
			if n := f.saw(session.EventFeedRestored); n != 1 || there.MustAsk() {
				t.Errorf("%d events that the feed is restored; MustAsk %v", n, there.MustAsk())
			}
			if err := there.Ready(t.Context()); err != nil {
				t.Errorf("Ready after that = %v", err)
			}
		})
	}
}

func TestAskStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		e, _ := f.process(t, func(c *engine.Config[profile]) { c.Feed = session.NoFeed })
		j := signIn(t, e, "u1")
		s := sessionOf(t, e, j)
		if err := e.AskStore(t.Context(), s); err != nil {
			t.Errorf("alive: %v", err)
		}
		f.store.set(func(context.Context, string) error { return errCut })
		if err := e.AskStore(t.Context(), s); session.CodeOf(err) != session.CodeDatabaseFetchFailed {
			t.Errorf("store down: %v", err)
		}
		f.store.set(nil)
		if err := f.store.Store.Delete(t.Context(), "u1", s.ID); err != nil { // in another process
			t.Fatal(err)
		}
		if err := verdict(e, j); err != nil {
			t.Errorf("Verify before AskStore: %v", err)
		}
		if err := e.AskStore(t.Context(), s); session.CodeOf(err) != session.CodeUnauthorized {
			t.Errorf("ended: %v", err)
		}
		if err := verdict(e, j); !errors.Is(err, engine.ErrRevoked) {
			t.Errorf("Verify after AskStore: %v", err)
		}
	})
}

// A feed that fails makes the calls fail. The sessions have ended nevertheless. Repeating the call
// is harmless. The end is published when the feed works again, even if the call is not repeated.
func TestAFailingFeedMakesTheCallFail(t *testing.T) {
	t.Parallel()
	for name, repeat := range map[string]bool{"repeated": true, "not repeated": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFleet()
				here, c := f.process(t)
				there, _ := f.process(t)
				j, k := signIn(t, here, "u1"), signIn(t, here, "u2")
				c.set(true, false)
				calls := map[string]func() error{
					"SignOut":    func() error { return here.SignOut(t.Context(), "u1", idOf(t, here, j)) },
					"RevokeUser": func() error { return here.RevokeUser(t.Context(), "u2") },
					"ReloadUser": func() error { return here.ReloadUser(t.Context(), "u3") },
				}
				l := signIn(t, here, "u3")
				for name, call := range calls {
					if err := call(); session.CodeOf(err) != session.CodeDatabaseUpdateFailed || !errors.Is(err, errCut) {
						t.Errorf("%s = %v", name, err)
					}
				}
				if err := verdict(here, j); !errors.Is(err, engine.ErrRevoked) {
					t.Errorf("Verify in the same process: %v", err)
				}
				time.Sleep(time.Minute)
				c.set(false, false)
				if repeat {
					for name, call := range calls {
						if err := call(); err != nil {
							t.Errorf("%s again: %v", name, err)
						}
					}
				}
				time.Sleep(aSecond)
				for _, ended := range []jar{j, k} {
					if err := verdict(there, ended); !errors.Is(err, engine.ErrRevoked) {
						t.Errorf("Verify in another process: %v", err)
					}
				}
				if err := verdict(there, l); !errors.Is(err, engine.ErrOutdated) {
					t.Errorf("Verify for the user who is to be loaded anew: %v", err)
				}
			})
		})
	}
}

func TestEndedFollowsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		e, _ := f.process(t, func(c *engine.Config[profile]) {
			c.Feed, c.RefreshTTL, c.Lifetime = session.NoFeed, 2*time.Hour, 3*time.Hour
		})
		j, silent := signIn(t, e, "u1"), signIn(t, e, "u1")
		stream, left := context.WithCancel(t.Context())
		ended := e.Ended(stream, sessionOf(t, e, j))
		ofSilent := e.Ended(t.Context(), sessionOf(t, e, silent))
		gone := e.Ended(stream, sessionOf(t, e, j))
		for range 10 { // 100 minutes
			time.Sleep(10 * time.Minute)
			if o, err := j.refresh(t, e); !o.Alive() {
				t.Fatal(o, err)
			}
			if _, err := e.Verify(j.access, j.fingerprint); err != nil {
				t.Fatal(err)
			}
		}
		if isClosed(ended) || isClosed(ofSilent) {
			t.Fatal("a rotation or the expiry of the access token closed a stream")
		}
		time.Sleep(21 * time.Minute)
		if !isClosed(ofSilent) {
			t.Error("the stream of an expired session is still open")
		}
		if isClosed(ended) {
			t.Error("the stream of a session that was refreshed is closed")
		}
		if n := e.Streams(); n != 2 {
			t.Errorf("%d streams are held, want 2", n)
		}
		f.store.set(func(context.Context, string) error { return errCut })
		time.Sleep(20 * time.Minute)
		if isClosed(ended) {
			t.Error("an outage of the store closed a stream")
		}
		left() // the person closes the page
		synctest.Wait()
		if n := e.Streams(); n != 0 || isClosed(gone) {
			t.Errorf("%d streams are held after their context has ended; closed %v", n, isClosed(gone))
		}
		f.store.set(nil)
		ended = e.Ended(t.Context(), sessionOfEnded(t, e, j))
		f.store.set(func(context.Context, string) error { return errCut })
		time.Sleep(3 * time.Hour)
		f.store.set(nil)
		time.Sleep(time.Minute)
		if !isClosed(ended) {
			t.Error("the stream outlives the longest life of its session")
		}
		if n := e.Streams(); n != 0 {
			t.Errorf("%d streams are held at the end", n)
		}
	})
}

// sessionOfEnded returns the session of a jar, whether or not its access token is valid.
func sessionOfEnded(t testing.TB, e *engine.Engine[profile], j jar) session.Session[profile] {
	t.Helper()
	s, err := e.VerifyEnded(j.access, j.fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Without a feed, a stream closes when the access token has expired and the store no longer has the
// session.
func TestEndedWithoutAFeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		none := func(c *engine.Config[profile]) { c.Feed = session.NoFeed }
		here, _ := f.process(t, none)
		there, _ := f.process(t, none)
		j := signIn(t, here, "u1")
		ended := there.Ended(t.Context(), sessionOf(t, there, j))
		if err := here.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(14 * time.Minute)
		if isClosed(ended) {
			t.Error("closed too early")
		}
		time.Sleep(2 * time.Minute)
		if !isClosed(ended) {
			t.Error("the stream is still open")
		}
		already := here.Ended(t.Context(), sessionOfEnded(t, here, j))
		if !isClosed(already) || here.Streams() != 0 {
			t.Error("the stream of a session that has ended before is not closed")
		}
	})
}

func TestNotBeforeEndsOlderSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		here, _ := f.process(t)
		old, phone := signIn(t, here, "u1"), signIn(t, here, "u1")
		time.Sleep(time.Hour)
		now := time.Now()
		time.Sleep(time.Second)
		if o, err := phone.refresh(t, here); o != session.Rotated { // issues a token after NotBefore
			t.Fatal(o, err)
		}
		fresh := signIn(t, here, "u1")
		time.Sleep(2 * time.Second) // until the roll-out
		there, _ := f.process(t, func(c *engine.Config[profile]) { c.NotBefore = now })
		for _, j := range []jar{old, phone} {
			if err := verdict(there, j); !errors.Is(err, engine.ErrRevoked) && !errors.Is(err, engine.ErrExpired) {
				t.Errorf("an access token of an old session: %v", err)
			}
		}
		if list, err := there.Sessions(t.Context(), "u1"); len(list) != 1 || err != nil {
			t.Errorf("%d sessions are listed, %v", len(list), err)
		}
		for _, j := range []jar{old, phone} {
			if o, err := j.refresh(t, there); o != session.Missing || session.CodeOf(err) != session.CodeUnauthorized {
				t.Errorf("refresh of an old session: %v, %v", o, err)
			}
		}
		if err := verdict(there, fresh); err != nil {
			t.Errorf("a session begun afterwards: %v", err)
		}
		fresh.must(t, there, session.Rotated)
		if list, err := here.Sessions(t.Context(), "u1"); len(list) != 1 || err != nil {
			t.Errorf("%d sessions are left in the store, %v", len(list), err)
		}
		if _, err := engine.New(func() engine.Config[profile] {
			c := validConfig()
			c.NotBefore = time.Now().Add(time.Hour)
			return c
		}()); err == nil {
			t.Error("a NotBefore in the future is accepted")
		}
	})
}

// However many sessions are ended, existing or not, no process forgets the end of another one. A
// process whose memory is full refuses more tokens, which costs their owners a refresh.
func TestFloodsMakeNoProcessForgetAnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		here, _ := f.process(t)
		there, _ := f.process(t)
		there.SetMaxRevokedUsers(100)
		victim, honest := signIn(t, here, "victim"), signIn(t, here, "honest")
		if err := here.SignOut(t.Context(), "victim", idOf(t, here, victim)); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			if err := here.EndSession(t.Context(), string(rune('A'+i%26))+time.Duration(i).String(), session.NewID()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(aSecond)
		if err := verdict(there, victim); !errors.Is(err, engine.ErrRevoked) {
			t.Errorf("the session that was signed out: %v, want ErrRevoked", err)
		}
		if err := verdict(there, honest); err != nil {
			honest.must(t, there, session.Rotated)
			time.Sleep(aSecond)
			if err := verdict(there, honest); err != nil {
				t.Errorf("an unaffected session, after a refresh: %v", err)
			}
		}
	})
}

// A user who ends sessions that never existed does not fill the feed.
func TestEndsOfUnknownSessionsDoNotFillTheFeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		here, _ := f.process(t)
		there, _ := f.process(t)
		j, phone := signIn(t, here, "u1"), signIn(t, here, "u1")
		for range 100 {
			for range 100 {
				if err := here.EndSession(t.Context(), "u1", session.NewID()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := here.SignOut(t.Context(), "u1", idOf(t, here, j)); err != nil { // the real one
			t.Fatal(err)
		}
		time.Sleep(aSecond)
		published := 0
		var at session.FeedPosition
		for {
			notices, next, err := f.feed.ReadFeed(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			if len(notices) == 0 {
				break
			}
			published, at = published+len(notices), next
		}
		if published > 500 {
			t.Errorf("%d notices in the feed", published)
		}
		if err := verdict(there, j); err == nil {
			t.Error("the session that was signed out is accepted in another process")
		}
		phone.must(t, there, session.Rotated)
		if err := verdict(there, phone); err != nil {
			t.Errorf("the session that did not end: %v", err)
		}
	})
}

// Revocations are dropped when they no longer concern any token.
func TestMemoryOfRevocationsIsBoundedByTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		e, _ := f.process(t)
		var sizes []int
		for range 12 {
			for i := range 200 {
				if err := e.RevokeUser(t.Context(), time.Duration(time.Now().UnixNano()+int64(i)).String()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Minute)
			sizes = append(sizes, e.RevokedUsers())
		}
		if got := slices.Max(sizes); got > 1200 {
			t.Errorf("users remembered: %v", sizes)
		}
	})
}

// Close ends the goroutine. Closing again is harmless, and so is closing an Engine without a feed.
func TestCloseStopsReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		f := newFleet()
		e, _ := f.process(t)
		j := signIn(t, e, "u1")
		e.Close()
		e.Close()
		if err := verdict(e, j); err != nil {
			t.Errorf("after Close: %v", err)
		}
		newEngine(t, nil).Close()
	})
}

// One process loads a user anew, and the session gets a later token there. Another process, which
// has not read that notice yet, ends the user's sessions. Every process refuses the later token as
// well, in whatever order the notices arrive.
func TestARevocationCoversTokensOfAReloadThatItDidNotKnow(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(e *engine.Engine[profile], id session.ID) error{
		"RevokeUser": func(e *engine.Engine[profile], _ session.ID) error { return e.RevokeUser(context.Background(), "u1") },
		"EndSession": func(e *engine.Engine[profile], id session.ID) error {
			return e.EndSession(context.Background(), "u1", id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFleet()
				here, _ := f.process(t)
				there, _ := f.process(t)
				third, _ := f.process(t)
				j := signIn(t, here, "u1")
				id := idOf(t, here, j)
				for range 3 {
					if err := here.ReloadUser(t.Context(), "u1"); err != nil {
						t.Fatal(err)
					}
					if o, err := j.refresh(t, here); !o.Alive() {
						t.Fatal(o, err)
					}
				}
				ended := there.Ended(t.Context(), sessionOf(t, there, j))
				if err := end(there, id); err != nil {
					t.Fatal(err)
				}
				fresh := signIn(t, there, "u1")
				time.Sleep(aSecond)
				for i, e := range []*engine.Engine[profile]{here, there, third} {
					if err := verdict(e, j); err == nil {
						t.Errorf("process %d accepts a token of the ended session", i)
					}
				}
				if !isClosed(ended) {
					t.Error("the stream is still open")
				}
				if err := verdict(there, fresh); err != nil {
					fresh.must(t, there, session.Rotated)
				}
				for i, e := range []*engine.Engine[profile]{here, there, third} {
					if err := verdict(e, fresh); err != nil {
						t.Errorf("process %d refuses the session that began afterwards: %v", i, err)
					}
				}
			})
		})
	}
}
