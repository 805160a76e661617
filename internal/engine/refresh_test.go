package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// credentials parses the bearer token and the cookie of the jar.
func (j jar) credentials(t testing.TB, m *engine.Engine[profile]) []engine.RefreshCredential {
	t.Helper()
	bearer, err := m.ParseRefreshToken(j.bearer)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := m.OpenSealed(j.sealed)
	if err != nil {
		t.Fatal(err)
	}
	return []engine.RefreshCredential{bearer, cookie}
}

// must refreshes and fails the test unless the outcome is want and the session is alive.
func (j *jar) must(t testing.TB, m *engine.Engine[profile], want session.Outcome) {
	t.Helper()
	if o, err := j.refresh(t, m); o != want || err != nil {
		t.Fatalf("refresh = %v, %v, want %v", o, err, want)
	}
}

// use sends a request with the access token and waits for its effects.
func (j *jar) use(t testing.TB, m *engine.Engine[profile]) {
	t.Helper()
	if _, err := m.Verify(j.access, j.fingerprint); err != nil {
		t.Fatal(err)
	}
	if err := m.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRefreshTokenOfAGenerationIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j := signIn(t, m, "u1")
		time.Sleep(1234 * time.Millisecond)
		old := j
		j.must(t, m, session.Rotated)
		bearer, sealed, access := j.bearer, j.sealed, j.access
		for range 5 {
			time.Sleep(10 * time.Second)
			j.must(t, m, session.Current)
			if j.bearer != bearer || j.sealed != sealed {
				t.Error("Current hands out another refresh token, or a new cookie")
			}
			if j.access == access {
				t.Error("Current hands out the same access token")
			}
			access = j.access
			again := old
			again.must(t, m, session.Repeated)
			if again.bearer != bearer {
				t.Error("Repeated hands out another refresh token")
			}
		}
	})
}

// There is one new generation, with one refresh token in all responses, and the cancelled context
// of one caller does not affect the others.
func TestHundredConcurrentRefreshesAreOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, loads := newTap(), atomic.Int32{}
		m := newEngine(t, func(c *engine.Config[profile]) {
			c.Store = store
			c.LoadUser = func(ctx context.Context, id string) (profile, error) {
				loads.Add(1)
				time.Sleep(time.Second)
				return profile{id}, ctx.Err()
			}
		})
		j := signIn(t, m, "u1")
		store.took()
		loads.Store(0)
		credentials := j.credentials(t, m)
		cancelled, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		answers, errs := make([]engine.Refreshed[profile], 100), make([]error, 100)
		for i := range answers {
			ctx := t.Context()
			if i == 0 {
				ctx = cancelled
			}
			wg.Go(func() { answers[i], errs[i] = m.Refresh(ctx, j.fingerprint, credentials...) })
			synctest.Wait() // so that caller 0 starts the call
		}
		time.Sleep(500 * time.Millisecond)
		cancel()
		wg.Wait()
		if !errors.Is(errs[0], session.CodeDatabaseFetchFailed) || !errors.Is(errs[0], context.Canceled) {
			t.Errorf("the caller who went away: %v", errs[0])
		}
		for i, a := range answers[1:] {
			if errs[i+1] != nil || a.Outcome != session.Rotated || a.Session.RefreshToken != answers[1].Session.RefreshToken {
				t.Errorf("caller %d: %v, %v, same token %v", i+1, a.Outcome, errs[i+1], a.Session.RefreshToken == answers[1].Session.RefreshToken)
			}
		}
		if calls := store.took(); calls["Refresh"] != 1 || len(calls) != 1 || loads.Load() != 1 {
			t.Errorf("store calls %v, LoadUser called %d times", calls, loads.Load())
		}
		if r := recordOf(t, m, "u1"); r.Generation != 2 {
			t.Errorf("generation %d, want 2", r.Generation)
		}
	})
}

// The same is true of processes that share only the store.
func TestConcurrentRefreshesOfManyProcessesAreOneGeneration(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	processes := make([]*engine.Engine[profile], 8)
	for i := range processes {
		processes[i] = newEngine(t, func(c *engine.Config[profile]) { c.Store = store })
	}
	j := signIn(t, processes[0], "u1")
	var wg sync.WaitGroup
	var tokens sync.Map
	for i := range 104 {
		m := processes[i%len(processes)]
		wg.Go(func() {
			mine := j
			if o, err := mine.refresh(t, m); err != nil || !o.Alive() {
				t.Errorf("refresh = %v, %v", o, err)
			}
			tokens.Store(mine.bearer, true)
		})
	}
	wg.Wait()
	n := 0
	tokens.Range(func(any, any) bool { n++; return true })
	if n != 1 || recordOf(t, processes[0], "u1").Generation != 2 {
		t.Errorf("%d refresh tokens, record %+v", n, recordOf(t, processes[0], "u1"))
	}
}

func TestLostAnswerIsRepeatedAnHourLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j := signIn(t, m, "u1")
		for range 3 {
			lost := j
			if o, err := lost.refresh(t, m); err != nil || !o.Alive() {
				t.Fatal(o, err)
			}
			time.Sleep(time.Hour)
			if o, err := j.refresh(t, m); err != nil || !o.Alive() {
				t.Fatalf("an hour later: %v, %v", o, err)
			}
			j.use(t, m)
			time.Sleep(10 * time.Minute)
			j.use(t, m) // confirms
			time.Sleep(5 * time.Minute)
		}
	})
}

func TestCredentialsOfDifferentSessionsAreNeverCombined(t *testing.T) {
	t.Parallel()
	store := newTap()
	m := newEngine(t, func(c *engine.Config[profile]) { c.Store = store })
	a, b := signIn(t, m, "u1"), signIn(t, m, "u1")
	ca, cb := a.credentials(t, m), b.credentials(t, m)
	store.took()
	for name, c := range map[string]struct {
		fingerprint engine.Fingerprint
		credentials []engine.RefreshCredential
	}{
		"no credential":          {a.fingerprint, nil},
		"another session":        {a.fingerprint, cb},
		"no fingerprint":         {"", ca},
		"fingerprint and more":   {a.fingerprint + "A", ca},
		"fingerprint cut":        {a.fingerprint[:63], ca},
		"zero credential":        {a.fingerprint, make([]engine.RefreshCredential, 1)},
		"zero, no fingerprint":   {"", make([]engine.RefreshCredential, 1)},
		"NULs for fingerprint":   {engine.Fingerprint(make([]byte, 64)), ca},
		"both, no fingerprint":   {"", append(ca, cb...)},
		"an unknown fingerprint": {engine.Fingerprint(fmt.Sprintf("%064d", 7)), append(ca, cb...)},
	} {
		if r, err := m.Refresh(t.Context(), c.fingerprint, c.credentials...); session.CodeOf(err) != session.CodeInvalidRefreshToken || r.Session.AccessToken != "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if calls := store.took(); len(calls) != 0 {
		t.Errorf("store calls %v", calls)
	}
	r, err := m.Refresh(t.Context(), b.fingerprint, append(ca, cb...)...)
	if err != nil || r.Session.ID != cb[0].SessionID {
		t.Errorf("the session of the fingerprint: %v, %v", r.Session.ID, err)
	}
	if rec := recordOf1(t, m, a); rec.Generation != 1 {
		t.Errorf("the other session changed: %+v", rec)
	}
}

// Credentials of two sessions with one fingerprint can be forged only with the app's key. Even then
// neither is used for the other session.
func TestOneFingerprintDoesNotJoinTwoSessions(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	ours := s.j.credentials(t, s.m)
	claims := segment(t, string(s.j.bearer), 1)
	for name, other := range map[string]string{
		"another session": replaceOnce(t, claims, ours[0].SessionID.String(), session.NewID().String()),
		"another user":    replaceOnce(t, claims, `"u1"`, `"u2"`),
	} {
		c, err := s.m.ParseRefreshToken(session.RefreshToken(forge(t, testSecret, "refresh", header(t, testSecret), other)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.m.Refresh(t.Context(), s.j.fingerprint, ours[0], c); session.CodeOf(err) != session.CodeInvalidRefreshToken {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls := s.store.took(); len(calls) != 0 {
		t.Errorf("store calls %v", calls)
	}
}
