package engine_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// A fuzzer cannot guess a signature. So the fuzz targets take a header and a payload and sign them,
// in addition to the raw bytes of a whole token.

func seedTokens(f *testing.F, kind, genuine string) {
	h, p := segment(f, genuine, 0), segment(f, genuine, 1)
	f.Add(h, p, genuine)
	f.Add(h, p, "")
	for _, s := range []string{"", ".", "..", "...", "a.b.c", genuine + "=", genuine + ".", strings.Repeat(".", 9000)} {
		f.Add(h, p, s)
	}
	for _, other := range []string{
		`{}`, `null`, p + " ", strings.ToUpper(p), strings.Replace(p, `"exp"`, `"EXP":1,"exp"`, 1), strings.Replace(p, `"gen":1`, `"gen":1.0`, 1),
		strings.Replace(p, `"gen":1`, `"gen":1,"gen":1`, 1), strings.Replace(p, "u1", `\u0075\ud800`, 1), strings.Replace(p, `"sid"`, "\n\"sid\"", 1),
		strings.Replace(p, "access_token", "refresh_token", 1), strings.Replace(p, "u1", "\u2028</script>", 1), strings.Replace(p, "u1", "\xff", 1),
	} {
		f.Add(h, other, "")
	}
	for _, other := range []string{`{}`, `{"alg":"none"}`, h + " ", strings.Replace(h, "HS256", "none", 1), strings.Replace(h, "}", `,"crit":[]}`, 1)} {
		f.Add(other, p, "")
	}
}

// seedTerms adds payloads with all terms, each in its own spelling and in others.
func seedTerms(f *testing.F, genuine string) {
	h, p := segment(f, genuine, 0), segment(f, genuine, 1)
	p, _, _ = strings.Cut(p, `,"auth_time"`)
	for _, terms := range []string{
		``, allTermsJSON, `,"auth_time":0`, `,"short":false`, `,"ends_by":-1`, `,"attributes":{}`, `,"attributes":null`, `,"attributes":{"a":null}`,
		`,"attributes":{"b":"1","a":"2"}`, `,"attributes":{"a":"1","a":"2"}`, `,"attributes":{"a":"1"`, `,"attributes":{"":"1"}`, `,"attributes":{"a":"}`,
		`,"attributes":{"a":"` + strings.Repeat("x", 250) + `"}`, `,"act":{}`, `,"act":null`, `,"short":true,"auth_time":1`, `,"unknown":1`,
	} {
		f.Add(h, p+terms+"}", "")
	}
}

// oneSpelling fails the test unless an accepted token has the spelling that the library writes:
// header, payload and base64.
func oneSpelling(t *testing.T, purpose, token string, claims any) {
	t.Helper()
	payload := segment(t, token, 1)
	if err := json.Unmarshal([]byte(payload), claims); err != nil {
		t.Fatalf("accepted although it is not JSON: %q: %v", payload, err)
	}
	again, err := json.Marshal(claims)
	if err != nil || string(again) != payload {
		t.Fatalf("accepted %q, but it serializes as %q, %v", payload, again, err)
	}
	if want := forge(t, testSecret, purpose, header(t, testSecret), payload); want != token {
		t.Fatalf("accepted %q, but it serializes as %q", token, want)
	}
}

// termsClaims are the optional claims of both tokens.
type termsClaims struct {
	AuthTime   int64             `json:"auth_time,omitempty"`
	Short      bool              `json:"short,omitempty"`
	EndsBy     int64             `json:"ends_by,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Act        *struct {
		Sub    string `json:"sub"`
		SID    string `json:"sid"`
		Reason string `json:"reason"`
	} `json:"act,omitempty"`
}

func FuzzParseAccess(f *testing.F) {
	m := newEngine(f, func(c *engine.Config[profile]) { c.Cache = -1 })
	j := signIn(f, m, "u1")
	seedTokens(f, "access", string(j.access))
	seedTerms(f, string(j.access))
	f.Fuzz(func(t *testing.T, h, payload, raw string) {
		for _, token := range []string{raw, forge(t, testSecret, "access", h, payload)} {
			s, err := m.Verify(session.AccessToken(token), j.fingerprint)
			if err != nil && session.CodeOf(err) != session.CodeInvalidAccessToken {
				t.Fatalf("error without its code: %v", err)
			}
			if err != nil && !errors.Is(err, engine.ErrExpired) && !errors.Is(err, engine.ErrFingerprint) {
				continue
			}
			if err == nil && (session.CheckUserID(s.User.ID) != nil || s.Generation == 0 || !s.ExpiresAt.After(s.IssuedAt) || time.Until(s.ExpiresAt) < -30*time.Second) {
				t.Fatalf("accepted: %+v", s)
			}
			oneSpelling(t, "access", token, &struct {
				Ver  int             `json:"ver"`
				User json.RawMessage `json:"user"`
				Hash string          `json:"fingerprint_hash"`
				Role string          `json:"role"`
				SID  string          `json:"sid"`
				Gen  uint32          `json:"gen"`
				IAT  int64           `json:"iat"`
				EXP  int64           `json:"exp"`
				termsClaims
			}{})
		}
	})
}

func FuzzParseRefresh(f *testing.F) {
	m := newEngine(f, nil)
	j := signIn(f, m, "u1")
	seedTokens(f, "refresh", string(j.bearer))
	seedTerms(f, string(j.bearer))
	f.Fuzz(func(t *testing.T, h, payload, raw string) {
		for _, token := range []string{raw, forge(t, testSecret, "refresh", h, payload)} {
			c, err := m.ParseRefreshToken(session.RefreshToken(token))
			if err != nil {
				if session.CodeOf(err) != session.CodeInvalidRefreshToken {
					t.Fatalf("error without its code: %v", err)
				}
				continue
			}
			if session.CheckUserID(c.UserID) != nil {
				t.Fatalf("accepted: %+v", c)
			}
			oneSpelling(t, "refresh", token, &struct {
				User string `json:"user_id"`
				Hash string `json:"fingerprint_hash"`
				Role string `json:"role"`
				SID  string `json:"sid"`
				Gen  uint32 `json:"gen"`
				IAT  int64  `json:"iat"`
				EXP  int64  `json:"exp"`
				termsClaims
			}{})
		}
	})
}

// FuzzOpenSealed checks that no change to a sealed token is accepted, neither to its letters nor
// to the decoded bytes.
func FuzzOpenSealed(f *testing.F) {
	m := newEngine(f, nil)
	genuine := string(signIn(f, m, "u1").sealed)
	for _, s := range []string{"", "..", genuine, genuine + "=", genuine[1:], "\n" + genuine, strings.Replace(genuine, ".", "..", 1), strings.ToLower(genuine)} {
		f.Add(s, uint16(0), byte(0))
	}
	f.Add(genuine, uint16(40), byte(1))
	parts := strings.Split(genuine, ".")
	box, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string, at uint16, mask byte) {
		// A token that opens was made by another process of this fuzzer and has its only spelling.
		if _, err := m.OpenSealed(engine.SealedToken(raw)); err == nil {
			p := strings.Split(raw, ".")
			box, err := base64.RawURLEncoding.DecodeString(p[2])
			if again := base64.RawURLEncoding.EncodeToString(box); err != nil || p[2] != again || p[0] != sealID(t, testSecret) {
				t.Fatalf("accepted: %q, %v", raw, err)
			}
		} else if session.CodeOf(err) != session.CodeInvalidRefreshToken {
			t.Fatalf("error without its code: %v", err)
		}
		changed := append([]byte(nil), box...)
		changed[int(at)%len(changed)] ^= mask
		sealed := parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(changed)
		if _, err := m.OpenSealed(engine.SealedToken(sealed)); (err == nil) != (mask == 0) {
			t.Fatalf("byte %d changed by %#x: %v", int(at)%len(changed), mask, err)
		}
	})
}

// FuzzSealedContents seals any contents under a genuine key, since a fuzzer cannot find its way
// through AES-GCM. Contents that open serialize back to the same bytes, and the refresh token
// signed from them is accepted as a bearer token.
func FuzzSealedContents(f *testing.F) {
	m := newEngine(f, nil)
	j := signIn(f, m, "u1")
	kid, sid := sealID(f, testSecret), claimsOf(f, string(j.bearer))["sid"].(string)
	genuine := contentsOf(f, j)
	f.Add(genuine.bytes())
	for _, id := range []string{"", "\"\u2028</script>", "\xff", "Zoë", strings.Repeat("u", 256)} {
		c := genuine
		c.userID = id
		f.Add(c.bytes())
	}
	for flags := range 64 {
		c := genuine
		c.flags, c.terms = byte(flags), nil
		for i, field := range allTermsFields {
			if flags&(1<<i) != 0 {
				c.terms = append(c.terms, field...)
			}
		}
		f.Add(c.bytes())
	}
	f.Add(genuine.bytes()[:50])
	f.Fuzz(func(t *testing.T, plain []byte) {
		c, err := m.OpenSealed(forgeSealed(t, testSecret, kid, sid, plain))
		if err != nil {
			if session.CodeOf(err) != session.CodeInvalidRefreshToken {
				t.Fatalf("error without its code: %v", err)
			}
			return
		}
		again, err := engine.ContentsOf(c)
		if err != nil || !bytes.Equal(again, plain) {
			t.Fatalf("opened %x, but it serializes as %x, %v", plain, again, err)
		}
		bearer, err := m.ParseRefreshToken(engine.TokenOf(c))
		if err != nil || bearer.UserID != c.UserID || bearer.SessionID != c.SessionID {
			t.Fatalf("opened %x, but its signed form reads as %+v, %v", plain, bearer, err)
		}
	})
}
