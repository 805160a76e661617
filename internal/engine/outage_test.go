package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// app is an engine whose LoadUser and store can fail on demand.
type app struct {
	*engine.Engine[profile]
	store *tap
	load  func(ctx context.Context) (profile, error) // nil: LoadUser succeeds
	event chan session.Event                         // without those of audit
	audit chan session.Event                         // the ordinary ones: EventBegan and EventEnded
}

// events waits until OnEvent has been called with every event. It returns how many are in a.event.
func (a *app) events(t testing.TB) int {
	t.Helper()
	if err := a.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	return len(a.event)
}

func newApp(t testing.TB, change func(*engine.Config[profile])) *app {
	a := &app{store: newTap(), event: make(chan session.Event, 1000), audit: make(chan session.Event, 100)}
	a.Engine = newEngine(t, func(c *engine.Config[profile]) {
		c.Store = a.store
		c.OnEvent = func(e session.Event) {
			if e.Kind != session.EventBegan && e.Kind != session.EventEnded {
				a.event <- e
				return
			}
			select {
			case a.audit <- e:
			default: // a test with this many sessions does not read them
			}
		}
		c.LoadUser = func(ctx context.Context, id string) (profile, error) {
			if a.load != nil {
				return a.load(ctx)
			}
			return profile{Username: "name of " + id}, nil
		}
		if change != nil {
			change(c)
		}
	})
	return a
}

// codedBy returns an app's error that wraps a code of this package. LoadUser may return such an
// error if it is itself a client of such a server.
func codedBy(code session.Code) error { return fmt.Errorf("profile service: %w", code) }

// failures are the ways in which LoadUser or the store can fail without ErrUserNotFound. release
// ends the calls that hang.
func failures(release <-chan struct{}) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"no rows":                 func(context.Context) error { return fmt.Errorf("query: %w", sql.ErrNoRows) },
		"coded unauthorized":      func(context.Context) error { return codedBy(session.CodeUnauthorized) },
		"coded invalid token":     func(context.Context) error { return codedBy(session.CodeInvalidRefreshToken) },
		"coded invalid id":        func(context.Context) error { return codedBy(session.CodeInvalidUserID) },
		"reason of a token error": func(context.Context) error { return fmt.Errorf("x: %w", engine.ErrExpired) },
		"cancelled":               func(context.Context) error { return context.Canceled },
		"panic":                   func(context.Context) error { panic("boom") },
		"panic with an error":     func(context.Context) error { panic(session.ErrUserNotFound) },
		"Goexit":                  func(context.Context) error { runtime.Goexit(); return nil },
		"hangs until its context ends": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"hangs and ignores its context": func(context.Context) error { <-release; return nil },
	}
}

// unavailable fails the test unless err has the code want and no other.
func unavailable(t *testing.T, err error, want session.Code) {
	t.Helper()
	if session.CodeOf(err) != want || !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	for _, other := range []error{
		session.CodeUnauthorized, session.CodeInvalidRefreshToken, session.CodeInvalidUserID, session.CodeInvalidAccessToken,
		session.CodeNotAuthenticated, session.ErrUserNotFound, engine.ErrExpired, engine.ErrRevoked, engine.ErrMalformed, engine.ErrReused,
	} {
		if errors.Is(err, other) {
			t.Errorf("%v also is %v", err, other)
		}
	}
}

func TestFailureOfLoadUserOrStoreEndsNoSession(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"LoadUser", "store"} {
		for name := range failures(nil) {
			t.Run(where+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					fail := failures(release)[name]
					a := newApp(t, nil)
					j := signIn(t, a.Engine, "u1")
					before := recordOf(t, a.Engine, "u1")
					if where == "store" {
						a.store.set(func(ctx context.Context, _ string) error { return fail(ctx) })
					} else {
						a.load = func(ctx context.Context) (profile, error) { return profile{}, fail(ctx) }
					}
					outage(t, a, j)
					close(release)
					synctest.Wait()
					a.load = nil
					a.store.set(nil)
					if diff := cmp.Diff(before, recordOf1(t, a.Engine, j)); diff != "" && where == "LoadUser" {
						t.Errorf("the record changed (-before +after):\n%s", diff)
					}
					j.use(t, a.Engine)
					if o, err := j.refresh(t, a.Engine); err != nil {
						t.Errorf("the same tokens afterwards: %v, %v", o, err)
					}
				})
			})
		}
	}
}

// outage makes every kind of call while LoadUser or the store fails.
func outage(t *testing.T, a *app, j jar) {
	t.Helper()
	s, err := a.Verify(j.access, j.fingerprint)
	if err != nil {
		t.Errorf("a valid access token: %v", err)
	}
	begin := time.Now()
	_, err = a.Refresh(t.Context(), j.fingerprint, j.credentials(t, a.Engine)...)
	unavailable(t, err, session.CodeDatabaseFetchFailed)
	_, err = a.SignIn(t.Context(), "u1")
	unavailable(t, err, session.CodeDatabaseUpdateFailed)
	if a.load == nil {
		unavailable(t, a.SignOut(t.Context(), "u1", s.ID), session.CodeDatabaseUpdateFailed)
		unavailable(t, a.RevokeUser(t.Context(), "u1"), session.CodeDatabaseUpdateFailed)
		_, err = a.Sessions(t.Context(), "u1")
	} else {
		_, err = a.Reload(t.Context(), s)
	}
	unavailable(t, err, session.CodeDatabaseFetchFailed)
	if took := time.Since(begin); took > 5*engine.DefaultTimeout {
		t.Errorf("the calls took %v", took)
	}
	if a.events(t) == 0 {
		t.Error("no event was reported")
	}
	for a.events(t) > 0 {
		if e := <-a.event; e.Kind != session.EventUnavailable || e.Err == nil || e.UserID != "u1" {
			t.Errorf("event %+v", e)
		}
	}
	if a.load != nil {
		if calls := a.store.took(); calls["DeleteUser"]+calls["Delete"]+calls["Refresh"] != 0 {
			t.Errorf("store calls %v", calls)
		}
	}
}

func TestUnavailableErrorsKeepTheirCauseForLogs(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	j := signIn(t, a.Engine, "u1")
	a.load = func(context.Context) (profile, error) {
		return profile{}, fmt.Errorf("select: %w", &codeAndMore{codedBy(session.CodeUnauthorized)})
	}
	_, err := j.refresh(t, a.Engine)
	if more, ok := errors.AsType[*codeAndMore](err); !ok || more == nil || !strings.Contains(err.Error(), "select: profile service") {
		t.Errorf("%v does not contain its cause", err)
	}
	if code, _ := errors.AsType[session.Code](err); code != session.CodeDatabaseFetchFailed {
		t.Errorf("the code is %v", code)
	}
}

type codeAndMore struct{ error }

func (e *codeAndMore) Unwrap() error { return e.error }

func TestUserNotFoundEndsAllSessionsOfThatUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j, phone, other := signIn(t, a.Engine, "u1"), signIn(t, a.Engine, "u1"), signIn(t, a.Engine, "u2")
		time.Sleep(time.Second)
		a.load = func(context.Context) (profile, error) {
			return profile{}, fmt.Errorf("%w: %w", codedBy(session.CodeDatabaseFetchFailed), session.ErrUserNotFound)
		}
		_, err := j.refresh(t, a.Engine)
		if session.CodeOf(err) != session.CodeUnauthorized || !errors.Is(err, session.ErrUserNotFound) || errors.Is(err, session.CodeDatabaseFetchFailed) {
			t.Errorf("refresh of a user who is gone: %v", err)
		}
		if e := <-a.event; e.Kind != session.EventUserGone || e.UserID != "u1" {
			t.Errorf("event %+v", e)
		}
		a.load = nil
		for name, j := range map[string]jar{"the session": j, "another session": phone} {
			if _, err := a.Verify(j.access, j.fingerprint); !errors.Is(err, engine.ErrRevoked) {
				t.Errorf("%s, access token: %v", name, err)
			}
			if o, err := j.refresh(t, a.Engine); o != session.Missing || session.CodeOf(err) != session.CodeUnauthorized {
				t.Errorf("%s, refresh: %v, %v", name, o, err)
			}
		}
		other.must(t, a.Engine, session.Rotated)
	})
}

func TestSignInOfAnUnknownUserEndsNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	j := signIn(t, a.Engine, "u1")
	a.store.took()
	a.load = func(context.Context) (profile, error) { return profile{}, session.ErrUserNotFound }
	_, err := a.SignIn(t.Context(), "u1")
	if session.CodeOf(err) != session.CodeInvalidUserID || !errors.Is(err, session.ErrUserNotFound) {
		t.Errorf("SignIn = %v", err)
	}
	if calls := a.store.took(); len(calls) != 0 {
		t.Errorf("store calls %v", calls)
	}
	a.load = nil
	j.must(t, a.Engine, session.Rotated)
	// An error of the store never means that a user does not exist, whatever it wraps.
	a.store.set(func(context.Context, string) error { return session.ErrUserNotFound })
	_, err = a.SignIn(t.Context(), "u1")
	unavailable(t, err, session.CodeDatabaseUpdateFailed)
	_, err = j.refresh(t, a.Engine)
	unavailable(t, err, session.CodeDatabaseFetchFailed)
}

func TestInvalidUserIDsAreRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	for _, id := range []string{"", strings.Repeat("u", 257), "\xff", "u\xc0\xaf", "\xed\xa0\x80", strings.Repeat("é", 128) + "x"} {
		_, signIn := a.SignIn(t.Context(), id)
		_, list := a.Sessions(t.Context(), id)
		signOut := a.SignOut(t.Context(), id, session.NewID())
		for _, err := range []error{signIn, signOut, list, a.RevokeUser(t.Context(), id), a.CheckUser(id, profile{}), session.CheckUserID(id)} {
			if session.CodeOf(err) != session.CodeInvalidUserID {
				t.Errorf("%.20q: %v", id, err)
			}
		}
	}
	if calls := a.store.took(); len(calls) != 0 {
		t.Errorf("store calls %v", calls)
	}
	for _, id := range []string{"u", strings.Repeat("é", 128), "\x00", "</script>", "a\nb", "\u2028", "🙂", strings.Repeat("\x00", 256)} {
		j := signIn(t, a.Engine, id)
		j.must(t, a.Engine, session.Rotated)
		if s, err := a.Verify(j.access, j.fingerprint); err != nil || s.User.ID != id {
			t.Errorf("%q is verified as %q, %v", id, s.User.ID, err)
		}
	}
}

// A store that never responds blocks a bounded number of goroutines. Further calls wait, fail
// within their timeout, and succeed when the store responds again.
func TestHangingStoreHoldsABoundedNumberOfCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, func(c *engine.Config[profile]) { c.OnEvent = nil })
		const callers = 1500
		jars := make([]jar, callers)
		for i := range jars {
			jars[i] = signIn(t, a.Engine, fmt.Sprint("user", i))
		}
		a.store.took()
		release := make(chan struct{})
		a.store.set(func(context.Context, string) error { <-release; return nil })
		begin := time.Now()
		var wg sync.WaitGroup
		var crowded atomic.Int64
		for i := range jars {
			wg.Go(func() {
				_, err := jars[i].refresh(t, a.Engine)
				if session.CodeOf(err) != session.CodeDatabaseFetchFailed {
					t.Errorf("caller %d: %v", i, err)
				}
				if took := time.Since(begin); took != engine.DefaultTimeout && took != engine.DefaultTimeout/2 {
					t.Errorf("caller %d waited %v", i, took)
				}
				if strings.Contains(fmt.Sprint(err), "1024 calls in progress") {
					crowded.Add(1)
				}
			})
		}
		wg.Wait()
		if n := crowded.Load(); n != callers-1024 {
			t.Errorf("%d callers get the error for too many calls, want %d", n, callers-1024)
		}
		if took := time.Since(begin); took != engine.DefaultTimeout {
			t.Errorf("the callers waited %v, want %v", took, engine.DefaultTimeout)
		}
		if n := a.store.took()["Refresh"]; n != 1024 {
			t.Errorf("%d calls hang, want 1024", n)
		}
		// Hanging calls of one kind take no capacity from the others.
		signOut := make(chan error)
		a.store.set(nil)
		go func() { signOut <- a.SignOut(t.Context(), "user0", session.NewID()) }()
		if err := <-signOut; err != nil {
			t.Errorf("sign-out meanwhile: %v", err)
		}
		close(release)
		synctest.Wait()
		for i := range jars {
			if o, err := jars[i].refresh(t, a.Engine); err != nil {
				t.Fatalf("user %d afterwards: %v, %v", i, o, err)
			}
		}
	})
}

func TestTooLargeUserDataFailsBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ maxBytes, fits, tooLarge int }{
		"MaxBytes":  {3000, 100, 2500},
		"one token": {0, 5000, 8000},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, func(config *engine.Config[profile]) { config.MaxBytes = c.maxBytes })
			size := c.fits
			a.load = func(context.Context) (profile, error) { return profile{strings.Repeat("x", size)}, nil }
			j := signIn(t, a.Engine, "u1")
			if total := len(j.access) + len(j.sealed) + len(j.fingerprint); c.maxBytes > 0 && total > c.maxBytes {
				t.Errorf("accepted with %d bytes, more than %d", total, c.maxBytes)
			}
			before := recordOf(t, a.Engine, "u1")
			a.store.took()
			if err := a.CheckUser("u1", profile{strings.Repeat("x", size)}); err != nil {
				t.Errorf("a sign-in with %d bytes gives a token that is refused: %v", size, err)
			}
			size = c.tooLarge
			tooLarge := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, session.ErrUserTooLarge) {
					t.Errorf("%s: %v, want ErrUserTooLarge", what, err)
				}
			}
			tooLarge("CheckUser", a.CheckUser("u1", profile{strings.Repeat("x", size)}))
			s, err := a.Verify(j.access, j.fingerprint)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Reload(t.Context(), s)
			unavailable(t, err, session.CodeDatabaseFetchFailed)
			tooLarge("Reload", err)
			_, err = j.refresh(t, a.Engine)
			unavailable(t, err, session.CodeDatabaseFetchFailed)
			tooLarge("Refresh", err)
			_, err = a.SignIn(t.Context(), "u1")
			unavailable(t, err, session.CodeDatabaseUpdateFailed)
			tooLarge("SignIn", err)
			for range 3 {
				if e := <-a.event; e.Kind != session.EventUserTooLarge || e.UserID != "u1" {
					t.Errorf("event %+v", e)
				}
			}
			if calls := a.store.took(); len(calls) != 0 {
				t.Errorf("store calls %v", calls)
			}
			if diff := cmp.Diff(before, recordOf(t, a.Engine, "u1")); diff != "" {
				t.Errorf("the record changed (-before +after):\n%s", diff)
			}
			size = c.fits
			j.must(t, a.Engine, session.Rotated)
		})
	}
}

// Data of exactly the size of a limit fits, and one byte more does not. The size is read from the
// error.
func TestSizeLimitsAreExact(t *testing.T) {
	t.Parallel()
	const most = 4096 // of a cookie, its name included
	for name, limit := range map[string]func(spare int) (maxBytes int, cookie string){
		"MaxBytes": func(spare int) (int, string) { return 1500 + spare, "r" },
		"cookie":   func(spare int) (int, string) { return 1 << 20, strings.Repeat("r", 1000-spare) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(spare int) error {
				m := newEngine(t, func(c *engine.Config[profile]) { c.MaxBytes, c.RefreshCookie = limit(spare) })
				return m.CheckUser("u1", profile{strings.Repeat("x", 2300)})
			}
			err := check(0)
			var takes int
			if _, rest, _ := strings.Cut(fmt.Sprint(err), "up to "); !errors.Is(err, session.ErrUserTooLarge) {
				t.Fatalf("%v, want ErrUserTooLarge", err)
			} else if _, err := fmt.Sscan(rest, &takes); err != nil {
				t.Fatal(err)
			}
			maxBytes, _ := limit(0)
			over := takes - min(maxBytes, most)
			if err := check(over); err != nil {
				t.Errorf("the largest data that fits: %v", err)
			}
			if err := check(over - 1); !errors.Is(err, session.ErrUserTooLarge) {
				t.Errorf("one byte more: %v, want ErrUserTooLarge", err)
			}
		})
	}
}

// Tokens that the size check accepts can be parsed again. The estimate is never too small, and only
// slightly too large.
func TestEstimatedSizeFitsTheTokens(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	size, accepted := 0, 0
	a.load = func(context.Context) (profile, error) { return profile{strings.Repeat("x", size)}, nil }
	for size = 5500; size < 6300; size += 7 {
		s, err := a.SignIn(t.Context(), "u1")
		if err != nil {
			break
		}
		accepted = len(s.Session.AccessToken)
		if _, err := a.Verify(s.Session.AccessToken, s.Fingerprint); err != nil {
			t.Fatalf("a token of %d bytes was issued and is refused: %v", accepted, err)
		}
	}
	if accepted < 8<<10-100 {
		t.Errorf("the longest token accepted has %d bytes", accepted)
	}
}

// A store with twice the load that it can handle completes as many calls as it can, and not for
// callers whose timeout has passed.
func TestOverloadedStoreServesOnlyWaitingCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const each, perTick, tick, ticks = time.Millisecond, 20, 10 * time.Millisecond, 1200 // 12 s
		a := newApp(t, func(c *engine.Config[profile]) { c.OnEvent = nil })
		var mu sync.Mutex
		var free time.Time // when the store has finished its work
		a.store.set(func(ctx context.Context, _ string) error {
			mu.Lock()
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(each)
			wait := time.Until(free)
			mu.Unlock()
			time.Sleep(wait)
			return ctx.Err()
		})
		var calls sync.WaitGroup
		var done atomic.Int64
		begin := time.Now()
		for range ticks {
			for range perTick {
				calls.Go(func() {
					asked := time.Now()
					_, err := a.Sessions(t.Context(), "u1")
					if err == nil && asked.Sub(begin) >= ticks*tick/2 {
						done.Add(1)
					}
					if took := time.Since(asked); took > engine.DefaultTimeout {
						t.Errorf("an answer after %v", took)
					}
				})
			}
			time.Sleep(tick)
		}
		calls.Wait()
		if could := int64(ticks * tick / 2 / each); done.Load() < could*9/10 {
			t.Errorf("%d calls of the second half succeeded, the store had time for %d", done.Load(), could)
		}
	})
}
