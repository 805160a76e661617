package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// book is a log that tests can read.
type book struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// lines returns the lines since the last call of lines.
func (b *book) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := strings.TrimSpace(b.buf.String())
	b.buf.Reset()
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// logged makes the engine log to the book.
func (b *book) logged(c *engine.Config[profile]) {
	c.Logger = slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestOrdinaryTrafficIsNotLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &book{}
		a := newApp(t, log.logged)
		j := signIn(t, a.Engine, "u1")
		for range 10 {
			old := j
			if o, err := j.refresh(t, a.Engine); err != nil {
				t.Fatal(o, err)
			}
			if o, err := old.refresh(t, a.Engine); err != nil { // another tab
				t.Fatal(o, err)
			}
			time.Sleep(2 * time.Minute)
			j.use(t, a.Engine)
			time.Sleep(15 * time.Minute)
		}
		_ = verdict(a.Engine, j) // expired
		if _, err := a.ParseRefreshToken("garbage"); err == nil {
			t.Error("garbage is accepted")
		}
		c := j.credentials(t, a.Engine)[0]
		if err := a.SignOut(t.Context(), c.UserID, c.SessionID); err != nil {
			t.Error(err)
		}
		if o, _ := j.refresh(t, a.Engine); o != session.Missing {
			t.Error(o)
		}
		if lines := log.lines(); len(lines)+a.events(t) != 0 {
			t.Errorf("%d events, log:\n%s", a.events(t), strings.Join(lines, "\n"))
		}
	})
}

func TestReuseIsOneEventAndOneLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &book{}
		a := newApp(t, log.logged)
		_, thief := stolen(t, a.Engine)
		id := thief.credentials(t, a.Engine)[0].SessionID
		for range 5 {
			if _, err := thief.refresh(t, a.Engine); err == nil {
				t.Fatal("the thief's token is accepted")
			}
		}
		lines := log.lines()
		if len(lines) != 1 || a.events(t) != 1 {
			t.Fatalf("%d events, log:\n%s", a.events(t), strings.Join(lines, "\n"))
		}
		want := session.Event{Kind: session.EventReuse, UserID: "u1", SessionID: id, Presented: 1, Time: time.Now()}
		if e := <-a.event; e != want {
			t.Errorf("event %+v", e)
		}
		for _, want := range []string{"level=WARN", `"lucia: refresh token reuse detected"`, "user_id=u1", "session_id=" + id.String(), "presented=1"} {
			if !strings.Contains(lines[0], want) {
				t.Errorf("no %s in %s", want, lines[0])
			}
		}
		for _, secret := range []string{string(thief.bearer), string(thief.access), string(thief.sealed), string(thief.fingerprint)} {
			if strings.Contains(lines[0], secret) {
				t.Errorf("a token is logged: %s", lines[0])
			}
		}
	})
}

func TestOutagesAndAdoptionsAreLoggedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, store := &book{}, memstore.New()
		events := 0
		m := newEngine(t, func(c *engine.Config[profile]) {
			log.logged(c)
			c.Store, c.OnEvent = store, func(e session.Event) {
				if e.Kind == session.EventAdopted {
					events++
				}
			}
		})
		jars := make([]jar, 20)
		for i := range jars {
			jars[i] = signIn(t, m, fmt.Sprint("user", i))
		}
		restore := store.Snapshot()
		for i := range jars {
			jars[i].must(t, m, session.Rotated)
		}
		restore()
		for i := range jars {
			jars[i].must(t, m, session.Adopted)
		}
		if err := m.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if lines := log.lines(); len(lines) != 1 || events != len(jars) {
			t.Errorf("%d events, log:\n%s", events, strings.Join(lines, "\n"))
		}
		time.Sleep(time.Second)
		restore()
		jars[0].must(t, m, session.Adopted)
		if lines := log.lines(); len(lines) != 1 || !strings.Contains(lines[0], "left_out=19") {
			t.Errorf("a second later:\n%s", strings.Join(lines, "\n"))
		}

		a := newApp(t, log.logged)
		a.store.set(func(context.Context, string) error { return errors.New("connection refused") })
		for range 30 {
			if _, err := a.SignIn(t.Context(), "u1"); err == nil {
				t.Fatal("signed in")
			}
			time.Sleep(100 * time.Millisecond)
		}
		lines := log.lines()
		if len(lines) != 3 || a.events(t) != 30 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], "connection refused") {
			t.Errorf("%d events, log:\n%s", a.events(t), strings.Join(lines, "\n"))
		}
		if strings.Contains(lines[0], "session_id") {
			t.Errorf("a session that never began has an id: %s", lines[0])
		}
	})
}

// A user whose data has become too large and who retries does not flood the log.
func TestUserTooLargeIsLoggedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &book{}
		a := newApp(t, log.logged)
		a.load = func(context.Context) (profile, error) { return profile{strings.Repeat("x", 1<<14)}, nil }
		for range 30 {
			if _, err := a.SignIn(t.Context(), "u1"); !errors.Is(err, session.ErrUserTooLarge) {
				t.Fatalf("SignIn = %v, want %v", err, session.ErrUserTooLarge)
			}
			time.Sleep(100 * time.Millisecond)
		}
		lines := log.lines()
		if len(lines) != 3 || a.events(t) != 30 || !strings.Contains(lines[0], "level=ERROR") {
			t.Errorf("%d events, log:\n%s", a.events(t), strings.Join(lines, "\n"))
		}
	})
}

func TestRepeatedIsLateAfterGrace(t *testing.T) {
	t.Parallel()
	const now = session.Instant(1_000_000)
	for _, tt := range []struct {
		name    string
		outcome session.Outcome
		ago     time.Duration // since the successor was issued
		want    bool
	}{
		{"at once", session.Repeated, 0, false},
		{"after grace", session.Repeated, 30 * time.Second, false},
		{"later", session.Repeated, 30*time.Second + time.Millisecond, true},
		{"another outcome", session.Current, 5 * time.Minute, false},
	} {
		r := session.RefreshResult{Outcome: tt.outcome, Record: session.Record{Generation: 5, IssuedAt: now.Add(-tt.ago)}, Now: now}
		if got := engine.IsLate(r, 30*time.Second); got != tt.want {
			t.Errorf("%s: late is %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLateRepeatIsAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		j := signIn(t, a.Engine, "u1")
		lost := j
		lost.must(t, a.Engine, session.Rotated)
		time.Sleep(30 * time.Second)
		again := j
		again.must(t, a.Engine, session.Repeated)
		if a.events(t) != 0 {
			t.Errorf("within the grace period: %+v", <-a.event)
		}
		time.Sleep(time.Millisecond)
		j.must(t, a.Engine, session.Repeated)
		if e := <-a.event; e.Kind != session.EventLateRepeat || e.Presented != 1 {
			t.Errorf("event %+v", e)
		}
	})
}

// A client that repeatedly presents one predecessor late and never uses its successor stays
// unconfirmed. The operator is told that a lost response does not explain this.
func TestManyLateRepeatsAreAnEventOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &book{}
		a := newApp(t, log.logged)
		j := signIn(t, a.Engine, "u1")
		victim := j
		victim.must(t, a.Engine, session.Rotated)
		for i := range 5 {
			time.Sleep(15 * time.Minute)
			thief := j
			thief.must(t, a.Engine, session.Repeated)
			kind := session.EventLateRepeat
			if i >= 2 {
				kind = session.EventManyRepeats
			}
			if e := <-a.event; e.Kind != kind || e.UserID != "u1" || e.Presented != 1 {
				t.Errorf("repeat %d: %+v, want %s", i+1, e, kind)
			}
		}
		if lines := log.lines(); len(lines) != 5 || !strings.Contains(lines[1], "level=INFO") || !strings.Contains(lines[2], "level=WARN") {
			t.Errorf("log:\n%s", strings.Join(lines, "\n"))
		}
	})
}

// A sign-out continues, and its failure is reported, even if the person has left.
func TestFailedSignOutIsReportedAfterThePersonHasLeft(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	a.store.set(func(context.Context, string) error { return errors.New("connection refused") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	unavailable(t, a.SignOut(ctx, "u1", session.NewID()), session.CodeDatabaseUpdateFailed)
	unavailable(t, a.RevokeUser(ctx, "u1"), session.CodeDatabaseUpdateFailed)
	if a.events(t) != 2 {
		t.Errorf("%d events, want 2", a.events(t))
	}
}

func TestCancelledCallersAreNotReported(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.SignIn(ctx, "u1"); session.CodeOf(err) != session.CodeDatabaseUpdateFailed || !errors.Is(err, context.Canceled) {
		t.Errorf("SignIn = %v", err)
	}
	if a.events(t) != 0 {
		t.Errorf("event %+v", <-a.event)
	}
}

// panicking is a slog handler that panics.
type panicking struct{ slog.Handler }

func (panicking) Handle(context.Context, slog.Record) error { panic("log") }

// The app's hooks run in a call that others share. If they fail, neither the result of the call nor
// the process is affected.
func TestBrokenHooksDoNotChangeAnswers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*engine.Config[profile]){
		"OnEvent panics": func(c *engine.Config[profile]) { c.OnEvent = func(session.Event) { panic("hook") } },
		"OnEvent exits":  func(c *engine.Config[profile]) { c.OnEvent = func(session.Event) { runtime.Goexit() } },
		"logger panics":  func(c *engine.Config[profile]) { c.Logger = slog.New(panicking{slog.DiscardHandler}) },
		"everything does": func(c *engine.Config[profile]) {
			c.OnEvent = func(session.Event) { panic("hook") }
			c.Logger = slog.New(panicking{slog.DiscardHandler})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &book{}
				a := newApp(t, func(c *engine.Config[profile]) { log.logged(c); change(c) })
				owner, thief := stolen(t, a.Engine)
				if o, err := thief.refresh(t, a.Engine); o != session.Reused || session.CodeOf(err) != session.CodeUnauthorized {
					t.Errorf("reuse: %v, %v", o, err)
				}
				if o, _ := owner.refresh(t, a.Engine); o != session.Missing {
					t.Errorf("afterwards: %v", o)
				}
				j := signIn(t, a.Engine, "u1")
				a.store.set(func(context.Context, string) error { return errors.New("down") })
				_, err := j.refresh(t, a.Engine)
				unavailable(t, err, session.CodeDatabaseFetchFailed)
				a.store.set(nil)
				j.must(t, a.Engine, session.Rotated)
				if err := a.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				if lines := strings.Join(log.lines(), "\n"); name == "OnEvent panics" && (!strings.Contains(lines, "reuse detected") || !strings.Contains(lines, "panic=hook")) {
					t.Errorf("log:\n%s", lines)
				}
			})
		})
	}
}
