package middleware_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

const issuer = "https://app.example.com"

func issuing(c *middleware.Config[profile]) { c.Issuer = issuer }

// tokenFor returns what TokenFor returns in a handler for a request of b.
func tokenFor(b *browser, audience string, ttl time.Duration) (token string, err error) {
	b.app.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		token, err = b.app.auth.TokenFor(r.Context(), audience, ttl)
	})).ServeHTTP(httptest.NewRecorder(), b.request("GET", "/any", nil))
	return token, err
}

// jwks returns the response of the route with the keys and the keys by their id.
func jwks(t testing.TB, a *app) (*http.Response, map[string]ed25519.PublicKey) {
	t.Helper()
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, httptest.NewRequest("GET", "/api/auth/jwks.json", nil))
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil && w.Code == http.StatusOK {
		t.Fatal(err)
	}
	keys := map[string]ed25519.PublicKey{}
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k["x"])
		if err != nil {
			t.Fatal(err)
		}
		keys[k["kid"]] = x
		delete(k, "x")
		want := map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": k["kid"], "use": "sig", "alg": "EdDSA"}
		if diff := cmp.Diff(want, k); diff != "" {
			t.Errorf("a key: %s", diff)
		}
	}
	return w.Result(), keys
}

// decode decodes a segment of a JWT.
func decode(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// verifies reports whether a published key verifies the token.
func verifies(t testing.TB, token string, keys map[string]ed25519.PublicKey) bool {
	t.Helper()
	kid, _ := decode(t, token, 0)["kid"].(string)
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	return err == nil && keys[kid] != nil && ed25519.Verify(keys[kid], []byte(token[:dot]), signature)
}

func TestTokenForHasTheClaimsOfRFC9068(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, issuing)
		b := newBrowser(t, a).signIn("u1")
		time.Sleep(5 * time.Minute)
		calls := a.store.calls.Load()
		token, err := tokenFor(b, "https://orders.example", 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := tokenFor(b, "https://orders.example", 2*time.Minute)
		if n := a.store.calls.Load() - calls; n != 0 {
			t.Errorf("%d store calls", n)
		}
		_, keys := jwks(t, a)
		if !verifies(t, token, keys) {
			t.Error("no published key verifies the token")
		}
		header, claims := decode(t, token, 0), decode(t, token, 1)
		kid := header["kid"]
		if diff := cmp.Diff(map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": kid}, header); diff != "" {
			t.Errorf("header: %s", diff)
		}
		jti := claims["jti"]
		if jti == "" || jti == decode(t, again, 1)["jti"] {
			t.Errorf("jti %v is empty or repeated", jti)
		}
		now := float64(time.Now().Unix())
		want := map[string]any{
			"iss": issuer, "sub": "u1", "aud": "https://orders.example", "client_id": issuer, "sid": decode(t, b.access, 1)["sid"],
			"auth_time": now - 300,
			"iat":       now, "exp": now + 120, "jti": jti,
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Errorf("claims: %s", diff)
		}
	})
}

func TestTokenForNeedsASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, issuing)
		if _, err := tokenFor(newBrowser(t, a), "orders", time.Minute); !errors.Is(err, session.CodeNotAuthenticated) {
			t.Errorf("signed out: %v", err)
		}
		if _, err := a.auth.TokenFor(t.Context(), "orders", time.Minute); !errors.Is(err, session.CodeNotAuthenticated) {
			t.Errorf("outside of a request: %v", err)
		}
		// One stream outlives its access token, and the session of another ends.
		b := newBrowser(t, a).signIn("u1")
		a.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(15*time.Minute + 31*time.Second)
			if _, err := a.auth.TokenFor(r.Context(), "orders", time.Minute); !errors.Is(err, session.CodeInvalidAccessToken) {
				t.Errorf("after the access token's end: %v", err)
			}
		})).ServeHTTP(httptest.NewRecorder(), b.request("GET", "/any", nil))
		b = newBrowser(t, a).signIn("u1")
		a.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			if err := a.auth.RevokeUser(r.Context(), "u1"); err != nil {
				t.Error(err)
			}
			if _, err := a.auth.TokenFor(r.Context(), "orders", time.Minute); !errors.Is(err, session.CodeInvalidAccessToken) {
				t.Errorf("after the session's end: %v", err)
			}
		})).ServeHTTP(httptest.NewRecorder(), b.request("GET", "/any", nil))
	})
}

func TestTokenForRefusesBadArguments(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, newApp(t, issuing)).signIn("u1")
	for name, c := range map[string]struct {
		audience string
		ttl      time.Duration
		ok       bool
	}{
		"a name":             {"orders", time.Minute, true},
		"a URI":              {"https://orders.example/v1", time.Minute, true},
		"a URN":              {"urn:example:orders", time.Minute, true},
		"as long as access":  {"orders", 15 * time.Minute, true},
		"no audience":        {"", time.Minute, false},
		"a colon and no URI": {":orders", time.Minute, false},
		"two audiences":      {"orders billing", time.Minute, false},
		"a line end":         {"orders\n", time.Minute, false},
		"not UTF-8":          {"orders\xff", time.Minute, false},
		"a long audience":    {strings.Repeat("a", 257), time.Minute, false},
		"no life":            {"orders", 0, false},
		"a negative life":    {"orders", -time.Minute, false},
		"half a second":      {"orders", time.Second / 2, false},
		"longer than access": {"orders", 15*time.Minute + time.Second, false},
	} {
		token, err := tokenFor(b, c.audience, c.ttl)
		if c.ok != (err == nil) || c.ok != (token != "") {
			t.Errorf("%s: token %q, error %v", name, token, err)
		}
		if err != nil && session.CodeOf(err) != session.CodeUnknown {
			t.Errorf("%s: the error has a code: %v", name, err)
		}
	}
	if _, err := tokenFor(newBrowser(t, newApp(t, nil)).signIn("u1"), "orders", time.Minute); err == nil || !strings.Contains(err.Error(), "Config.Issuer") {
		t.Errorf("without an issuer: %v", err)
	}
}

// Neither kind of token is accepted as the other kind, and no forgery made of the two is.
func TestTokensOfServicesAndOfSessionsAreNeverConfused(t *testing.T) {
	t.Parallel()
	a := newApp(t, issuing)
	b := newBrowser(t, a).signIn("u1")
	token, err := tokenFor(b, issuer, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, keys := jwks(t, a)
	var public ed25519.PublicKey
	for _, public = range keys {
	}
	enc := base64.RawURLEncoding.EncodeToString
	segments := strings.Split(token, ".")
	ours := strings.Split(b.access, ".")
	hs256 := enc([]byte(`{"alg":"HS256","kid":"` + decode(t, token, 0)["kid"].(string) + `","typ":"JWT"}`))
	byPublicKey := func(signed string) string {
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(signed))
		return signed + "." + enc(mac.Sum(nil))
	}
	for name, forged := range map[string]string{
		"a token for a service":                                    token,
		"its claims under the session's header":                    ours[0] + "." + segments[1] + "." + segments[2],
		"the session's claims under its header":                    segments[0] + "." + ours[1] + "." + ours[2],
		"the session's claims under its header and signature":      segments[0] + "." + ours[1] + "." + segments[2],
		"the session's claims, HMAC by the public key":             byPublicKey(hs256 + "." + ours[1]),
		"the session's claims and header, HMAC by the public key":  byPublicKey(ours[0] + "." + ours[1]),
		"its claims, HMAC by the public key":                       byPublicKey(hs256 + "." + segments[1]),
		"the session's claims without a signature":                 enc([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + ours[1] + ".",
		"the session's claims under another algorithm, not signed": enc([]byte(`{"alg":"EdDSA"}`)) + "." + ours[1] + "." + segments[2],
	} {
		r := b.request("GET", "/api", nil)
		r.Header.Set("Authorization", "Bearer "+forged)
		if s, err := a.auth.ValidateRequest(r); err == nil {
			t.Errorf("%s: accepted as an access token of %s", name, s.User.ID)
		}
		r = b.request("GET", "/page", nil)
		r.Header.Set("Cookie", "access_token="+forged+"; fingerprint_token="+b.cookies["fingerprint_token"])
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		if strings.HasPrefix(w.Body.String(), "u1 ") {
			t.Errorf("%s: accepted as the access cookie", name)
		}
		r = b.request("POST", "/api/auth/refresh", nil)
		r.Header.Set("Authorization", "Bearer "+forged)
		w = httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d as a refresh token", name, w.Code)
		}
		if name != "a token for a service" && verifies(t, forged, keys) {
			t.Errorf("%s: verified by a published key", name)
		}
	}
	for name, own := range map[string]string{"access": b.access, "refresh": b.bearer} {
		if verifies(t, own, keys) {
			t.Errorf("the %s token is verified by a published key", name)
		}
	}
}

func TestKeysOfServicesOverlapOnAChange(t *testing.T) {
	t.Parallel()
	old, next := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("n"), 32)
	secrets := func(current []byte, previous ...[]byte) func(*middleware.Config[profile]) {
		return func(c *middleware.Config[profile]) { c.Issuer, c.Secret, c.PreviousSecrets = issuer, current, previous }
	}
	given := func(keys ...ed25519.PrivateKey) func(*middleware.Config[profile]) {
		return func(c *middleware.Config[profile]) { c.Issuer, c.ServiceKeys = issuer, keys }
	}
	key := func(seed string) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte(seed), 32)) }
	for name, steps := range map[string][]func(*middleware.Config[profile]){
		"derived": {secrets(old), secrets(old, next), secrets(next, old), secrets(next)},
		"given":   {given(key("a")), given(key("a"), key("b")), given(key("b"), key("a")), given(key("b"))},
	} {
		var tokens []string
		var sets []map[string]ed25519.PublicKey
		for _, step := range steps {
			a := newApp(t, step)
			token, err := tokenFor(newBrowser(t, a).signIn("u1"), "orders", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			_, keys := jwks(t, a)
			tokens, sets = append(tokens, token), append(sets, keys)
		}
		for i, n := range []int{1, 2, 2, 1} {
			if len(sets[i]) != n {
				t.Errorf("%s: step %d publishes %d keys", name, i, len(sets[i]))
			}
			// A service may have the keys of one step before or after that of the token.
			for j := max(0, i-1); j <= min(i+1, len(sets)-1); j++ {
				if !verifies(t, tokens[i], sets[j]) {
					t.Errorf("%s: the keys of step %d do not verify a token of step %d", name, j, i)
				}
			}
		}
		if verifies(t, tokens[0], sets[3]) {
			t.Errorf("%s: a token of the removed key is verified", name)
		}
	}
}

func TestJWKSMayBeCached(t *testing.T) {
	t.Parallel()
	a := newApp(t, issuing)
	resp, keys := jwks(t, a)
	if len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
	}
	for name, value := range map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300",
		"X-Content-Type-Options": "nosniff", "Vary": "", "Set-Cookie": "",
	} {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	r := newBrowser(t, a).signIn("u1").request("GET", "/api/auth/jwks.json", nil)
	r.Header.Set("If-None-Match", resp.Header.Get("ETag"))
	r.Header.Set("Origin", "https://elsewhere.example")
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("known keys: %d %v", w.Code, w.Header())
	}
	if resp, _ := jwks(t, newApp(t, nil)); resp.StatusCode != http.StatusNotFound {
		t.Errorf("without an issuer: %d", resp.StatusCode)
	}
}

func TestNewChecksIssuerAndServiceKeys(t *testing.T) {
	t.Parallel()
	good := ed25519.NewKeyFromSeed(bytes.Repeat([]byte("k"), 32))
	bad := bytes.Clone(good)
	bad[len(bad)-1] ^= 1
	for name, c := range map[string]struct {
		issuer string
		keys   []ed25519.PrivateKey
		want   string
	}{
		"good":               {issuer, []ed25519.PrivateKey{good}, ""},
		"a name":             {"app", nil, ""},
		"a space":            {"the app", nil, "Issuer"},
		"keys and no issuer": {"", []ed25519.PrivateKey{good}, "without Issuer"},
		"a short key":        {issuer, []ed25519.PrivateKey{good[:32]}, "32 bytes"},
		"half of another":    {issuer, []ed25519.PrivateKey{bad}, "public half"},
		"the same twice":     {issuer, []ed25519.PrivateKey{good, good}, "the same"},
	} {
		_, err := middleware.New(middleware.Config[profile]{
			Secret: bytes.Repeat([]byte("s"), 32), Store: &fakeStore{}, LoadUser: noUser, Issuer: c.issuer, ServiceKeys: c.keys,
		})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
