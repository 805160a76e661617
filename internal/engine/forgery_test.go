package engine_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// suspect checks tokens that must not be accepted, with an engine whose store must not be called
// for them.
type suspect struct {
	*testing.T
	m     *engine.Engine[profile]
	store *tap
	j     jar
}

func newSuspect(t *testing.T) *suspect {
	s := &suspect{T: t, store: newTap()}
	s.m = newEngine(t, func(c *engine.Config[profile]) { c.Store = s.store })
	s.j = signIn(t, s.m, "u1")
	s.store.took()
	return s
}

// use presents a token of a kind and returns the error.
func (s *suspect) use(kind, token string) error {
	switch kind {
	case "access":
		_, err := s.m.Verify(session.AccessToken(token), s.j.fingerprint)
		return err
	case "refresh":
		_, err := s.m.ParseRefreshToken(session.RefreshToken(token))
		return err
	}
	_, err := s.m.OpenSealed(engine.SealedToken(token))
	return err
}

var codeOfKind = map[string]session.Code{
	"access":  session.CodeInvalidAccessToken,
	"refresh": session.CodeInvalidRefreshToken,
	"sealed":  session.CodeInvalidRefreshToken,
}

// refused fails the test unless the token is refused with its code, for one of the reasons, and
// without a store call.
func (s *suspect) refused(name, kind, token string, reasons ...error) {
	s.Helper()
	err := s.use(kind, token)
	if session.CodeOf(err) != codeOfKind[kind] {
		s.Errorf("%s: %s token is refused with %v, want %v", name, kind, err, codeOfKind[kind])
	}
	if len(reasons) == 0 {
		reasons = []error{engine.ErrMalformed}
	}
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			reasons = nil
		}
	}
	if reasons != nil {
		s.Errorf("%s: %s token is refused with %v, want %v", name, kind, err, reasons)
	}
	if calls := s.store.took(); len(calls) != 0 {
		s.Errorf("%s: %s token made store calls %v", name, kind, calls)
	}
}

func (s *suspect) token(kind string) string {
	return map[string]string{"access": string(s.j.access), "refresh": string(s.j.bearer), "sealed": string(s.j.sealed)}[kind]
}

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	for _, kind := range []string{"access", "refresh", "sealed"} {
		genuine := s.token(kind)
		if err := s.use(kind, genuine); err != nil {
			t.Fatalf("the genuine %s token: %v", kind, err)
		}
		parts := strings.Split(genuine, ".")
		for name, token := range map[string]string{
			"empty":                  "",
			"one dot":                ".",
			"two dots":               "..",
			"no signature":           parts[0] + "." + parts[1] + ".",
			"no middle":              parts[0] + ".." + parts[2],
			"no header":              "." + parts[1] + "." + parts[2],
			"two segments":           parts[0] + "." + parts[1],
			"four segments":          genuine + ".AAAA",
			"trailing dot":           genuine + ".",
			"leading space":          " " + genuine,
			"trailing space":         genuine + " ",
			"trailing newline":       genuine + "\n",
			"line break inside":      parts[0] + "." + parts[1] + "." + parts[2][:10] + "\r\n" + parts[2][10:],
			"padding":                genuine + "=",
			"standard base64":        strings.NewReplacer("-", "+", "_", "/").Replace(genuine) + "+/",
			"NUL":                    genuine + "\x00",
			"invalid UTF-8":          parts[0] + ".\xff\xfe." + parts[2],
			"two tokens":             genuine + "," + genuine,
			"Bearer":                 "Bearer " + genuine,
			"megabytes of dots":      strings.Repeat(".", 8<<20),
			"megabytes of letters":   strings.Repeat("A", 8<<20),
			"megabytes of a segment": parts[0] + "." + strings.Repeat("A", 8<<20) + "." + parts[2],
		} {
			s.refused(name, kind, token)
		}
		for n := range len(genuine) {
			s.refused(fmt.Sprintf("cut at %d", n), kind, genuine[:n])
		}
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	for _, kind := range []string{"access", "refresh", "sealed"} {
		genuine := s.token(kind)
		for i := range len(genuine) * 8 {
			b := []byte(genuine)
			b[i/8] ^= 1 << (i % 8)
			// A flipped bit in the key id gives the id of another key, which may be one of a
			// roll-out.
			s.refused(fmt.Sprintf("bit %d", i), kind, string(b), engine.ErrMalformed, engine.ErrUnknownKey)
		}
	}
	if _, err := s.m.Verify(s.j.access, engine.Fingerprint(strings.Repeat("A", 64))); !errors.Is(err, engine.ErrFingerprint) {
		t.Errorf("another fingerprint: %v", err)
	}
}

// The last letter of a base64 segment may carry bits that are not decoded.
func TestBitsThatDecodeToNothingAreRefused(t *testing.T) {
	t.Parallel()
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	s := newSuspect(t)
	for _, kind := range []string{"access", "refresh", "sealed"} {
		genuine := s.token(kind)
		parts := strings.Split(genuine, ".")
		tried := 0
		for i, part := range parts {
			want, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil {
				t.Fatal(err)
			}
			for _, last := range letters {
				other := part[:len(part)-1] + string(last)
				if got, err := base64.RawURLEncoding.DecodeString(other); other == part || err != nil || string(got) != string(want) {
					continue
				}
				again := append([]string(nil), parts...)
				again[i] = other
				s.refused("another spelling", kind, strings.Join(again, "."))
				tried++
			}
		}
		if tried == 0 && kind != "sealed" { // the length of a sealed token depends on its contents
			t.Errorf("the %s token has no other spelling to try", kind)
		}
	}
}

func TestForgedHeadersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	kid := keyID(t, testSecret)
	for _, kind := range []string{"access", "refresh"} {
		payload := segment(t, s.token(kind), 1)
		if got := forge(t, testSecret, kind, header(t, testSecret), payload); got != s.token(kind) {
			t.Fatal("the forger does not sign as the engine does")
		}
		for _, h := range []string{
			``, `{}`, `null`, `[]`, `"HS256"`,
			`{"alg":"none","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"None","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"HS384","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"RS256","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"hs256","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"HS256","typ":"JWT"}`,
			`{"alg":"HS256","kid":"","typ":"JWT"}`,
			`{"alg":"HS256","kid":null,"typ":"JWT"}`,
			`{"alg":"HS256","kid":["` + kid + `"],"typ":"JWT"}`,
			`{"alg":"HS256","kid":"../../dev/null","typ":"JWT"}`,
			`{"alg":"HS256","kid":"` + kid + `"}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"jwt"}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"at+jwt"}`,
			`{"kid":"` + kid + `","alg":"HS256","typ":"JWT"}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"JWT"} `,
			`{"alg": "HS256","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"JWT","crit":["exp"]}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"JWT","b64":false,"crit":["b64"]}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"JWT","jku":"https://example.com/keys"}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"JWT","jwk":{"kty":"oct","k":""}}`,
			`{"alg":"HS256","kid":"` + kid + `","typ":"JWT","zip":"DEF"}`,
			`{"alg":"HS256","alg":"none","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"HS256","ALG":"none","kid":"` + kid + `","typ":"JWT"}`,
			`{"alg":"HS256","kid":"` + kid + `","kid":"` + kid + `","typ":"JWT"}`,
		} {
			s.refused("header "+h, kind, forge(t, testSecret, kind, h, payload))
		}
		unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"`+kid+`","typ":"JWT"}`)) + "." + strings.Split(s.token(kind), ".")[1] + "."
		s.refused("alg none, no signature", kind, unsigned)
	}
}

func TestTokensUnderOtherKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	foreign := []byte("a secret of another application")
	for _, kind := range []string{"access", "refresh"} {
		payload, ours := segment(t, s.token(kind), 1), header(t, testSecret)
		s.refused("foreign key, own kid", kind, forge(t, foreign, kind, ours, payload))
		s.refused("foreign key and kid", kind, forge(t, foreign, kind, header(t, foreign), payload), engine.ErrUnknownKey)
		for _, purpose := range []string{"access", "refresh", "seal", "key-id"} {
			if purpose != kind {
				s.refused("own key for "+purpose, kind, forge(t, testSecret, purpose, ours, payload))
			}
		}
	}
	s.refused("access token", "refresh", string(s.j.access))
	s.refused("refresh token", "access", string(s.j.bearer))
	s.refused("access token", "sealed", string(s.j.access))
	s.refused("refresh token", "sealed", string(s.j.bearer))
	s.refused("sealed token", "access", string(s.j.sealed))
	s.refused("sealed token", "refresh", string(s.j.sealed))
	// The roles are distinguished by the claims, too, not only by the keys.
	s.refused("access claims under the refresh key", "refresh", forge(t, testSecret, "refresh", header(t, testSecret), segment(t, string(s.j.access), 1)))
	s.refused("refresh claims under the access key", "access", forge(t, testSecret, "access", header(t, testSecret), segment(t, string(s.j.bearer), 1)))
}

// The tokens are signed with the right key, so that only the claims are tested.
func TestWrongClaimsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	for _, kind := range []string{"access", "refresh"} {
		payload := segment(t, s.token(kind), 1)
		claims := claimsOf(t, s.token(kind))
		iat, exp := fmt.Sprintf(`"iat":%.0f`, claims["iat"]), fmt.Sprintf(`"exp":%.0f`, claims["exp"])
		sid, hash := claims["sid"].(string), claims["fingerprint_hash"].(string)
		type edit struct{ old, new string }
		edits := []edit{
			{`"gen":1`, `"gen":0`}, {`"gen":1`, `"gen":-1`}, {`"gen":1`, `"gen":"1"`}, {`"gen":1`, `"gen":1.0`}, {`"gen":1`, `"gen":1e0`},
			{`"gen":1`, `"gen":4294967296`}, {`"gen":1`, `"gen":null`}, {`"gen":1`, `"gen":01`}, {`"gen":1,`, ``},
			{iat, `"iat":"0"`}, {iat, `"iat":0`}, {iat, `"iat":-1`}, {iat, `"iat":null`}, {iat, iat + `.0`}, {iat, iat + `.5`}, {iat, `"iat":1e9`},
			{iat, strings.Replace(exp, "exp", "iat", 1)}, {iat + `,`, ``}, {iat, iat + `,` + iat}, {iat, `"IAT":1,` + iat},
			{exp, `"exp":"9999999999"`}, {exp, `"exp":99999999999999999999`}, {exp, `"exp":137438953472`}, {exp, `"exp":true`}, {exp, `"exp":null`}, {exp, exp + `.0`},
			{exp, strings.Replace(iat, "iat", "exp", 1)}, {`,` + exp, ``}, {exp, exp + `,` + exp},
			{exp, exp + `,"EXP":1`}, {exp, `"EXP":1,` + exp}, {exp, strings.Replace(exp, "exp", "EXP", 1)}, {exp, strings.Replace(exp, "exp", `\u0065xp`, 1)},
			{exp, exp + `,"nbf":0`}, {exp, exp + `,"aud":"x"`}, {exp, exp + `,"":0`},
			{sid, ""}, {sid, sid[:21]}, {sid, sid + "A"}, {sid, sid[:21] + "_"}, {sid, strings.Repeat("!", 22)}, {`"sid":"` + sid + `",`, ``}, {`"sid":"` + sid + `"`, `"sid":7`},
			{sid, `\u0041` + sid[1:]},
			{hash, ""}, {hash, hash[:42]}, {hash, hash + "A"}, {`"fingerprint_hash":"` + hash + `",`, ``}, {`"fingerprint_hash":"` + hash + `"`, `"fingerprint_hash":null`},
			{`"role":"` + kind + `_token"`, `"role":""`}, {`"role":"` + kind, `"role":"other`}, {`"role":"` + kind + `_token",`, ``}, {`"role"`, `"Role"`},
			{`{`, `{ `}, {`,"sid"`, ", \n\t\"sid\""}, {payload, payload + " "}, {payload, payload + payload}, {payload, payload + "\n"}, {payload, "\ufeff" + payload},
			{payload, `null`}, {payload, `{}`}, {payload, `[]`}, {payload, ``}, {payload, `[` + payload + `]`}, {payload, payload[:len(payload)-1]},
			{payload, strings.Repeat(`{"user":`, 500)}, {payload, strings.Repeat(`[`, 4000)},
		}
		if kind == "access" {
			edits = append(edits,
				edit{`"ver":2`, `"ver":1`}, edit{`"ver":2`, `"ver":3`}, edit{`"ver":2`, `"ver":"2"`}, edit{`"ver":2,`, ``}, edit{`"ver":2`, `"ver":2,"ver":2`},
				edit{`"role":"access_token"`, `"role":"refresh_token"`},
				edit{`"user":{"user_id":"u1","username":"name of u1"},`, ``})
		} else {
			edits = append(edits,
				edit{`"role":"refresh_token"`, `"role":"access_token"`},
				edit{`"user_id":"u1",`, ``}, edit{`"user_id":"u1"`, `"user_id":""`}, edit{`"user_id":"u1"`, `"user_id":null`}, edit{`"user_id":"u1"`, `"user_id":1`},
				edit{`"user_id":"u1"`, `"user_id":"` + strings.Repeat("u", 257) + `"`}, edit{`"user_id":"u1"`, "\"user_id\":\"u\xff\""}, edit{`"user_id":"u1"`, `"user_id":"\ud800"`},
				edit{`"user_id":"u1"`, `"user_id":"\u00751"`}, edit{`"user_id":"u1"`, `"user_id":"u1","user_id":"u2"`}, edit{`"user_id":"u1"`, `"user_id":"u1","USER_ID":"u2"`})
		}
		for _, e := range edits {
			wrong := strings.Replace(payload, e.old, e.new, 1)
			if wrong == payload {
				t.Fatalf("%s: nothing to replace for %q", kind, e.old)
			}
			s.refused(fmt.Sprintf("%.40q for %.40q", e.new, e.old), kind, forge(t, testSecret, kind, header(t, testSecret), wrong))
		}
	}
}

func TestUserDataThatDoesNotFitIsOutdated(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	payload := segment(t, string(s.j.access), 1)
	const user = `{"user_id":"u1","username":"name of u1"}`
	for _, other := range []string{
		`{"user_id":"u1","username":7}`, `{"user_id":"","username":""}`, `{"username":"x"}`, `null`, `[]`, `"u1"`, `{"user_id":null}`,
		`{"user_id":"u1","USER_ID":"u2"}`, `{"user_id":"u1","user_id":"u2"}`, `{"user_id":"` + strings.Repeat("u", 257) + `"}`,
	} {
		s.refused("user "+other, "access", forge(t, testSecret, "access", header(t, testSecret), strings.Replace(payload, user, other, 1)), engine.ErrOutdated)
	}
}

func TestErrExpiredMeansThatTheTokenIsValidOtherwise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSuspect(t)
		expired := func(token string) bool { return errors.Is(s.use("access", token), engine.ErrExpired) }
		for _, c := range []struct {
			after time.Duration
			want  bool
		}{{15 * time.Minute, false}, {30 * time.Second, false}, {time.Second, true}, {365 * 24 * time.Hour, true}} {
			time.Sleep(c.after)
			if got := expired(string(s.j.access)); got != c.want {
				t.Errorf("%v later, expired = %v, want %v", c.after, got, c.want)
			}
		}
		seen, err := s.m.Verify(s.j.access, s.j.fingerprint)
		if !errors.Is(err, engine.ErrExpired) || seen.User.ID != "" {
			t.Errorf("an expired session: %+v, %v", seen, err)
		}
		if seen, err = s.m.VerifyEnded(s.j.access, s.j.fingerprint); err != nil || seen.User.ID != "u1" {
			t.Errorf("VerifyEnded of an expired session: %+v, %v", seen, err)
		}
		seen, err = s.m.Verify(s.j.access, "")
		if !errors.Is(err, engine.ErrFingerprint) || errors.Is(err, engine.ErrExpired) || seen.User.ID != "" {
			t.Errorf("expired, without the fingerprint: %+v, %v", seen, err)
		}
		b := []byte(s.j.access)
		b[len(b)-2] ^= 1
		s.refused("expired and forged", "access", string(b))
		claims := segment(t, string(s.j.access), 1)
		s.refused("expired and unknown claim", "access", forge(t, testSecret, "access", header(t, testSecret), claims[:len(claims)-1]+`,"x":1}`))
	})
}

func TestVerifyEndedRefusesAllButTime(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	live, err := s.m.VerifyEnded(s.j.access, s.j.fingerprint)
	if err != nil || live.User.ID != "u1" {
		t.Errorf("a live session: %+v, %v", live, err)
	}
	if err := s.m.SignOut(t.Context(), live.User.ID, live.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.m.Verify(s.j.access, s.j.fingerprint); !errors.Is(err, engine.ErrRevoked) {
		t.Errorf("Verify of a session that was ended: %v, want ErrRevoked", err)
	}
	if ended, err := s.m.VerifyEnded(s.j.access, s.j.fingerprint); err != nil || ended.ID != live.ID {
		t.Errorf("a session that was ended: %+v, %v", ended, err)
	}
	forged := []byte(s.j.access)
	forged[len(forged)-2] ^= 1
	for name, c := range map[string]struct {
		token       session.AccessToken
		fingerprint engine.Fingerprint
		want        error
	}{
		"no fingerprint":      {s.j.access, "", engine.ErrFingerprint},
		"another fingerprint": {s.j.access, engine.Fingerprint(strings.Repeat("A", 64)), engine.ErrFingerprint},
		"forged":              {session.AccessToken(forged), s.j.fingerprint, engine.ErrMalformed},
		"no token":            {"", s.j.fingerprint, engine.ErrMalformed},
	} {
		if seen, err := s.m.VerifyEnded(c.token, c.fingerprint); !errors.Is(err, c.want) || seen.User.ID != "" {
			t.Errorf("%s: %+v, %v, want %v", name, seen, err, c.want)
		}
	}
}

func TestTokenFromTheFutureIsOutsideItsLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSuspect(t)
		claims := segment(t, string(s.j.access), 1)
		now := time.Now().Unix()
		for ahead, want := range map[int64]error{0: nil, 30: nil, 31: engine.ErrExpired, 3600: engine.ErrExpired} {
			token := forge(t, testSecret, "access", header(t, testSecret), strings.Replace(claims, fmt.Sprintf(`"iat":%d,"exp":%d`, now, now+900), fmt.Sprintf(`"iat":%d,"exp":%d`, now+ahead, now+ahead+900), 1))
			if err := s.use("access", token); !errors.Is(err, want) {
				t.Errorf("issued %d s ahead: %v, want %v", ahead, err, want)
			}
		}
	})
}
