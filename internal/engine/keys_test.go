package engine_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// accepts returns the errors of a process for the tokens in the jar.
func accepts(t *testing.T, m *engine.Engine[profile], j jar) (errs [3]error) {
	t.Helper()
	_, errs[0] = m.Verify(j.access, j.fingerprint)
	_, errs[1] = m.ParseRefreshToken(j.bearer)
	_, errs[2] = m.OpenSealed(j.sealed)
	return errs
}

// A new secret is first added as a previous one, then promoted, and then the old one is removed. At
// each step, processes of the step before are still running.
func TestSecretIsRolledOutWithoutLosingASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		process := func(secret []byte, previous ...[]byte) *engine.Engine[profile] {
			return newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Secret, c.PreviousSecrets = store, secret, previous })
		}
		older, newer := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("n"), 32)
		before, told, promoted, after := process(older), process(older, newer), process(newer, older), process(newer)
		for _, step := range []struct {
			name string
			a, b *engine.Engine[profile]
		}{{"the new secret is added", before, told}, {"the new secret is promoted", told, promoted}, {"the old secret is dropped", promoted, after}} {
			for _, turn := range [][2]*engine.Engine[profile]{{step.a, step.b}, {step.b, step.a}} {
				j := signIn(t, turn[0], "u1")
				for i := range 6 {
					if step.b == after && i == 0 {
						j.refresh(t, promoted) // clients seen since then have tokens of the new secret
					}
					m := turn[i%2]
					if errs := accepts(t, m, j); errs != [3]error{} {
						t.Errorf("%s: refused with %v", step.name, errs)
					}
					time.Sleep(10 * time.Minute)
					if o, err := j.refresh(t, m); err != nil {
						t.Errorf("%s: refresh = %v, %v", step.name, o, err)
					}
				}
			}
		}
	})
}

func TestPreviousSecretsOnlyVerify(t *testing.T) {
	t.Parallel()
	older, newer := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("n"), 32)
	store := memstore.New()
	before := newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Secret = store, older })
	after := newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Secret, c.PreviousSecrets = store, newer, [][]byte{older} })
	j := signIn(t, before, "u1")
	if o, err := j.refresh(t, after); o != session.Rotated || err != nil {
		t.Fatal(o, err)
	}
	for name, token := range map[string]string{"access": string(j.access), "refresh": string(j.bearer)} {
		if got := segment(t, token, 0); got != header(t, newer) {
			t.Errorf("%s token is signed under %s, want %s", name, got, header(t, newer))
		}
	}
	if errs := accepts(t, before, j); !allAre(errs, engine.ErrUnknownKey) {
		t.Errorf("a process without the new secret: %v, want %v", errs, engine.ErrUnknownKey)
	}
	alone := newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Secret = store, newer })
	if errs := accepts(t, alone, j); errs != [3]error{} {
		t.Errorf("a process without the old secret: %v", errs)
	}
}

// TestPageTokenUnderAPreviousSecret checks that a page gets the token that was handed out with the
// cookie, even if the cookie is under a previous secret.
func TestPageTokenUnderAPreviousSecret(t *testing.T) {
	t.Parallel()
	older, newer := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("n"), 32)
	store := memstore.New()
	before := newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Secret = store, older })
	after := newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Secret, c.PreviousSecrets = store, newer, [][]byte{older} })
	j := signIn(t, before, "u1")
	if got := tokenOnPage(t, after, j); got != j.bearer {
		t.Errorf("a page gets %q, want %q", string(got), string(j.bearer))
	}
}

func TestUnknownKeyIsNoForgery(t *testing.T) {
	t.Parallel()
	j := signIn(t, newEngine(t, func(c *engine.Config[profile]) { c.Secret = bytes.Repeat([]byte("x"), 32) }), "u1")
	store := newTap()
	m := newEngine(t, func(c *engine.Config[profile]) { c.Store = store })
	errs := accepts(t, m, j)
	if !allAre(errs, engine.ErrUnknownKey) {
		t.Errorf("refused with %v, want %v", errs, engine.ErrUnknownKey)
	}
	for i, code := range []session.Code{session.CodeInvalidAccessToken, session.CodeInvalidRefreshToken, session.CodeInvalidRefreshToken} {
		if session.CodeOf(errs[i]) != code || errors.Is(errs[i], engine.ErrMalformed) {
			t.Errorf("%v, want code %v and no malformed token", errs[i], code)
		}
	}
	if calls := store.took(); len(calls) != 0 {
		t.Errorf("store calls %v", calls)
	}
}

func allAre(errs [3]error, want error) bool {
	for _, err := range errs {
		if !errors.Is(err, want) {
			return false
		}
	}
	return true
}
