package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

type profile struct {
	Username string `json:"username"`
}

func newEngine(t testing.TB, change func(*engine.Config[profile])) *engine.Engine[profile] {
	t.Helper()
	config := engine.Config[profile]{
		Secret: bytes.Repeat([]byte("s"), 32),
		Store:  memstore.New(),
		LoadUser: func(_ context.Context, id string) (profile, error) {
			return profile{Username: "name of " + id}, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	m, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// jar is what a browser keeps of a session.
type jar struct {
	fingerprint engine.Fingerprint
	access      session.AccessToken
	bearer      session.RefreshToken
	sealed      engine.SealedToken
}

func signIn(t testing.TB, m *engine.Engine[profile], userID string) jar {
	t.Helper()
	s, err := m.SignIn(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return jar{s.Fingerprint, s.Session.AccessToken, s.Session.RefreshToken, s.RefreshCookie}
}

// refresh presents the tokens in the jar, as a background refresh, and stores the answer in it.
func (j *jar) refresh(t testing.TB, m *engine.Engine[profile]) (session.Outcome, error) {
	t.Helper()
	return j.refreshBy(t, m, m.Refresh)
}

// refreshActive is refresh for a request which shows that a person is active now.
func (j *jar) refreshActive(t testing.TB, m *engine.Engine[profile]) (session.Outcome, error) {
	t.Helper()
	return j.refreshBy(t, m, func(ctx context.Context, fp engine.Fingerprint, c ...engine.RefreshCredential) (engine.Refreshed[profile], error) {
		return m.RefreshActive(ctx, 0, fp, c...)
	})
}

type refreshFunc func(context.Context, engine.Fingerprint, ...engine.RefreshCredential) (engine.Refreshed[profile], error)

func (j *jar) refreshBy(t testing.TB, m *engine.Engine[profile], refresh refreshFunc) (session.Outcome, error) {
	t.Helper()
	cookie, err := m.OpenSealed(j.sealed)
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := m.ParseRefreshToken(j.bearer)
	if err != nil {
		t.Fatal(err)
	}
	r, err := refresh(t.Context(), j.fingerprint, bearer, cookie)
	if err != nil && (r.Session.AccessToken != "" || r.Outcome != 0) {
		t.Errorf("Refresh returns %+v with an error", r)
	}
	switch {
	case errors.Is(err, engine.ErrReused):
		return session.Reused, err
	case err != nil:
		return session.Missing, err
	}
	j.access, j.bearer = r.Session.AccessToken, r.Session.RefreshToken
	if r.RefreshCookie != "" {
		j.sealed = r.RefreshCookie
	}
	return r.Outcome, nil
}

func TestSessionFromSignInToSignOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j := signIn(t, m, "u1")
		s, err := m.Verify(j.access, j.fingerprint)
		if err != nil || s.User.ID != "u1" || s.User.Data.Username != "name of u1" {
			t.Fatalf("Verify = %+v, %v", s, err)
		}
		if got := fmt.Sprintf("%v %+v %#v %s", s, s, s.AccessToken, s.AccessToken); bytes.Contains([]byte(got), []byte(j.access)) {
			t.Errorf("the token is printed: %s", got)
		}
		time.Sleep(16 * time.Minute)
		if _, err := m.Verify(j.access, j.fingerprint); !errors.Is(err, engine.ErrExpired) {
			t.Fatalf("Verify after expiry: %v", err)
		}
		if o, err := j.refresh(t, m); o != session.Rotated || err != nil {
			t.Fatalf("refresh = %v, %v", o, err)
		}
		if o, err := j.refresh(t, m); o != session.Current || err != nil {
			t.Fatalf("refresh again = %v, %v", o, err)
		}
		if s, err = m.Verify(j.access, j.fingerprint); err != nil {
			t.Fatal(err)
		}
		if err := m.SignOut(t.Context(), s.User.ID, s.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Verify(j.access, j.fingerprint); !errors.Is(err, engine.ErrRevoked) {
			t.Errorf("Verify after sign-out: %v", err)
		}
		if o, err := j.refresh(t, m); o != session.Missing || !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("refresh after sign-out = %v, %v", o, err)
		}
	})
}
