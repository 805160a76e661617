package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// verdict returns the error of a process for an access token.
func verdict(m *engine.Engine[profile], j jar) error {
	_, err := m.Verify(j.access, j.fingerprint)
	return err
}

func TestRevokedUserMaySignInAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		before := signIn(t, m, "u1")
		other := signIn(t, m, "u2")
		if err := m.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		after := signIn(t, m, "u1") // within the same second
		if err := verdict(m, before); !errors.Is(err, engine.ErrRevoked) || session.CodeOf(err) != session.CodeInvalidAccessToken {
			t.Errorf("a token from before: %v", err)
		}
		for name, j := range map[string]jar{"signed in afterwards": after, "another user": other} {
			if err := verdict(m, j); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if o, err := before.refresh(t, m); o != session.Missing {
			t.Errorf("refresh with a token from before: %v, %v", o, err)
		}
		after.must(t, m, session.Rotated)
	})
}

// The user is revoked, signs in and is revoked again within one second. The second revocation is as
// effective as the first.
func TestRevokingAgainEndsWhatBeganInBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		var between []jar
		for range 3 {
			if err := m.RevokeUser(t.Context(), "u1"); err != nil {
				t.Fatal(err)
			}
			for _, j := range between {
				if err := verdict(m, j); !errors.Is(err, engine.ErrRevoked) {
					t.Errorf("a session from before the last revocation: %v", err)
				}
			}
			between = append(between, signIn(t, m, "u1"))
		}
		if err := verdict(m, between[2]); err != nil {
			t.Errorf("the last session: %v", err)
		}
	})
}

func TestSignOutEndsOneSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j, phone := signIn(t, m, "u1"), signIn(t, m, "u1")
		c := j.credentials(t, m)[0]
		gone, cancel := context.WithCancel(t.Context())
		cancel() // the person has already left the page
		for range 2 {
			if err := m.SignOut(gone, c.UserID, c.SessionID); err != nil {
				t.Fatal(err)
			}
		}
		if err := verdict(m, j); !errors.Is(err, engine.ErrRevoked) {
			t.Errorf("access token: %v", err)
		}
		if o, err := j.refresh(t, m); o != session.Missing {
			t.Errorf("refresh: %v, %v", o, err)
		}
		if err := verdict(m, phone); err != nil {
			t.Errorf("another device: %v", err)
		}
		phone.must(t, m, session.Rotated)
	})
}

// A refresh of another tab is in progress when the person signs out. Whichever step the store takes
// first, the resulting tokens are not valid.
func TestSignOutWhileARefreshIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"before the store's step", "after the store's step"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, nil)
				j := signIn(t, a.Engine, "u1")
				held := make(chan struct{})
				hold := func(call string) {
					if call == "Refresh" {
						<-held
					}
				}
				if moment == "before the store's step" {
					a.store.before = func(_ context.Context, call string) error { hold(call); return nil }
				} else {
					a.store.after = hold
				}
				tab, answered := j, make(chan error)
				go func() {
					_, err := tab.refresh(t, a.Engine)
					answered <- err
				}()
				synctest.Wait()
				c := j.credentials(t, a.Engine)[0]
				if err := a.SignOut(t.Context(), c.UserID, c.SessionID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				close(held)
				if err := <-answered; err != nil && !errors.Is(err, session.CodeUnauthorized) {
					t.Errorf("the refresh: %v", err)
				}
				time.Sleep(2 * time.Second)
				if err := verdict(a.Engine, tab); !errors.Is(err, engine.ErrRevoked) {
					t.Errorf("its access token: %v", err)
				}
				if o, err := tab.refresh(t, a.Engine); o != session.Missing {
					t.Errorf("its refresh token: %v, %v", o, err)
				}
				if list, err := a.Sessions(t.Context(), "u1"); len(list) != 0 || err != nil {
					t.Errorf("sessions: %v, %v", list, err)
				}
			})
		})
	}
}

func TestOtherProcessesHonourATokenUntilItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		share := func(c *engine.Config[profile]) { c.Store = store }
		here, there := newEngine(t, share), newEngine(t, share)
		j := signIn(t, here, "u1")
		if err := here.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		if err := verdict(there, j); err != nil {
			t.Errorf("before its expiry: %v", err)
		}
		time.Sleep(16 * time.Minute)
		if err := verdict(there, j); !errors.Is(err, engine.ErrExpired) {
			t.Errorf("after its expiry: %v", err)
		}
		if o, err := j.refresh(t, there); o != session.Missing {
			t.Errorf("refresh: %v, %v", o, err)
		}
		// A process learns that the session has ended from a refresh.
		k := signIn(t, here, "u1")
		c := k.credentials(t, here)[0]
		if err := here.SignOut(t.Context(), c.UserID, c.SessionID); err != nil {
			t.Fatal(err)
		}
		if o, _ := k.refresh(t, there); o != session.Missing {
			t.Errorf("refresh elsewhere: %v", o)
		}
		if err := verdict(there, k); !errors.Is(err, engine.ErrRevoked) {
			t.Errorf("access token elsewhere after that: %v", err)
		}
	})
}

func TestReloadReturnsChangedUserData(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j := signIn(t, a.Engine, "u1")
		before, err := a.Verify(j.access, j.fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		before.RefreshToken = j.bearer
		a.store.took()
		a.load = func(context.Context) (profile, error) { return profile{"new name"}, nil }
		for _, after := range []time.Duration{time.Second, 5 * time.Minute, 10*time.Minute + 10*time.Second} { // the last one is within the leeway
			time.Sleep(after)
			s, err := a.Reload(t.Context(), before)
			if err != nil {
				t.Fatal(err)
			}
			if s.User.Data.Username != "new name" || s.RefreshToken != j.bearer || s.ID != before.ID || s.Generation != before.Generation {
				t.Errorf("session %+v", s)
			}
			if !s.ExpiresAt.Equal(before.ExpiresAt) {
				t.Errorf("expires %v, before %v", s.ExpiresAt, before.ExpiresAt)
			}
			if seen, err := a.Verify(s.AccessToken, j.fingerprint); err != nil || seen.User != s.User {
				t.Errorf("its token is verified as %+v, %v", seen, err)
			}
		}
		if calls := a.store.took(); len(calls) != 0 {
			t.Errorf("store calls %v", calls)
		}
	})
}

func TestReloadDoesNotReviveAnEndedSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j := signIn(t, a.Engine, "u1")
		s, err := a.Verify(j.access, j.fingerprint) // a request that takes a long time
		if err != nil {
			t.Fatal(err)
		}
		for name, load := range map[string]func(context.Context) (profile, error){
			"ended while loading": func(ctx context.Context) (profile, error) {
				err := a.RevokeUser(ctx, "u1")
				time.Sleep(2 * time.Second)
				return profile{}, err
			},
			"ended before": nil,
		} {
			if load == nil {
				time.Sleep(2 * time.Second)
				if err := a.RevokeUser(t.Context(), "u1"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
			}
			a.load = load
			if s, err := a.Reload(t.Context(), s); !errors.Is(err, engine.ErrRevoked) || s.AccessToken != "" {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
		}
		if _, err := a.Reload(t.Context(), session.Session[profile]{}); session.CodeOf(err) != session.CodeInvalidAccessToken {
			t.Errorf("Reload of no session: %v", err)
		}
	})
}

func TestReloadOfAUserWhoIsGoneEndsTheSessions(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	j := signIn(t, a.Engine, "u1")
	s, err := a.Verify(j.access, j.fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	a.load = func(context.Context) (profile, error) { return profile{}, session.ErrUserNotFound }
	got, err := a.Reload(t.Context(), s)
	if session.CodeOf(err) != session.CodeUnauthorized || !errors.Is(err, session.ErrUserNotFound) || got.AccessToken != "" {
		t.Errorf("Reload = %+v, %v", got, err)
	}
	if list, _ := a.Sessions(t.Context(), "u1"); len(list) != 0 {
		t.Errorf("sessions %v", list)
	}
}

// A session's id is not secret. A user who signs out "their" session with the id of another user's
// session does not end that session, in the store or in this process.
func TestSignOutOfAnotherUsersSession(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	bob := signIn(t, m, "bob")
	id := bob.credentials(t, m)[0].SessionID
	if err := m.SignOut(t.Context(), "mallory", id); err != nil {
		t.Fatal(err)
	}
	if err := verdict(m, bob); err != nil {
		t.Errorf("bob, signed out by mallory: %v", err)
	}
	if err := m.SignOut(t.Context(), "bob", id); err != nil {
		t.Fatal(err)
	}
	if err := m.SignOut(t.Context(), "mallory", id); err != nil {
		t.Fatal(err)
	}
	if err := verdict(m, bob); !errors.Is(err, engine.ErrRevoked) {
		t.Errorf("bob, after his own sign-out and mallory's: %v", err)
	}
}

// A user who ends sessions that never existed, as fast as possible, does not make the process
// forget a sign-out of another user.
func TestEndsOfUnknownSessionsMakeNoProcessForgetASignOut(t *testing.T) {
	t.Parallel()
	m := newEngine(t, func(c *engine.Config[profile]) { c.Logger = slog.New(slog.DiscardHandler) })
	victim, phone := signIn(t, m, "victim"), signIn(t, m, "victim")
	if err := m.SignOut(t.Context(), "victim", victim.credentials(t, m)[0].SessionID); err != nil {
		t.Fatal(err)
	}
	for range 3 << 15 {
		if err := m.SignOut(t.Context(), "flooder", session.NewID()); err != nil {
			t.Fatal(err)
		}
	}
	if err := verdict(m, victim); !errors.Is(err, engine.ErrRevoked) {
		t.Errorf("the session that was signed out: %v, want ErrRevoked", err)
	}
	if err := verdict(m, phone); err != nil {
		t.Errorf("the user's other session: %v", err)
	}
}

// The memory for one user is bounded. Beyond the limit no revocation is forgotten. At worst the
// user's other sessions need a refresh.
func TestManyEndsOfOneUserForgetNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		kept := signIn(t, m, "u1")
		var ended []jar
		for range 40 {
			j := signIn(t, m, "u1")
			if err := m.SignOut(t.Context(), "u1", j.credentials(t, m)[0].SessionID); err != nil {
				t.Fatal(err)
			}
			ended = append(ended, j)
			time.Sleep(time.Second)
		}
		for i, j := range ended {
			if err := verdict(m, j); !errors.Is(err, engine.ErrRevoked) {
				t.Errorf("session %d of %d that were ended: %v, want ErrRevoked", i+1, len(ended), err)
			}
		}
		kept.must(t, m, session.Rotated)
		if err := verdict(m, kept); err != nil {
			t.Errorf("the session that did not end, after a refresh: %v", err)
		}
		after := signIn(t, m, "u1")
		if err := verdict(m, after); err != nil {
			t.Errorf("a session begun afterwards: %v", err)
		}
	})
}

// A process that does not know of a revocation reloads the session. The process that ended it
// refuses the new access token like the old one.
func TestReloadInAnotherProcessDoesNotReviveAnEndedSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		share := func(c *engine.Config[profile]) { c.Store = store }
		here, there := newEngine(t, share), newEngine(t, share)
		for name, end := range map[string]func(jar) error{
			"signed out": func(j jar) error {
				return here.SignOut(t.Context(), "u1", j.credentials(t, here)[0].SessionID)
			},
			"all sessions ended": func(jar) error { return here.RevokeUser(t.Context(), "u1") },
		} {
			j := signIn(t, here, "u1")
			if err := end(j); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			s, err := there.Verify(j.access, j.fingerprint)
			if err != nil {
				t.Fatal(err)
			}
			s, err = there.Reload(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := here.Verify(s.AccessToken, j.fingerprint); !errors.Is(err, engine.ErrRevoked) {
				t.Errorf("%s: the process that ended it: %v, want ErrRevoked", name, err)
			}
		}
	})
}
