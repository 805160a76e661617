package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// Ready asks the store even if the breaker is open, changes nothing, and does not hang.
func TestReadyAsksTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		signIn(t, a.Engine, "lucia-ready") // any id may be a user's
		before := recordOf(t, a.Engine, "lucia-ready")
		jars := jarsOf(t, a, 4)
		open(t, a, jars)
		unavailable(t, a.Ready(t.Context()), session.CodeDatabaseFetchFailed)
		if n := a.store.took()["Delete"]; n != 1 {
			t.Errorf("%d calls of the store", n)
		}
		a.store.set(nil)
		if err := a.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		jars[0].must(t, a.Engine, session.Rotated) // the breaker is closed
		if diff := cmp.Diff(before, recordOf(t, a.Engine, "lucia-ready")); diff != "" {
			t.Errorf("the record changed (-before +after):\n%s", diff)
		}
		release := make(chan struct{})
		a.store.set(func(context.Context, string) error { <-release; return nil })
		begin := time.Now()
		unavailable(t, a.Ready(t.Context()), session.CodeDatabaseFetchFailed)
		if took := time.Since(begin); took != engine.DefaultTimeout {
			t.Errorf("Ready took %v", took)
		}
		close(release)
	})
}

func TestActingIsAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		actor := &session.Actor{ID: "admin", Reason: "ticket 7"}
		s, err := a.Begin(t.Context(), engine.SignInParams{UserID: "u1", Terms: session.Terms{Actor: actor}})
		if err != nil {
			t.Fatal(err)
		}
		want := session.Event{Kind: session.EventBegan, Time: time.Now(), UserID: "u1", SessionID: s.Session.ID, Actor: "admin", Reason: "ticket 7"}
		if diff := cmp.Diff([]session.Event{want}, a.trail(t)); diff != "" {
			t.Errorf("audit (-want +got):\n%s", diff)
		}
		want.Kind = session.EventActing
		if e := <-a.event; e != want {
			t.Errorf("event %+v, want %+v", e, want)
		}
	})
}
