package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// peek calls Peek with the refresh cookie alone.
func (j jar) peek(t testing.TB, m *engine.Engine[profile]) (session.Session[profile], error) {
	t.Helper()
	return m.Peek(t.Context(), j.fingerprint, j.credentials(t, m)[1])
}

// Repeated calls of Peek change nothing: no generation, no record, no event.
func TestPeekChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &book{}
		a := newApp(t, log.logged)
		j := signIn(t, a.Engine, "u1")
		for generation := session.FirstGeneration; generation < 4; generation++ {
			before := recordOf(t, a.Engine, "u1")
			for range 20 {
				s, err := j.peek(t, a.Engine)
				if err != nil || s.User.ID != "u1" || s.User.Data.Username != "name of u1" || s.Generation != generation {
					t.Fatalf("generation %d: %+v, %v", generation, s, err)
				}
				if s.AccessToken != "" || s.RefreshToken != "" {
					t.Error("Peek gives tokens away")
				}
				if left := s.ExpiresIn(time.Now()); left != 15*time.Minute {
					t.Errorf("the next Peek is due in %v", left)
				}
				time.Sleep(time.Minute)
			}
			if diff := cmp.Diff(before, recordOf(t, a.Engine, "u1")); diff != "" {
				t.Errorf("the record changed (-before +after):\n%s", diff)
			}
			j.must(t, a.Engine, session.Rotated)
			time.Sleep(2 * time.Minute)
			j.use(t, a.Engine)
			time.Sleep(2 * time.Minute)
		}
		if lines := log.lines(); len(lines)+a.events(t) != 0 {
			t.Errorf("%d events, log:\n%v", a.events(t), lines)
		}
	})
}

// A session that Peek has found is unchanged: it has the same actor and attributes, the same time
// of sign-in, and the same end.
func TestPeekKnowsTheTerms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		root := sessionOf(t, m, signIn(t, m, "root"))
		terms := session.Terms{
			AuthTime: time.Unix(time.Now().Unix(), 0), Short: true, EndsBy: time.Now().Add(20 * time.Minute).Truncate(time.Second),
			Attributes: map[string]string{"org": "acme"},
			Actor:      &session.Actor{ID: "root", Reason: "ticket 12", SessionID: root.ID},
		}
		j := begin(t, m, "u1", terms)
		time.Sleep(16 * time.Minute)
		s, err := j.peek(t, m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(terms, s.Terms); diff != "" {
			t.Errorf("terms (-want +got):\n%s", diff)
		}
		if s.ExpiresAt.After(terms.EndsBy) {
			t.Errorf("the next Peek is due %v after the session's end", s.ExpiresAt.Sub(terms.EndsBy))
		}
	})
}

// An old token is refused. It exposes a thief. It does not expose a browser whose response was
// lost, however often that browser returns, and the operator is told.
func TestPeekAtOldTokens(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		lost    session.Generation // by the browser: it is still at the generation before
		pause   time.Duration      // since the current generation was made
		settled bool               // the current generation was used
		good    bool
		event   session.EventKind // or none
	}{
		{"current", 0, time.Hour, false, true, ""},
		{"predecessor while the answer is under way", 1, 30 * time.Second, false, true, ""},
		{"predecessor whose answer was lost", 1, 31 * time.Second, false, false, session.EventLateRepeat},
		{"predecessor of a generation used a moment ago", 1, 2 * time.Minute, true, false, session.EventLateRepeat},
		{"predecessor of a generation in use", 1, 2 * time.Minute, true, false, session.EventReuse},
		{"the generation before the predecessor", 2, time.Second, false, false, session.EventReuse},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &book{}
				a := newApp(t, log.logged)
				ahead := signIn(t, a.Engine, "u1")
				browser := ahead
				for i := range session.Generation(3) {
					ahead.must(t, a.Engine, session.Rotated)
					if i < 3-test.lost {
						browser = ahead
					}
					if i == 2 {
						break
					}
					time.Sleep(2 * time.Minute)
					ahead.use(t, a.Engine)
					time.Sleep(2 * time.Minute)
				}
				time.Sleep(test.pause)
				if test.settled {
					ahead.use(t, a.Engine)
				}
				if test.settled && test.event == session.EventReuse {
					time.Sleep(31 * time.Second)
				}
				before := recordOf(t, a.Engine, "u1")
				for range 5 { // a socket that keeps reconnecting
					_, err := browser.peek(t, a.Engine)
					if good := err == nil; good != test.good || !good && session.CodeOf(err) != session.CodeUnauthorized {
						t.Errorf("error %v, want a session: %v", err, test.good)
					}
				}
				if test.event == "" {
					if lines := log.lines(); len(lines)+a.events(t) != 0 {
						t.Errorf("%d events, log:\n%v", a.events(t), lines)
					}
				} else if e := <-a.event; e.Kind != test.event || e.UserID != "u1" || e.Presented == 0 || a.events(t) != 0 {
					t.Errorf("event %v and %d more", e, a.events(t))
				}
				if test.event == session.EventReuse {
					return
				}
				if diff := cmp.Diff(before, recordOf(t, a.Engine, "u1")); diff != "" {
					t.Errorf("the record changed (-before +after):\n%s", diff)
				}
			})
		})
	}
}

// A thief who only opens sockets with an old token appears in the events. A browser whose response
// was lost does the same, so it is no proof of theft.
func TestPeeksAtAnOldTokenAreLateRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		thief := signIn(t, a.Engine, "u1")
		owner := thief
		owner.must(t, a.Engine, session.Rotated)
		time.Sleep(time.Minute) // the owner has closed the browser
		for range 100 {
			if _, err := thief.peek(t, a.Engine); session.CodeOf(err) != session.CodeUnauthorized {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		thief.must(t, a.Engine, session.Repeated)
		late := session.EventLateRepeat
		if diff := cmp.Diff([]session.EventKind{late, late, late, late, late}, a.kinds(t)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestPeekAtWhatHasEnded(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	j, other := signIn(t, a.Engine, "u1"), signIn(t, a.Engine, "u1")
	c := j.credentials(t, a.Engine)[1]
	if err := a.SignOut(t.Context(), c.UserID, c.SessionID); err != nil {
		t.Fatal(err)
	}
	if _, err := j.peek(t, a.Engine); session.CodeOf(err) != session.CodeUnauthorized {
		t.Errorf("after sign-out: %v", err)
	}
	if _, err := other.peek(t, a.Engine); err != nil {
		t.Errorf("another session of the user: %v", err)
	}
	if _, err := a.Peek(t.Context(), other.fingerprint, c); session.CodeOf(err) != session.CodeInvalidRefreshToken {
		t.Errorf("with another fingerprint: %v", err)
	}
	a.store.set(func(context.Context, string) error { return errors.New("connection refused") })
	_, err := other.peek(t, a.Engine)
	unavailable(t, err, session.CodeDatabaseFetchFailed)
	a.store.set(nil)
	a.load = func(context.Context) (profile, error) { return profile{}, session.ErrUserNotFound }
	if _, err := other.peek(t, a.Engine); session.CodeOf(err) != session.CodeUnauthorized || !errors.Is(err, session.ErrUserNotFound) {
		t.Errorf("a user who is gone: %v", err)
	}
}

// A store that has lost its last writes still has the session.
func TestPeekAtWhatTheStoreHasLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j := signIn(t, a.Engine, "u1")
		c := j.credentials(t, a.Engine)[1]
		j.must(t, a.Engine, session.Rotated)
		if _, err := a.store.Store.Create(t.Context(), session.CreateParams{UserID: "u1", ID: c.SessionID, Policy: session.Policy{Idle: time.Hour, Lifetime: time.Hour}, Max: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.peek(t, a.Engine); err != nil {
			t.Errorf("a token newer than the record: %v", err)
		}
	})
}
