package dbsc_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/dbsc"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	r := dbsc.Registration{Path: "/api/auth/bound", Challenge: "abc-_"}
	if got, ok := dbsc.ParseRegistration(r.String()); !ok || got != r {
		t.Errorf("ParseRegistration(%s) = %+v, %t", r, got, ok)
	}
	c := dbsc.Challenge{Value: "abc-_", ID: "AAAA"}
	if got, ok := dbsc.ParseChallenge(c.String()); !ok || got != c {
		t.Errorf("ParseChallenge(%s) = %+v, %t", c, got, ok)
	}
	for value, want := range map[string]dbsc.Registration{
		`(ES256);path="/start";challenge="C";authorization="A"`:      {Path: "/start", Challenge: "C"},
		`(RS256 ES256); path="/start"; challenge="a;b\"c"; future`:   {Path: "/start", Challenge: `a;b"c`},
		`(ES256);challenge="C";path="https://app.example/start?a=1"`: {Path: "https://app.example/start?a=1", Challenge: "C"},
	} {
		if got, ok := dbsc.ParseRegistration(value); !ok || got != want {
			t.Errorf("ParseRegistration(%s) = %+v, %t", value, got, ok)
		}
	}
	for _, value := range []string{"", "()", "(ES256)", `(RS256);path="/start"`, `ES256x;path="/start"`, `(ES256);path=`} {
		if got, ok := dbsc.ParseRegistration(value); ok {
			t.Errorf("ParseRegistration(%q) = %+v", value, got)
		}
	}
	for value, want := range map[string]string{
		"a.b.c": "a.b.c", `"a.b.c"`: "a.b.c", ` "x";y=1`: "x", "x;y": "x", "": "", `"`: `"`, `"\"`: "\\",
	} {
		if got := dbsc.Text(value); got != want {
			t.Errorf("Text(%q) = %q, want %q", value, got, want)
		}
	}
}

func newKey(t *testing.T) (*ecdsa.PrivateKey, dbsc.Key) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, dbsc.KeyOf(&key.PublicKey)
}

func TestProof(t *testing.T) {
	t.Parallel()
	for range 8 { // keys with either parity
		key, public := newKey(t)
		if _, other := newKey(t); other == public || !public.Valid() {
			t.Fatalf("keys %x and %x", public, other)
		}
		for _, quote := range []string{"", `"`} {
			p, err := dbsc.ParseProof(quote + dbsc.Sign(key, "C", true) + quote)
			if err != nil || p.Key != public || p.Challenge != "C" || !p.SignedBy(public) {
				t.Errorf("registration: %+v, %v", p, err)
			}
			p, err = dbsc.ParseProof(quote + dbsc.Sign(key, "C", false) + quote)
			if err != nil || p.Key != (dbsc.Key{}) || p.Challenge != "C" || !p.SignedBy(public) {
				t.Errorf("refresh: %+v, %v", p, err)
			}
			if _, other := newKey(t); p.SignedBy(other) || p.SignedBy(dbsc.Key{}) {
				t.Error("signed by another key")
			}
		}
	}
}

// signed returns a token with the header and payload, signed with key.
func signed(t testing.TB, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(payload))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return text + "." + encode(sig[:])
}

func jwkOf(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	head, _, _ := strings.Cut(dbsc.Sign(key, "C", true), ".")
	data, err := base64.RawURLEncoding.DecodeString(head)
	var h struct {
		JWK json.RawMessage `json:"jwk"`
	}
	if err != nil || json.Unmarshal(data, &h) != nil {
		t.Fatalf("header %s: %v", data, err)
	}
	return string(h.JWK)
}

// A token that is not exactly an ES256 proof is refused, even if it is signed with the key.
func TestProofRefusesOtherForms(t *testing.T) {
	t.Parallel()
	key, public := newKey(t)
	jwk := jwkOf(t, key)
	const payload = `{"jti":"C"}`
	good := `{"alg":"ES256","typ":"dbsc+jwt"}`
	for _, c := range [][2]string{
		{good, payload},
		{`{"alg":"ES256","typ":"dbsc+jwt","kid":"later"}`, `{"jti":"C","aud":"https://app.example/","iat":1}`},
		{`{"alg":"ES256","jwk":` + jwk + `,"typ":"dbsc+jwt"}`, payload},
	} {
		if p, err := dbsc.ParseProof(signed(t, key, c[0], c[1])); err != nil || !p.SignedBy(public) {
			t.Errorf("%s %s: %v", c[0], c[1], err)
		}
	}
	for _, header := range []string{
		``, `null`, `[]`, `{}`, `"ES256"`, `{"alg":"ES256"}`, `{"typ":"dbsc+jwt"}`,
		`{"alg":"none","typ":"dbsc+jwt"}`, `{"alg":"HS256","typ":"dbsc+jwt"}`, `{"alg":"RS256","typ":"dbsc+jwt"}`,
		`{"alg":"es256","typ":"dbsc+jwt"}`, `{"ALG":"ES256","typ":"dbsc+jwt"}`, `{"alg":["ES256"],"typ":"dbsc+jwt"}`,
		`{"alg":"ES256","typ":"JWT"}`, `{"alg":"ES256","typ":"dbsc+jwt","crit":["x"]}`,
		`{"alg":"ES256","typ":"dbsc+jwt","jwk":null}`, `{"alg":"ES256","typ":"dbsc+jwt","jwk":{}}`,
		strings.Replace(`{"alg":"ES256","typ":"dbsc+jwt","jwk":`+jwk+`}`, `"EC"`, `"RSA"`, 1),
		strings.Replace(`{"alg":"ES256","typ":"dbsc+jwt","jwk":`+jwk+`}`, `"P-256"`, `"P-384"`, 1),
		strings.Replace(`{"alg":"ES256","typ":"dbsc+jwt","jwk":`+jwk+`}`, `"x":"`, `"x":"A`, 1),
		`{"alg":"ES256","typ":"dbsc+jwt","jwk":{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}}`, // not on the curve
		good + good, good + " x",
	} {
		if p, err := dbsc.ParseProof(signed(t, key, header, payload)); err == nil {
			t.Errorf("header %s: %+v", header, p)
		}
	}
	for _, payload := range []string{``, `null`, `{}`, `{"jti":""}`, `{"jti":1}`, `{"jti":null}`, `{"JTI":"C"}`, `[]`} {
		if p, err := dbsc.ParseProof(signed(t, key, good, payload)); err == nil {
			t.Errorf("payload %s: %+v", payload, p)
		}
	}
	token := signed(t, key, good, payload)
	for _, value := range []string{
		"", ".", "..", "...", token + ".", "." + token, token[:len(token)-1], token + "A", token + "=", token[:len(token)-3] + "\r\n" + token[len(token)-3:],
		strings.Replace(token, ".", "..", 1), strings.Repeat("A", dbsc.MaxProofBytes+1),
	} {
		if p, err := dbsc.ParseProof(value); err == nil && p.SignedBy(public) {
			t.Errorf("value %.60q: %+v", value, p)
		}
	}
}

// The signature covers the whole proof: if any letter changes, the signature is no longer the
// key's.
func TestProofIsNotMalleable(t *testing.T) {
	t.Parallel()
	key, public := newKey(t)
	token := dbsc.Sign(key, "C", false)
	for i := range token {
		if token[i] == '.' {
			continue
		}
		other := byte('A')
		if token[i] == 'A' {
			other = 'B'
		}
		if p, err := dbsc.ParseProof(token[:i] + string(other) + token[i+1:]); err == nil && p.SignedBy(public) {
			t.Fatalf("the proof is accepted with letter %d changed", i)
		}
	}
	if public[0] ^= 1; !public.Valid() {
		t.Fatal("the other key with that x is no point")
	}
	if p, err := dbsc.ParseProof(token); err != nil || p.SignedBy(public) {
		t.Errorf("signed by the other key with that x: %v", err)
	}
	for _, k := range []dbsc.Key{{}, {4}, {2, 5: 1}} {
		if k.Valid() && k[0] != 2 {
			t.Errorf("%x is valid", k)
		}
	}
}

// FuzzParseProof parses any text as a proof, and any header and payload with a valid signature.
// What is accepted is an ES256 proof, as encoding/json reads it, and is signed by that key.
func FuzzParseProof(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	public := dbsc.KeyOf(&key.PublicKey)
	jwk := jwkOf(f, key)
	f.Add("", "", "a.b.c")
	f.Add("", "", `"eyJhbGciOiJFUzI1NiIsInR5cCI6ImRic2Mrand0In0.eyJqdGkiOiJDIn0.`+strings.Repeat("A", 86)+`"`)
	for _, quote := range []string{"", `"`} {
		f.Add("", "", quote+dbsc.Sign(key, "C", true)+quote)
	}
	const good = `{"alg":"ES256","typ":"dbsc+jwt"}`
	for _, header := range []string{
		good, `{"alg":"ES256","typ":"dbsc+jwt","jwk":JWK}`, `{"alg":"none","typ":"dbsc+jwt"}`, `{"alg":"ES256","typ":"dbsc+jwt","crit":null}`, `{"alg":"HS256","alg":"ES256","typ":"dbsc+jwt"}`,
		`{"alg":"ES256","typ":"dbsc+jwt","jwk":{"kty":"EC","crv":"P-256","x":"","y":""}}`, `{"alg":"ES256","ALG":"none","typ":"dbsc+jwt"}`, good + " ", good + good,
	} {
		f.Add(header, `{"jti":"C"}`, "")
	}
	for _, payload := range []string{`{"jti":""}`, `{"jti":"a","jti":"b"}`, `{"jti":null}`, `{"JTI":"C"}`, `[]`, `{"jti":"\u0000\ud800"}`, `{"jti":"C","aud":["x"],"iat":1e999}`} {
		f.Add(good, payload, "")
	}
	f.Fuzz(func(t *testing.T, header, payload, raw string) {
		forged := signed(t, key, strings.ReplaceAll(header, "JWK", jwk), payload)
		for _, value := range []string{raw, forged} {
			p, err := dbsc.ParseProof(value)
			if err != nil {
				if err != dbsc.ErrProof || p.Challenge != "" || p.Key != (dbsc.Key{}) || p.SignedBy(public) {
					t.Errorf("%q: %+v and %v", value, p, err)
				}
				continue
			}
			text := dbsc.Text(value)
			parts := strings.Split(text, ".")
			if len(parts) != 3 || len(text) > dbsc.MaxProofBytes {
				t.Fatalf("%q is accepted", value)
			}
			h, c := object(t, parts[0]), object(t, parts[1])
			if _, critical := h["crit"]; h["alg"] != "ES256" || h["typ"] != "dbsc+jwt" || critical || c["jti"] != p.Challenge || p.Challenge == "" {
				t.Errorf("%q is accepted with the header %v and the payload %v", value, h, c)
			}
			if _, named := h["jwk"]; named != (p.Key != dbsc.Key{}) || named && !p.Key.Valid() {
				t.Errorf("%q has the key %x", value, p.Key)
			}
			if p.SignedBy(dbsc.Key{}) || value == forged && !p.SignedBy(public) {
				t.Errorf("%q is signed by the wrong key", value)
			}
		}
	})
}

// object decodes a segment of an accepted proof.
func object(t *testing.T, segment string) (members map[string]any) {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(segment)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err != nil || decoder.Decode(&members) != nil {
		t.Fatalf("%q is accepted, but is no object in base64url: %v", data, err)
	}
	return members
}

// FuzzHeaders reads any text as each of the headers. Writing what was read and reading it again
// gives the same, unless it contains letters that the headers cannot carry.
func FuzzHeaders(f *testing.F) {
	for _, value := range []string{
		`(ES256);path="/start";challenge="C"`, `(RS256 ES256); path="/start"; challenge="a;b\"c"; future`, `"C";id="S"`, `"C"`, `C;id=S`, "", `"`, `"\"`, `"\\`, `;`, `;;=`,
		`(ES256);path="/a";path="/b"`, `(ES256;path=")`, `("ES256");path="/a"`, `"a" ; id = "b"`, "\"a\x00\xff\";id=\"\u00e9\"",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		plain := func(s string) bool {
			return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' })
		}
		r, ok := dbsc.ParseRegistration(value)
		if ok && (r.Path == "" || !strings.Contains(value, dbsc.Algorithm)) {
			t.Errorf("ParseRegistration(%q) = %+v", value, r)
		}
		if again, fine := dbsc.ParseRegistration(r.String()); ok && plain(r.Path) && plain(r.Challenge) && (again != r || !fine) {
			t.Errorf("%q is read as %+v, written as %q, and read as %+v", value, r, r, again)
		}
		c, ok := dbsc.ParseChallenge(value)
		if ok != (c.Value != "") {
			t.Errorf("ParseChallenge(%q) = %+v, %t", value, c, ok)
		}
		if again, fine := dbsc.ParseChallenge(c.String()); ok && plain(c.Value) && plain(c.ID) && (again != c || !fine) {
			t.Errorf("%q is read as %+v, written as %q, and read as %+v", value, c, c, again)
		}
		if text := dbsc.Text(value); text != c.Value || len(text) > len(value) {
			t.Errorf("Text(%q) = %q, but the challenge is %q", value, text, c.Value)
		}
	})
}

func BenchmarkSignedBy(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	token, public := dbsc.Sign(key, "C", false), dbsc.KeyOf(&key.PublicKey)
	b.ReportAllocs()
	for b.Loop() {
		if p, err := dbsc.ParseProof(token); err != nil || !p.SignedBy(public) {
			b.Fatal("not signed")
		}
	}
}
