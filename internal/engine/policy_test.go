package engine_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// keep uses a session as a browser does until it is refused, for at most limit. It returns how long
// the session lived.
func keep(t *testing.T, m *engine.Engine[profile], j *jar, limit time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < limit {
		time.Sleep(time.Minute)
		_, err := m.Verify(j.access, j.fingerprint)
		if err == nil {
			continue
		}
		if o, err := j.refresh(t, m); err != nil {
			if o != session.Missing || !errors.Is(err, session.CodeUnauthorized) {
				t.Fatalf("after %v: %v, %v", time.Since(begin), o, err)
			}
			return time.Since(begin)
		}
	}
	return time.Since(begin)
}

func TestSessionInUseLivesAsLongAsItsTermsAllow(t *testing.T) {
	t.Parallel()
	short := engine.Short{RefreshTTL: 2 * time.Hour, Lifetime: 5 * time.Hour}
	for _, tt := range []struct {
		name  string
		terms func() session.Terms
		idle  time.Duration // IdleTimeout
		want  time.Duration
	}{
		{"no terms", func() session.Terms { return session.Terms{} }, 0, 24 * time.Hour},
		{"short", func() session.Terms { return session.Terms{Short: true} }, 0, 5 * time.Hour},
		{"ends by", func() session.Terms { return session.Terms{EndsBy: time.Now().Add(90 * time.Minute)} }, 0, 90 * time.Minute},
		{"ends within one access token", func() session.Terms { return session.Terms{EndsBy: time.Now().Add(7 * time.Minute)} }, 0, 7 * time.Minute},
		{"ends after the lifetime", func() session.Terms { return session.Terms{EndsBy: time.Now().Add(99 * time.Hour)} }, 0, 24 * time.Hour},
		{"short and ends by", func() session.Terms { return session.Terms{Short: true, EndsBy: time.Now().Add(3 * time.Hour)} }, 0, 3 * time.Hour},
		{"ends by with an idle timeout", func() session.Terms { return session.Terms{EndsBy: time.Now().Add(10 * time.Minute)} }, time.Hour, 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newEngine(t, func(c *engine.Config[profile]) {
					c.AccessTTL, c.RefreshTTL, c.Lifetime, c.Short, c.IdleTimeout = 15*time.Minute, 12*time.Hour, 24*time.Hour, short, tt.idle
				})
				j := begin(t, m, "u1", tt.terms())
				if got := keep(t, m, &j, 48*time.Hour); got < tt.want || got > tt.want+2*time.Minute {
					t.Errorf("lived %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestUnusedShortSessionEndsEarlier(t *testing.T) {
	t.Parallel()
	for unused, want := range map[time.Duration]session.Outcome{2*time.Hour - time.Millisecond: session.Rotated, 2 * time.Hour: session.Missing} {
		synctest.Test(t, func(t *testing.T) {
			m := newEngine(t, func(c *engine.Config[profile]) { c.Short.RefreshTTL = 2 * time.Hour })
			j, other := begin(t, m, "u1", session.Terms{Short: true}), signIn(t, m, "u1")
			time.Sleep(unused)
			if o, err := j.refresh(t, m); o != want {
				t.Errorf("unused for %v: %v, %v, want %v", unused, o, err, want)
			}
			other.must(t, m, session.Rotated)
		})
	}
}

// From the end on no token is accepted, not even within the leeway for clocks.
func TestNoTokenOutlivesEndsBy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events []session.Event
		m := newEngine(t, func(c *engine.Config[profile]) { c.OnEvent = func(e session.Event) { events = append(events, e) } })
		j := begin(t, m, "u1", session.Terms{EndsBy: time.Now().Add(10 * time.Minute)})
		time.Sleep(10*time.Minute - time.Second)
		j.use(t, m)
		time.Sleep(time.Second)
		if _, err := m.Verify(j.access, j.fingerprint); !errors.Is(err, engine.ErrExpired) {
			t.Errorf("at the end: %v", err)
		}
		if o, err := j.refresh(t, m); o != session.Missing || !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("at the end: %v, %v", o, err)
		}
		if list, err := m.Sessions(t.Context(), "u1"); err != nil || len(list) != 0 {
			t.Errorf("listed: %v, %v", list, err)
		}
		m.Flush(t.Context())
		if !slices.ContainsFunc(events, func(e session.Event) bool { return e.Kind == session.EventEnded && e.Cause == session.CauseExpired }) {
			t.Errorf("events %+v", events)
		}
	})
}

func TestAtMaxSessions(t *testing.T) {
	t.Parallel()
	for policy, want := range map[engine.AtMaxSessions]struct {
		third error
		event session.Event
	}{
		engine.EndOldest: {nil, session.Event{Kind: session.EventEnded, Cause: session.CauseLimit}},
		engine.RefuseNew: {session.CodeTooManySessions, session.Event{Kind: session.EventSignInRefused, Cause: session.CauseLimit}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var events []session.Event
			m := newEngine(t, func(c *engine.Config[profile]) {
				c.MaxSessions, c.AtMaxSessions = 2, policy
				c.OnEvent = func(e session.Event) { events = append(events, e) }
			})
			first := signIn(t, m, "u1")
			time.Sleep(time.Minute)
			second := signIn(t, m, "u1")
			_, err := m.SignIn(t.Context(), "u1")
			if !errors.Is(err, want.third) {
				t.Fatalf("policy %d: %v, want %v", policy, err, want.third)
			}
			_, err = m.Verify(first.access, first.fingerprint)
			if refused := err != nil; refused != (policy == engine.EndOldest) {
				t.Errorf("policy %d: the first session's access token: %v", policy, err)
			}
			second.use(t, m)
			m.Flush(t.Context())
			if !slices.ContainsFunc(events, func(e session.Event) bool {
				return e.Kind == want.event.Kind && e.Cause == want.event.Cause && e.UserID == "u1"
			}) {
				t.Errorf("policy %d: events %+v, want %+v", policy, events, want.event)
			}
		})
	}
}

// A browser that signs in again ends its own former session, and no other device's.
func TestFormerSessionTakesNoPlace(t *testing.T) {
	t.Parallel()
	for _, policy := range []engine.AtMaxSessions{engine.EndOldest, engine.RefuseNew} {
		synctest.Test(t, func(t *testing.T) {
			m := newEngine(t, func(c *engine.Config[profile]) { c.MaxSessions, c.AtMaxSessions = 2, policy })
			phone := signIn(t, m, "u1")
			time.Sleep(time.Minute)
			laptop, err := m.SignIn(t.Context(), "u1")
			if err != nil {
				t.Fatal(err)
			}
			p := engine.SignInParams{UserID: "u1", Former: []session.ID{laptop.Session.ID}}
			if _, err := m.Begin(t.Context(), p); err != nil {
				t.Errorf("policy %d: %v", policy, err)
			}
			phone.must(t, m, session.Rotated)
		})
	}
}

func TestActing(t *testing.T) {
	t.Parallel()
	acting := func(t *testing.T, m *engine.Engine[profile], own jar, endsBy time.Time) jar {
		s, err := m.Verify(own.access, own.fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		return begin(t, m, "u1", session.Terms{EndsBy: endsBy, Actor: &session.Actor{ID: "root", Reason: "ticket 12", SessionID: s.ID}})
	}
	run := func(name string, test func(t *testing.T, m *engine.Engine[profile], events *[]session.Event)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []session.Event
				store := memstore.New()
				m := newEngine(t, func(c *engine.Config[profile]) {
					c.Store, c.MaxSessions, c.OnEvent = store, 1, func(e session.Event) { events = append(events, e) }
				})
				test(t, m, &events)
			})
		})
	}
	run("lasts an hour at most", func(t *testing.T, m *engine.Engine[profile], events *[]session.Event) {
		own, user := signIn(t, m, "root"), signIn(t, m, "u1")
		j := acting(t, m, own, time.Now().Add(5*time.Hour))
		m.Flush(t.Context())
		named := 0
		for _, e := range *events {
			if e.Actor == "root" && e.Reason == "ticket 12" && (e.Kind == session.EventBegan || e.Kind == session.EventActing) {
				named++
			}
		}
		if named != 2 {
			t.Errorf("events %+v", *events)
		}
		list, err := m.Sessions(t.Context(), "u1")
		if err != nil || len(list) != 2 {
			t.Fatalf("the user's session has ended, or the acting one is not listed: %v, %v", list, err)
		}
		if got := keep(t, m, &j, 3*time.Hour); got < time.Hour || got > time.Hour+2*time.Minute {
			t.Errorf("lived %v", got)
		}
		user.must(t, m, session.Rotated)
		own.must(t, m, session.Rotated)
	})
	run("may end earlier", func(t *testing.T, m *engine.Engine[profile], _ *[]session.Event) {
		j := acting(t, m, signIn(t, m, "root"), time.Now().Add(20*time.Minute))
		if got := keep(t, m, &j, 3*time.Hour); got < 20*time.Minute || got > 22*time.Minute {
			t.Errorf("lived %v", got)
		}
	})
	run("ends with the actor's own session", func(t *testing.T, m *engine.Engine[profile], events *[]session.Event) {
		j := acting(t, m, signIn(t, m, "root"), time.Time{})
		time.Sleep(time.Minute)
		if err := m.RevokeUser(t.Context(), "root"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Verify(j.access, j.fingerprint); !errors.Is(err, engine.ErrRevoked) {
			t.Errorf("in the process that ended it: %v", err)
		}
		if o, err := j.refresh(t, m); o != session.Missing || !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("at the refresh: %v, %v", o, err)
		}
		m.Flush(t.Context())
		if !slices.ContainsFunc(*events, func(e session.Event) bool { return e.Cause == session.CauseActor && e.Actor == "root" }) {
			t.Errorf("events %+v", *events)
		}
	})
}

// Streams and AskStore know of the end of the actor's own session as Verify and a refresh do.
func TestActorsEndReachesStreamsAndAskStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		process := func() *engine.Engine[profile] {
			return newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Feed = store, session.NoFeed })
		}
		here, there := process(), process() // which do not know what the other one ends
		own := signIn(t, here, "root")
		root := sessionOf(t, here, own)
		j := begin(t, here, "u1", session.Terms{Actor: &session.Actor{ID: "root", Reason: "ticket 12", SessionID: root.ID}})
		ended, endedThere := here.Ended(t.Context(), sessionOf(t, here, j)), there.Ended(t.Context(), sessionOf(t, there, j))
		if err := there.AskStore(t.Context(), sessionOf(t, there, j)); err != nil {
			t.Errorf("AskStore while the actor's session is alive: %v", err)
		}
		if err := here.EndSession(t.Context(), "root", root.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !isClosed(ended) || !isClosed(here.Ended(t.Context(), sessionOfEnded(t, here, j))) {
			t.Error("a stream outlives the actor's session in the process that ended it")
		}
		if isClosed(endedThere) {
			t.Fatal("the other process knows of the end, so the rest shows nothing")
		}
		time.Sleep(16 * time.Minute) // the access token has expired, and the stream asks the store
		synctest.Wait()
		if !isClosed(endedThere) {
			t.Error("a stream outlives the actor's session in a process that has asked the store")
		}
		if n := here.Streams() + there.Streams(); n != 0 {
			t.Errorf("%d streams are held", n)
		}

		root = sessionOf(t, here, signIn(t, here, "root"))
		j = begin(t, here, "u1", session.Terms{Actor: &session.Actor{ID: "root", Reason: "ticket 12", SessionID: root.ID}})
		if err := here.RevokeUser(t.Context(), "root"); err != nil {
			t.Fatal(err)
		}
		if err := there.AskStore(t.Context(), sessionOf(t, there, j)); session.CodeOf(err) != session.CodeUnauthorized {
			t.Errorf("AskStore after the actor's end: %v", err)
		}
	})
}
