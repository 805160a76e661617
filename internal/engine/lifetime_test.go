package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

func TestActiveSessionLivesUntilItsLifetimeEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, func(c *engine.Config[profile]) {
			c.AccessTTL, c.RefreshTTL, c.Lifetime = 15*time.Minute, 24*time.Hour, 7*24*time.Hour
		})
		begin := time.Now()
		j := signIn(t, m, "u1")
		for {
			time.Sleep(10 * time.Minute)
			age := time.Since(begin)
			o, err := j.refresh(t, m)
			if age >= 7*24*time.Hour {
				if o != session.Missing || !errors.Is(err, session.CodeUnauthorized) {
					t.Errorf("at %v: %v, %v", age, o, err)
				}
				break
			}
			if err != nil {
				t.Fatalf("at %v: %v, %v", age, o, err)
			}
			s, err := m.Verify(j.access, j.fingerprint)
			if err != nil {
				t.Fatalf("at %v: %v", age, err)
			}
			if s.ExpiresAt.After(begin.Add(7 * 24 * time.Hour)) {
				t.Fatalf("at %v an access token outlives its session by %v", age, s.ExpiresAt.Sub(begin.Add(7*24*time.Hour)))
			}
		}
	})
}

func TestUnusedSessionEndsAfterRefreshTTL(t *testing.T) {
	t.Parallel()
	for unused, want := range map[time.Duration]session.Outcome{time.Hour - time.Millisecond: session.Rotated, time.Hour: session.Missing} {
		synctest.Test(t, func(t *testing.T) {
			m := newEngine(t, func(c *engine.Config[profile]) { c.RefreshTTL = time.Hour })
			j := signIn(t, m, "u1")
			time.Sleep(unused)
			if o, err := j.refresh(t, m); o != want {
				t.Errorf("unused for %v: %v, %v, want %v", unused, o, err, want)
			}
		})
	}
}

func TestSignInBeyondMaxSessionsEndsTheLeastRecent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, func(c *engine.Config[profile]) { c.MaxSessions = 3 })
		var jars []jar
		for range 4 {
			jars = append(jars, signIn(t, m, "u1"))
			time.Sleep(time.Minute)
		}
		for i := range jars {
			if o, err := jars[i].refresh(t, m); (err == nil) != (i > 0) {
				t.Errorf("session %d: %v, %v", i, o, err)
			}
		}
	})
}

func TestAdoptedAfterTheStoreLostItsLastWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		m := newEngine(t, func(c *engine.Config[profile]) { c.Store = store })
		j := signIn(t, m, "u1")
		time.Sleep(time.Minute)
		restore := store.Snapshot()
		j.must(t, m, session.Rotated)
		time.Sleep(2 * time.Minute)
		j.use(t, m)
		time.Sleep(2 * time.Minute)
		j.must(t, m, session.Rotated)
		before := recordOf(t, m, "u1")
		restore()
		bearer, sealed := j.bearer, j.sealed
		j.must(t, m, session.Adopted)
		if j.bearer != bearer || j.sealed != sealed {
			t.Error("the browser's tokens were replaced")
		}
		if r := recordOf(t, m, "u1"); r.Generation != 3 || r.ExpiresAt.Time().Unix() != before.ExpiresAt.Time().Unix() {
			t.Errorf("record %+v, before the loss %+v", r, before)
		}
		time.Sleep(10 * time.Minute)
		j.use(t, m)
		time.Sleep(5 * time.Minute)
		j.must(t, m, session.Rotated)
	})
}
