package frameworks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
)

const (
	issuer   = "https://app.example.com"
	audience = "https://orders.example.com"
)

// ask and userOf are code of docs/services.md. TestDocumentedCodeCompiles compares them.
func ask(auth *lucia.Auth[user], w http.ResponseWriter, r *http.Request, orders *http.Request) {
	token, err := auth.TokenFor(r.Context(), "https://orders.example.com", time.Minute)
	if err != nil {
		lucia.Error(w, r, err)
		return
	}
	orders.Header.Set("Authorization", "Bearer "+token)
}

// userOf returns the user of a token that the app has issued for this service.
func userOf(token string, keys keyfunc.Keyfunc) (userID string, err error) {
	var claims jwt.RegisteredClaims
	t, err := jwt.ParseWithClaims(token, &claims, keys.Keyfunc,
		jwt.WithValidMethods([]string{"EdDSA"}),
		jwt.WithIssuer("https://app.example.com"),
		jwt.WithAudience("https://orders.example.com"),
		jwt.WithExpirationRequired())
	if err != nil {
		return "", err
	}
	if t.Header["typ"] != "at+jwt" {
		return "", fmt.Errorf("a token of type %v", t.Header["typ"])
	}
	return claims.Subject, nil
}

// verifier verifies a token as another service does, and returns the user.
type verifier func(token string) (user string, err error)

// byKeyfunc verifies with golang-jwt, which gets the keys by keyfunc.
func byKeyfunc(ctx context.Context, jwks string) (verifier, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{jwks})
	if err != nil {
		return nil, err
	}
	return func(token string) (string, error) { return userOf(token, keys) }, nil
}

// byJOSE verifies with go-jose, which shares no code with golang-jwt.
func byJOSE(_ context.Context, jwks string) (verifier, error) {
	resp, err := http.Get(jwks)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		return nil, err
	}
	return func(token string) (string, error) {
		t, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			return "", err
		}
		if typ := t.Headers[0].ExtraHeaders[jose.HeaderType]; typ != "at+jwt" {
			return "", fmt.Errorf("a token of type %v", typ)
		}
		var claims josejwt.Claims
		if err := t.Claims(&set, &claims); err != nil {
			return "", err
		}
		return claims.Subject, claims.Validate(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}})
	}, nil
}

// TestOtherServicesVerifyTokens checks that other libraries verify tokens of Auth.TokenFor with the
// keys that the app publishes.
func TestOtherServicesVerifyTokens(t *testing.T) {
	t.Parallel()
	auth, err := lucia.New(lucia.Config[user]{
		Secret:          bytes.Repeat([]byte("s"), 32),
		PreviousSecrets: [][]byte{bytes.Repeat([]byte("p"), 32)},
		Store:           memstore.New(),
		LoadUser:        func(_ context.Context, id string) (user, error) { return user{"name of " + id}, nil },
		Dev:             true,
		Issuer:          issuer,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", handlersOf(auth).login)
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		orders, _ := http.NewRequest("GET", audience, nil)
		ask(auth, w, r, orders)
		io.WriteString(w, strings.TrimPrefix(orders.Header.Get("Authorization"), "Bearer "))
	})
	mux.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth.TokenFor(r.Context(), "billing", time.Minute)
		io.WriteString(w, token)
	})
	mux.HandleFunc("GET /access", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, string(auth.Session(r.Context()).AccessToken))
	})
	v := visit(t, nethttp.Wrap(auth, mux))
	v.do("POST", "/login")
	get := func(path string) string {
		_, body := v.do("GET", path)
		return body
	}
	good, elsewhere, own := get("/token"), get("/elsewhere"), get("/access")
	for name, by := range map[string]func(context.Context, string) (verifier, error){"keyfunc": byKeyfunc, "go-jose": byJOSE} {
		verify, err := by(t.Context(), v.url+"/api/auth/jwks.json")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if user, err := verify(good); err != nil || user != "u1" {
			t.Errorf("%s: user %q, error %v, want u1", name, user, err)
		}
		for what, token := range map[string]string{
			"for another service": elsewhere,
			"of a session":        own,
			"changed":             good[:len(good)-5] + "AAAA" + good[len(good)-1:],
			"cut":                 good[:len(good)-3],
		} {
			if user, err := verify(token); err == nil {
				t.Errorf("%s: a token %s is accepted for %q", name, what, user)
			}
		}
	}
}
