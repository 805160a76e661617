package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// lossy is user data that JSON does not represent completely.
type lossy struct {
	Kept   string
	secret string
	Any    any
}

// Requests see what tokens carry, from the first one on. The response that issues a token has no
// more data than those that follow.
func TestEveryAnswerSeesWhatTokensCarry(t *testing.T) {
	t.Parallel()
	m, err := engine.New(engine.Config[lossy]{
		Secret: testSecret, Store: memstore.New(), Logger: discard,
		LoadUser: func(context.Context, string) (lossy, error) {
			return lossy{"kept", "lost", lossy{Kept: "a map now"}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := lossy{Kept: "kept", Any: map[string]any{"Kept": "a map now", "Any": nil}}
	check := func(what string, s session.Session[lossy], err error) {
		t.Helper()
		if diff := cmp.Diff(want, s.User.Data, cmp.AllowUnexported(lossy{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	signedIn, err := m.SignIn(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	check("SignIn", signedIn.Session, nil)
	verified, err := m.Verify(signedIn.Session.AccessToken, signedIn.Fingerprint)
	check("Verify", verified, err)
	reloaded, err := m.Reload(t.Context(), verified)
	check("Reload", reloaded, err)
	credential, err := m.ParseRefreshToken(signedIn.Session.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	refreshed, err := m.Refresh(t.Context(), signedIn.Fingerprint, credential)
	check("Refresh", refreshed.Session, err)
}

type tenantKey struct{}

// LoadUser sees no values of a request, at a sign-in or at a refresh. Otherwise it could depend on
// them and fail at the first refresh. Its context ends with the request that waits for it.
func TestLoadUserSeesNoRequestsValues(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), tenantKey{}, "a tenant"))
	loads := 0
	a.load = func(ctx context.Context) (profile, error) {
		loads++
		if v := ctx.Value(tenantKey{}); v != nil {
			t.Errorf("load %d sees %v", loads, v)
		}
		return profile{}, nil
	}
	s, err := a.SignIn(ctx, "u1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Reload(ctx, s.Session); err != nil {
		t.Error(err)
	}
	credential, err := a.ParseRefreshToken(s.Session.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Refresh(ctx, s.Fingerprint, credential); err != nil {
		t.Error(err)
	}
	if loads != 3 {
		t.Errorf("%d loads", loads)
	}

	a.load = func(ctx context.Context) (profile, error) {
		cancel()
		<-ctx.Done()
		return profile{}, ctx.Err()
	}
	if _, err := a.SignIn(ctx, "u1"); !errors.Is(err, session.CodeDatabaseUpdateFailed) {
		t.Errorf("a request that has ended: %v", err)
	}

	deadline := time.Now().Add(time.Second)
	short, stop := context.WithDeadline(t.Context(), deadline)
	defer stop()
	a.load = func(ctx context.Context) (profile, error) {
		if d, ok := ctx.Deadline(); !ok || !d.Equal(deadline) {
			t.Errorf("the deadline of LoadUser is %v, want the request's %v", d, deadline)
		}
		return profile{}, context.DeadlineExceeded
	}
	if _, err := a.SignIn(short, "u1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline: %v", err)
	}
}

// The end of a request ends its sign-in or reload at once, not at the timeout.
func TestSignInAndReloadEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(*app, context.Context, session.Session[profile]) error{
		"SignIn": func(a *app, ctx context.Context, _ session.Session[profile]) error {
			_, err := a.SignIn(ctx, "u1")
			return err
		},
		"Reload": func(a *app, ctx context.Context, s session.Session[profile]) error {
			_, err := a.Reload(ctx, s)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, nil)
				s, err := a.SignIn(t.Context(), "u1")
				if err != nil {
					t.Fatal(err)
				}
				a.load = func(ctx context.Context) (profile, error) { <-ctx.Done(); return profile{}, ctx.Err() }
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begin := time.Now()
				err = call(a, ctx, s.Session)
				if took := time.Since(begin); err == nil || took != time.Second {
					t.Errorf("%v after %v, want an error after a second", err, took)
				}
			})
		})
	}
}

func TestSessionsAsJSON(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	s, err := m.SignIn(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	list, err := m.Sessions(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	back := map[session.ID]session.Entry{}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, back, cmp.Comparer(func(a, b session.Entry) bool { return a == b })); diff != "" || len(back) != 1 || !strings.Contains(string(data), `"`+s.Session.ID.String()+`":`) {
		t.Errorf("%s (-list +back):\n%s", data, diff)
	}
	if err := json.Unmarshal([]byte(`{"`+strings.Repeat("A", 21)+`!":{}}`), &back); err == nil {
		t.Error("an invalid id is accepted")
	}
	id := s.Session.ID
	if err := id.UnmarshalText([]byte("bad")); err == nil || id != s.Session.ID {
		t.Errorf("after an invalid one the id is %v, %v, want it unchanged", id, err)
	}
}
