package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// stolen returns a copied jar and the jar of its owner. The owner continued until the successor of
// the copied token was confirmed and the grace period had passed.
func stolen(t *testing.T, m *engine.Engine[profile]) (owner, thief jar) {
	owner = signIn(t, m, "u1")
	thief = owner
	owner.must(t, m, session.Rotated)
	time.Sleep(2 * time.Minute)
	owner.use(t, m)
	if recordOf1(t, m, owner).ConfirmedAt == 0 {
		t.Fatal("the successor is not confirmed")
	}
	time.Sleep(31 * time.Second)
	return owner, thief
}

// recordOf1 returns the record of the jar's session.
func recordOf1(t testing.TB, m *engine.Engine[profile], j jar) session.Record {
	t.Helper()
	c, err := m.OpenSealed(j.sealed)
	if err != nil {
		t.Fatal(err)
	}
	list, err := m.Sessions(t.Context(), c.UserID)
	if err != nil {
		t.Fatal(err)
	}
	return list[c.SessionID].Record
}

func TestReusedTokenEndsEverySessionOfItsUser(t *testing.T) {
	t.Parallel()
	for _, only := range []bool{false, true} {
		t.Run(fmt.Sprintf("RevokeSessionOnly %v", only), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newEngine(t, func(c *engine.Config[profile]) { c.RevokeSessionOnly = only })
				owner, thief := stolen(t, m)
				phone, other := signIn(t, m, "u1"), signIn(t, m, "u2")
				time.Sleep(time.Second)
				o, err := thief.refresh(t, m)
				if o != session.Reused || session.CodeOf(err) != session.CodeUnauthorized {
					t.Fatalf("refresh with the stolen token = %v, %v", o, err)
				}
				for _, j := range []jar{owner, thief} {
					if o, err := j.refresh(t, m); o != session.Missing || !errors.Is(err, session.CodeUnauthorized) {
						t.Errorf("afterwards: %v, %v", o, err)
					}
				}
				if _, err := m.Verify(owner.access, owner.fingerprint); !errors.Is(err, engine.ErrRevoked) {
					t.Errorf("the access token afterwards: %v", err)
				}
				if o, err := phone.refresh(t, m); (err == nil) != only {
					t.Errorf("another session of the user: %v, %v", o, err)
				}
				other.must(t, m, session.Rotated)
				other.use(t, m)
			})
		})
	}
}

func TestPredecessorIsAnsweredUntilGraceHasPassed(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]session.Outcome{
		0: session.Repeated, 30 * time.Second: session.Repeated, 30*time.Second + time.Millisecond: session.Reused,
	} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newEngine(t, nil)
				j := signIn(t, m, "u1")
				old := j
				j.must(t, m, session.Rotated)
				time.Sleep(2 * time.Minute)
				j.use(t, m) // confirms
				time.Sleep(wait)
				if o, err := old.refresh(t, m); o != want {
					t.Errorf("%v after the confirmation: %v, %v, want %v", wait, o, err, want)
				}
			})
		})
	}
}

func TestStaleBearerBesideCurrentCookieIsNoTheft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		current, page := stolen(t, m) // page is a tab left open with old page data
		stale, err := m.ParseRefreshToken(page.bearer)
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := m.OpenSealed(current.sealed)
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range [][]engine.RefreshCredential{{stale, cookie}, {cookie, stale}, {stale, stale, cookie}} {
			r, err := m.Refresh(t.Context(), current.fingerprint, order...)
			if err != nil || r.Outcome == session.Reused {
				t.Fatalf("Refresh = %v, %v", r.Outcome, err)
			}
		}
		if o, err := page.refresh(t, m); o != session.Reused {
			t.Errorf("the stale token alone: %v, %v", o, err)
		}
	})
}
