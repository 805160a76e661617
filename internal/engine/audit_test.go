package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// trail returns what a has reported to the audit since the last call of trail.
func (a *app) trail(t testing.TB) (events []session.Event) {
	t.Helper()
	a.events(t)
	for len(a.audit) > 0 {
		events = append(events, <-a.audit)
	}
	return events
}

func idOf(t testing.TB, e *engine.Engine[profile], j jar) session.ID {
	t.Helper()
	c, err := e.OpenSealed(j.sealed)
	if err != nil {
		t.Fatal(err)
	}
	return c.SessionID
}

func TestEveryBeginAndEndIsAnEvent(t *testing.T) {
	t.Parallel()
	gone := func(a *app) {
		a.load = func(context.Context) (profile, error) { return profile{}, session.ErrUserNotFound }
	}
	for name, test := range map[string]struct {
		change func(*engine.Config[profile])
		end    func(t *testing.T, a *app, j jar)
		cause  session.Cause
		all    bool // all sessions of the user
	}{
		"sign-out": {end: func(t *testing.T, a *app, j jar) {
			if err := a.SignOut(t.Context(), "u1", idOf(t, a.Engine, j)); err != nil {
				t.Error(err)
			}
		}, cause: session.CauseUser},
		"ended by the app": {end: func(t *testing.T, a *app, j jar) {
			if err := a.EndSession(t.Context(), "u1", idOf(t, a.Engine, j)); err != nil {
				t.Error(err)
			}
		}, cause: session.CauseApp},
		"revoked by the app": {end: func(t *testing.T, a *app, _ jar) {
			if err := a.RevokeUser(t.Context(), "u1"); err != nil {
				t.Error(err)
			}
		}, cause: session.CauseApp, all: true},
		"reuse": {end: func(t *testing.T, a *app, j jar) { reuse(t, a, j) }, cause: session.CauseReuse, all: true},
		"reuse, session only": {
			change: func(c *engine.Config[profile]) { c.RevokeSessionOnly = true },
			end:    func(t *testing.T, a *app, j jar) { reuse(t, a, j) }, cause: session.CauseReuse,
		},
		"user gone at a refresh": {end: func(t *testing.T, a *app, j jar) {
			gone(a)
			if _, err := j.refresh(t, a.Engine); !errors.Is(err, session.ErrUserNotFound) {
				t.Error(err)
			}
		}, cause: session.CauseUserGone, all: true},
		"expired": {end: func(t *testing.T, a *app, j jar) {
			time.Sleep(engine.DefaultRefreshTTL)
			for range 3 { // and reported once
				if o, _ := j.refresh(t, a.Engine); o != session.Missing {
					t.Error(o)
				}
			}
		}, cause: session.CauseExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, test.change)
				j := signIn(t, a.Engine, "u1")
				id := idOf(t, a.Engine, j)
				began := session.Event{Kind: session.EventBegan, Time: time.Now(), UserID: "u1", SessionID: id}
				if diff := cmp.Diff([]session.Event{began}, a.trail(t)); diff != "" {
					t.Errorf("sign-in (-want +got):\n%s", diff)
				}
				test.end(t, a, j)
				ended := session.Event{Kind: session.EventEnded, Cause: test.cause, Time: time.Now(), UserID: "u1", SessionID: id}
				if test.all {
					ended.SessionID = session.ID{}
				}
				if diff := cmp.Diff([]session.Event{ended}, a.trail(t), cmpopts.IgnoreFields(session.Event{}, "Presented")); diff != "" {
					t.Errorf("the end (-want +got):\n%s", diff)
				}
				if o, _ := j.refresh(t, a.Engine); o != session.Missing {
					t.Errorf("afterwards: %v", o)
				}
			})
		})
	}
}

// reuse rotates the jar's session, confirms the successor and presents the jar's token again.
func reuse(t *testing.T, a *app, j jar) {
	t.Helper()
	owner := j
	owner.must(t, a.Engine, session.Rotated)
	time.Sleep(2 * time.Minute)
	owner.use(t, a.Engine)
	if recordOf1(t, a.Engine, owner).ConfirmedAt == 0 {
		t.Fatal("the successor is not confirmed")
	}
	time.Sleep(31 * time.Second)
	if o, err := j.refresh(t, a.Engine); o != session.Reused {
		t.Fatal(o, err)
	}
}

// A session that ended in another way is not reported as expired, and neither are tokens that have
// not expired.
func TestMissingSessionIsNoExpiry(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	j := signIn(t, a.Engine, "u1")
	if err := a.store.Store.DeleteUser(t.Context(), "u1"); err != nil { // by another process
		t.Fatal(err)
	}
	if o, _ := j.refresh(t, a.Engine); o != session.Missing {
		t.Error(o)
	}
	if trail := a.trail(t); len(trail) != 1 {
		t.Errorf("events %+v, want only the sign-in", trail)
	}
}

func TestFailedEndIsNoEvent(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	signIn(t, a.Engine, "u1")
	a.store.set(func(context.Context, string) error { return errors.New("down") })
	if err := errors.Join(a.SignOut(t.Context(), "u1", session.NewID()), a.RevokeUser(t.Context(), "u1")); err == nil {
		t.Error("SignOut succeeds although the store is down")
	}
	if trail := a.trail(t); len(trail) != 1 {
		t.Errorf("events %+v, want only the sign-in", trail)
	}
}

// If OnEvent is too slow, the events beyond a limit are dropped, first those that can occur in any
// number. The app is told how many.
func TestSlowOnEventDropsEventsAndIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &book{}
		release := make(chan struct{})
		var events []session.Event
		a := newApp(t, func(c *engine.Config[profile]) {
			log.logged(c)
			c.OnEvent = func(e session.Event) {
				<-release
				events = append(events, e)
			}
		})
		a.store.set(func(_ context.Context, call string) error {
			if call == "List" {
				return errors.New("down")
			}
			return nil
		})
		const most = 4096
		for range most { // EventUnavailable may fill half
			if _, err := a.Sessions(t.Context(), "u1"); err == nil {
				t.Fatal("the call succeeds although the store is down")
			}
		}
		for range most {
			if err := a.SignOut(t.Context(), "u1", session.NewID()); err != nil {
				t.Fatal(err)
			}
		}
		log.lines()
		close(release)
		if err := a.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		count := map[session.EventKind]int{}
		for _, e := range events {
			count[e.Kind]++
		}
		// OnEvent may be handling one event besides those that wait.
		failed, ended := count[session.EventUnavailable], count[session.EventEnded]
		if failed < most/2 || failed > most/2+1 || failed+ended < most || failed+ended > most+1 || len(events) != failed+ended+1 {
			t.Errorf("delivered: %v", count)
		}
		last := events[len(events)-1]
		if want := fmt.Sprintf("%d events", 2*most-failed-ended); last.Kind != session.EventDropped || last.Err.Error() != want {
			t.Errorf("the last event is %+v, want %s dropped", last, want)
		}
		if lines := log.lines(); len(lines) != 1 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], string(session.EventDropped)) {
			t.Errorf("log:\n%s", strings.Join(lines, "\n"))
		}
	})
}

// printed returns the event in every form in which a program may print it.
func printed(t testing.TB, e session.Event) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&b, verb+"\n", e)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		l := slog.New(h)
		l.Info("event", "event", e)
		l.LogAttrs(t.Context(), slog.LevelInfo, "event", e.Attrs()...)
	}
	data, err := json.Marshal(e)
	if err != nil {
		t.Error(err)
	}
	b.Write(data)
	return b.String()
}

// secrets returns what an event must not contain: the jar's tokens, their signatures, which suffice
// to complete a token whose claims are known, and the fingerprint, as text and in hex.
func (j jar) secrets() (list []string) {
	for _, token := range []string{string(j.access), string(j.bearer), string(j.sealed), string(j.fingerprint)} {
		if token == "" {
			continue
		}
		signature := token[strings.LastIndexByte(token, '.')+1:]
		list = append(list, token, signature, fmt.Sprintf("%x", token), fmt.Sprintf("%x", signature))
	}
	return list
}

// provoked lists the kinds of events that this package reports, each with a function that provokes
// it. The functions pass jars whose tokens an event might contain to seen.
var provoked = map[session.EventKind]func(t *testing.T, a *app, seen func(jar)){
	session.EventBegan: func(t *testing.T, a *app, seen func(jar)) { seen(signIn(t, a.Engine, "u1")) },
	session.EventEnded: func(t *testing.T, a *app, seen func(jar)) {
		j := signIn(t, a.Engine, "u1")
		seen(j)
		if err := a.SignOut(t.Context(), "u1", idOf(t, a.Engine, j)); err != nil {
			t.Error(err)
		}
	},
	session.EventReuse: func(t *testing.T, a *app, seen func(jar)) {
		owner, thief := stolen(t, a.Engine)
		seen(owner)
		seen(thief)
		_, _ = thief.refresh(t, a.Engine)
	},
	session.EventAdopted: func(t *testing.T, a *app, seen func(jar)) {
		j := signIn(t, a.Engine, "u1")
		restore := a.store.Store.(*memstore.Store).Snapshot()
		j.must(t, a.Engine, session.Rotated)
		restore()
		j.must(t, a.Engine, session.Adopted)
		seen(j)
	},
	session.EventLateRepeat:  func(t *testing.T, a *app, seen func(jar)) { repeat(t, a, seen, 1) },
	session.EventManyRepeats: func(t *testing.T, a *app, seen func(jar)) { repeat(t, a, seen, 3) },
	session.EventUserGone: func(t *testing.T, a *app, seen func(jar)) {
		j := signIn(t, a.Engine, "u1")
		seen(j)
		a.load = func(context.Context) (profile, error) { return profile{}, session.ErrUserNotFound }
		_, _ = j.refresh(t, a.Engine)
	},
	session.EventUserTooLarge: func(t *testing.T, a *app, seen func(jar)) {
		j := signIn(t, a.Engine, "u1")
		seen(j)
		a.load = func(context.Context) (profile, error) { return profile{strings.Repeat("x", 1<<14)}, nil }
		_, _ = j.refresh(t, a.Engine)
	},
	session.EventUnavailable: func(t *testing.T, a *app, seen func(jar)) {
		j := signIn(t, a.Engine, "u1")
		seen(j)
		a.store.set(func(context.Context, string) error { return errors.New("connection refused") })
		_, _ = j.refresh(t, a.Engine)
	},
	session.EventActing: func(t *testing.T, a *app, seen func(jar)) { seen(act(t, a)) },
	session.EventActingEnded: func(t *testing.T, a *app, seen func(jar)) {
		j := act(t, a)
		seen(j)
		s, err := a.Verify(j.access, j.fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.StopActing(t.Context(), s); err != nil {
			t.Error(err)
		}
	},
}

// act begins a session in which an administrator acts as u1.
func act(t *testing.T, a *app) jar {
	t.Helper()
	own := signIn(t, a.Engine, "admin")
	return begin(t, a.Engine, "u1", session.Terms{Actor: &session.Actor{ID: "admin", SessionID: idOf(t, a.Engine, own)}})
}

func repeat(t *testing.T, a *app, seen func(jar), times int) {
	j := signIn(t, a.Engine, "u1")
	successor := j
	successor.must(t, a.Engine, session.Rotated)
	seen(successor)
	for range times {
		time.Sleep(time.Minute)
		again := j
		again.must(t, a.Engine, session.Repeated)
		seen(again)
	}
}

// provokedElsewhere names the tests that provoke the other kinds: the file, the function and the
// constant that it compares the event with.
var provokedElsewhere = map[session.EventKind][3]string{
	session.EventDropped:        {"audit_test.go", "TestSlowOnEventDropsEventsAndIsTold", "EventDropped"},
	session.EventBreakerOpened:  {"breaker_test.go", "TestBreakerRefusesWhileTheStoreIsDown", "EventBreakerOpened"},
	session.EventBreakerClosed:  {"breaker_test.go", "TestBreakerRefusesWhileTheStoreIsDown", "EventBreakerClosed"},
	session.EventFeedLost:       {"feed_test.go", "TestACutFeedMissesNothing", "EventFeedLost"},
	session.EventFeedRestored:   {"feed_test.go", "TestACutFeedMissesNothing", "EventFeedRestored"},
	session.EventSignInRefused:  {"policy_test.go", "TestAtMaxSessions", "EventSignInRefused"},
	session.EventSteppedUp:      {"../../middleware/stepup_test.go", "TestStepUpIsAnEvent", "EventSteppedUp"},
	session.EventBound:          {"../../adapters/internal/adaptertest/bound_honest.go", "testBoundLivesOn", "EventBound"},
	session.EventUnbound:        {"../../adapters/internal/adaptertest/bound_thief.go", "testThiefAfter", "EventUnbound"},
	session.EventBindingRefused: {"../../adapters/internal/adaptertest/bound_thief.go", "testThiefProofs", "EventBindingRefused"},
}

func TestEventsContainNoTokens(t *testing.T) {
	t.Parallel()
	for kind, provoke := range provoked {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var events []session.Event
				a := newApp(t, func(c *engine.Config[profile]) {
					c.OnEvent = func(e session.Event) { events = append(events, e) }
				})
				var secrets []string
				provoke(t, a, func(j jar) { secrets = append(secrets, j.secrets()...) })
				if err := a.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(events, func(e session.Event) bool { return e.Kind == kind }) {
					t.Fatalf("the event did not occur: %+v", events)
				}
				if len(secrets) == 0 {
					t.Fatal("no jar was passed to seen")
				}
				for _, e := range events {
					text := printed(t, e)
					if e.UserID == "" || !strings.Contains(text, e.UserID) {
						t.Errorf("does not contain the kind: %s", text)
					}
					for _, secret := range secrets {
						if strings.Contains(text, secret) {
							t.Errorf("%s contains %q:\n%s", e.Kind, secret, text)
						}
					}
				}
			})
		})
	}
}

// A test provokes every kind: one of provoked, or another that exists and looks for the kind.
func TestEveryKindIsProvoked(t *testing.T) {
	t.Parallel()
	kinds := regexp.MustCompile(`(?m)^\tEvent\w+ EventKind = "(.*)"$`).FindAllStringSubmatch(sourceOf(t, "../../session/event.go"), -1)
	if len(kinds) < 20 {
		t.Fatalf("%d kinds in the source", len(kinds))
	}
	for _, k := range kinds {
		kind := session.EventKind(k[1])
		at, elsewhere := provokedElsewhere[kind]
		if (provoked[kind] != nil) == elsewhere {
			t.Errorf("%q: provoked here %v, elsewhere %v, want one of them", kind, !elsewhere, elsewhere)
		}
		if !elsewhere {
			continue
		}
		_, body, found := strings.Cut(sourceOf(t, at[0]), "\nfunc "+at[1]+"(")
		body, _, _ = strings.Cut(body, "\n}\n")
		if !found || !regexp.MustCompile(`\bsession\.`+at[2]+`\b`).MatchString(body) {
			t.Errorf("%s in %s does not look for %q", at[1], at[0], kind)
		}
	}
}

func sourceOf(t *testing.T, file string) string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}
