package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

func TestDerivedKeysNeverChange(t *testing.T) {
	t.Parallel()
	// If a value differs, every session ends with the release.
	for purpose, want := range map[string]string{
		"access":  "cfbe7ab9b9e4fa2c6903eed6e6d770d2a4512710f225a9a76e894519d958d870",
		"refresh": "7a9c201690d0680b57f273700453e27dee80aeff5c29e522f9ee45b68637f96f",
		"seal":    "a5be3363543f38dc0fb9b741a4b26472df47a5265f1f2964289c437e5207fbb6",
		"key-id":  "ebeb03017dc68a9e3b47aae06944b58af4ea5bc061877f209ae8f52458d8a916",
	} {
		if got := fmt.Sprintf("%x", deriveKey(t, testSecret, purpose)); got != want {
			t.Errorf("%s = %s, want %s", purpose, got, want)
		}
	}
}

func TestTokensHaveExactlyTheseClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		s, err := m.SignIn(t.Context(), `Zoë "1"`)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(s.Fingerprint))
		hash, now := base64.RawURLEncoding.EncodeToString(sum[:]), time.Now().Unix()
		for _, c := range []struct{ name, token, payload string }{
			{"access", string(s.Session.AccessToken), fmt.Sprintf(
				`{"ver":2,"user":{"user_id":"Zoë \"1\"","username":"name of Zoë \"1\""},"fingerprint_hash":%q,"role":"access_token","sid":%q,"gen":1,"iat":%d,"exp":%d,"auth_time":%d}`,
				hash, s.Session.ID, now, now+15*60, now)},
			{"refresh", string(s.Session.RefreshToken), fmt.Sprintf(
				`{"user_id":"Zoë \"1\"","fingerprint_hash":%q,"role":"refresh_token","sid":%q,"gen":1,"iat":%d,"exp":%d,"auth_time":%d}`,
				hash, s.Session.ID, now, now+365*24*60*60, now)},
		} {
			if got := segment(t, c.token, 0); got != header(t, testSecret) {
				t.Errorf("%s header = %s, want %s", c.name, got, header(t, testSecret))
			}
			if got := segment(t, c.token, 1); got != c.payload {
				t.Errorf("%s payload = %s\nwant %s", c.name, got, c.payload)
			}
			if got := forge(t, testSecret, c.name, header(t, testSecret), c.payload); got != c.token {
				t.Errorf("%s token is not the HS256 of header and payload under the derived key", c.name)
			}
		}
	})
}

// lookalike is user data with the names of the claims, in their order.
type lookalike struct {
	Hash       string            `json:"fingerprint_hash"`
	Role       string            `json:"role"`
	SID        string            `json:"sid"`
	Gen        int               `json:"gen"`
	IssuedAt   int64             `json:"iat"`
	ExpiresAt  int64             `json:"exp"`
	AuthTime   int64             `json:"auth_time"`
	Short      bool              `json:"short"`
	EndsBy     int64             `json:"ends_by"`
	Attributes map[string]string `json:"attributes"`
	ActiveAt   int64             `json:"active_at"`
}

func TestUserDataThatLooksLikeTheClaims(t *testing.T) {
	t.Parallel()
	data := lookalike{
		Hash: strings.Repeat("A", 43), Role: "access_token", SID: strings.Repeat("A", 22), Gen: 7,
		IssuedAt: 1700000000, ExpiresAt: 1700000900, AuthTime: 1700000000, Short: true, EndsBy: 1700000900,
		Attributes: map[string]string{"org": "acme"}, ActiveAt: 1700000000,
	}
	e, err := engine.New(engine.Config[lookalike]{
		Secret: bytes.Repeat([]byte("s"), 32), Store: memstore.New(),
		LoadUser: func(context.Context, string) (lookalike, error) { return data, nil },
		Cache:    -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.SignIn(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Verify(s.Session.AccessToken, s.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	want := s.Session
	want.RefreshToken = "" // the access token does not carry it
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the session of the access token (-want +got):\n%s", diff)
	}
}

func TestAnyJWTLibraryCanVerifyTheTokens(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j := signIn(t, m, "u1")
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	for purpose, token := range map[string]string{"access": string(j.access), "refresh": string(j.bearer)} {
		parsed, err := parser.Parse(token, func(tok *jwt.Token) (any, error) {
			if tok.Header["kid"] != keyID(t, testSecret) {
				return nil, fmt.Errorf("kid %v", tok.Header["kid"])
			}
			return deriveKey(t, testSecret, purpose), nil
		})
		if err != nil || !parsed.Valid {
			t.Errorf("%s: %v", purpose, err)
		}
	}
}

func TestFingerprintsAndIDsAreRandom(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	seen := map[string]bool{}
	for range 100 {
		s, err := m.SignIn(t.Context(), "u1")
		if err != nil {
			t.Fatal(err)
		}
		fp := string(s.Fingerprint)
		if _, err := base64.RawURLEncoding.DecodeString(fp); len(fp) != 64 || err != nil {
			t.Fatalf("fingerprint of %d characters, %v", len(fp), err)
		}
		if seen[fp] || seen[s.Session.ID.String()] {
			t.Fatal("a value came twice")
		}
		seen[fp], seen[s.Session.ID.String()] = true, true
	}
}

func TestParseIDAcceptsOneSpelling(t *testing.T) {
	t.Parallel()
	id := session.NewID()
	if back, err := session.ParseID(id.String()); err != nil || back != id {
		t.Fatalf("round trip: %v, %v", back, err)
	}
	zero := session.ID{}.String() // 22 times A
	for _, s := range []string{
		"", zero[:21], zero + "A", zero[:21] + "B", zero[:21] + "=", zero[:20] + "==", zero[:20] + "\r\n",
		"\n" + zero[1:], strings.Repeat("+", 22), strings.Repeat(".", 22), strings.Repeat("é", 11),
	} {
		if id, err := session.ParseID(s); err == nil {
			t.Errorf("%q parses to %v", s, id)
		}
	}
}
