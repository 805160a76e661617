package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// A token that was accepted is checked again each time. The cache saves only the verification of
// the signature and the decoding.
func TestCachedTokensAreJudgedLikeNewOnes(t *testing.T) {
	t.Parallel()
	for name, cache := range map[string]int{"cached": 0, "not cached": -1, "cache too small for one token": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newEngine(t, func(c *engine.Config[profile]) { c.Cache = cache })
				j, other := signIn(t, m, "u1"), signIn(t, m, "u1")
				for range 3 {
					s, err := m.Verify(j.access, j.fingerprint)
					if err != nil || s.AccessToken != j.access || s.User.Data.Username != "name of u1" {
						t.Fatalf("Verify = %+v, %v", s, err)
					}
					for _, fp := range []engine.Fingerprint{"", other.fingerprint, j.fingerprint + "x"} {
						if s, err := m.Verify(j.access, fp); !errors.Is(err, engine.ErrFingerprint) || s.User.ID != "" {
							t.Errorf("another fingerprint: %+v, %v", s, err)
						}
					}
					if _, err := m.Verify(j.access+"x", j.fingerprint); !errors.Is(err, engine.ErrMalformed) {
						t.Errorf("a longer token: %v", err)
					}
				}
				c := other.credentials(t, m)[0]
				if err := m.SignOut(t.Context(), "u1", c.SessionID); err != nil {
					t.Fatal(err)
				}
				if err := verdict(m, other); !errors.Is(err, engine.ErrRevoked) {
					t.Errorf("signed out: %v", err)
				}
				time.Sleep(15*time.Minute + 31*time.Second)
				for range 2 {
					if err := verdict(m, j); !errors.Is(err, engine.ErrExpired) {
						t.Errorf("expired: %v", err)
					}
				}
			})
		})
	}
}

// The token is a small part of a large header. The cache and the session keep only the token.
func TestVerifyCopiesTheTokenOutOfItsHeader(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j := signIn(t, m, "u1")
	header := strings.Repeat("x", 1000) + string(j.access)
	token := session.AccessToken(header[1000:])
	s, err := m.Verify(token, j.fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	if s.AccessToken != token || unsafe.StringData(string(s.AccessToken)) == unsafe.StringData(string(token)) {
		t.Error("the session shares memory with the header")
	}
}

func TestExpiresInIsNeverNegative(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := session.Session[profile]{ExpiresAt: now.Add(time.Minute)}
	for after, want := range map[time.Duration]time.Duration{0: time.Minute, time.Second: 59 * time.Second, time.Minute: 0, time.Hour: 0} {
		if got := s.ExpiresIn(now.Add(after)); got != want {
			t.Errorf("%v later: %v, want %v", after, got, want)
		}
	}
	var none *session.Session[profile]
	if got := none.ExpiresIn(now); got != 0 {
		t.Errorf("ExpiresIn of no session is %v, want 0", got)
	}
}

func TestTokenErrorsNameCodeAndReason(t *testing.T) {
	t.Parallel()
	_, err := newEngine(t, nil).Verify("garbage", "")
	if want := fmt.Sprintf("%v: %v", session.CodeInvalidAccessToken, engine.ErrMalformed); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestCacheIsBoundedInBytesAndEntries(t *testing.T) {
	t.Parallel()
	const bytes, users = 64 << 10, 500
	m := newEngine(t, func(c *engine.Config[profile]) { c.Cache = bytes })
	total := 0
	for i := range users {
		j := signIn(t, m, fmt.Sprint("user", i))
		j.use(t, m)
		total += len(j.access)
	}
	if total < 2*bytes {
		t.Fatalf("%d bytes of tokens do not fill a cache of %d", total, bytes)
	}
	entries, weight := m.Cached()
	if weight > bytes || entries == 0 || entries > bytes/512 {
		t.Errorf("%d entries, %d bytes, want at most %d and %d, and some", entries, weight, bytes/512, bytes)
	}
}

func TestRefusedTokensAreNotCached(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j, other := signIn(t, m, "u1"), signIn(t, m, "u2")
	for _, c := range []struct {
		token       session.AccessToken
		fingerprint engine.Fingerprint
	}{
		{j.access, other.fingerprint},                  // a stolen token
		{j.access + "x", j.fingerprint},                // a forged token
		{session.AccessToken(j.bearer), j.fingerprint}, // the wrong kind of token
		{"x.y.z", "x"},
	} {
		if _, err := m.Verify(c.token, c.fingerprint); err == nil {
			t.Fatal("accepted")
		}
	}
	if entries, _ := m.Cached(); entries != 0 {
		t.Errorf("%d entries after four refusals", entries)
	}
	j.use(t, m)
	if entries, _ := m.Cached(); entries != 1 {
		t.Errorf("%d entries after one token was accepted", entries)
	}
}
