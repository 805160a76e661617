package engine

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// serviceKeys signs the tokens for other services and publishes the keys that verify them. The
// keys are asymmetric, so that a service which verifies tokens cannot issue them.
type serviceKeys struct {
	sign   ed25519.PrivateKey
	header string // the JWT header segment of the tokens that sign signs
	set    []byte // the JWK set
}

// jwk is an Ed25519 public key (RFC 8037, section 2).
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

func jwkOf(key ed25519.PublicKey) jwk {
	x := base64.RawURLEncoding.EncodeToString(key)
	// The key id is the thumbprint (RFC 7638): the SHA-256 of the required members in this order.
	thumb := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return jwk{"OKP", "Ed25519", x, base64.RawURLEncoding.EncodeToString(thumb[:]), "sig", "EdDSA"}
}

// serviceKeys returns the given keys, or else keys derived from the secrets. The first one signs.
func (c Config[U]) serviceKeys() (serviceKeys, error) {
	if c.Issuer == "" {
		return serviceKeys{}, nil
	}
	keys := c.ServiceKeys
	if len(keys) == 0 {
		for _, secret := range append([][]byte{c.Secret}, c.PreviousSecrets...) {
			seed, err := derive(secret, "service")
			if err != nil {
				return serviceKeys{}, err
			}
			keys = append(keys, ed25519.NewKeyFromSeed(seed))
		}
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	for _, key := range keys {
		set.Keys = append(set.Keys, jwkOf(key.Public().(ed25519.PublicKey)))
	}
	header, _ := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{"EdDSA", set.Keys[0].Kid, "at+jwt"})
	s := serviceKeys{sign: keys[0], header: base64.RawURLEncoding.EncodeToString(header)}
	var err error
	s.set, err = json.Marshal(set)
	return s, err
}

// validateIssuer checks Issuer and ServiceKeys.
func (c Config[U]) validateIssuer() error {
	switch {
	case c.Issuer == "" && len(c.ServiceKeys) > 0:
		return errors.New("lucia: ServiceKeys is set without Issuer")
	case c.Issuer != "" && !isIdentifier(c.Issuer):
		return fmt.Errorf("lucia: Issuer %q is not a name or a URI", c.Issuer)
	}
	for i, key := range c.ServiceKeys {
		if len(key) != ed25519.PrivateKeySize {
			return fmt.Errorf("lucia: ServiceKeys[%d] has %d bytes, want %d as ed25519.GenerateKey returns", i, len(key), ed25519.PrivateKeySize)
		}
		if !key.Equal(ed25519.NewKeyFromSeed(key.Seed())) {
			return fmt.Errorf("lucia: ServiceKeys[%d] has a public half that does not belong to its private half", i)
		}
		for j, other := range c.ServiceKeys[:i] {
			if key.Equal(other) {
				return fmt.Errorf("lucia: ServiceKeys[%d] and [%d] are the same", j, i)
			}
		}
	}
	return nil
}

// ServiceKeys returns the public keys that verify tokens for other services, as a JWK set (RFC
// 7517, section 5), or nil if there is no issuer. The caller must not modify the result.
func (e *Engine[U]) ServiceKeys() []byte { return e.service.set }

// serviceClaims are the claims of a token for another service (RFC 9068, section 2.2). The app is
// its own OAuth client, hence client_id.
type serviceClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Client   string `json:"client_id"`
	Session  string `json:"sid"`
	AuthTime int64  `json:"auth_time,omitempty"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`

	Actor *actorClaim `json:"act,omitempty"`
}

// actorClaim names the actor, who acts as the user (RFC 8693, section 4.1).
type actorClaim struct {
	Subject string `json:"sub"`
}

// TokenFor returns a token with which another service recognizes the session's user. It is valid
// for ttl, but not longer than the session may live. Errors carry CodeInvalidAccessToken if the
// session has expired or this process has ended it. An error has no code if there is no issuer, or
// if audience or ttl is invalid.
func (e *Engine[U]) TokenFor(s Session[U], audience string, ttl time.Duration) (string, error) {
	if err := e.checkTokenFor(audience, ttl); err != nil {
		return "", err
	}
	now := time.Now()
	if now.After(s.ExpiresAt.Add(e.config.leeway())) {
		return "", accessErrors.expired
	}
	if e.revocations.ended(s.User.ID, s.ID, s.IssuedAt.Unix()) {
		return "", accessErrors.revoked
	}
	claims := serviceClaims{
		Issuer:   e.config.Issuer,
		Subject:  s.User.ID,
		Audience: audience,
		Client:   e.config.Issuer,
		Session:  s.ID.String(),
		IssuedAt: now.Unix(),
		Expires:  now.Add(ttl).Unix(),
		ID:       NewID().String(),
	}
	if !s.AuthTime.IsZero() {
		claims.AuthTime = s.AuthTime.Unix()
		claims.Expires = min(claims.Expires, s.AuthTime.Add(e.config.Lifetime).Unix())
	}
	if !s.EndsBy.IsZero() {
		claims.Expires = min(claims.Expires, s.EndsBy.Unix())
	}
	if s.Actor != nil {
		claims.Actor = &actorClaim{s.Actor.ID}
	}
	if claims.Expires <= claims.IssuedAt {
		return "", accessErrors.expired
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := e.service.header + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := jwt.SigningMethodEdDSA.Sign(signed, e.service.sign)
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func (e *Engine[U]) checkTokenFor(audience string, ttl time.Duration) error {
	switch {
	case e.config.Issuer == "":
		return errors.New("lucia: tokens for other services need Config.Issuer")
	case !isIdentifier(audience):
		return fmt.Errorf("lucia: audience %q is not a name or a URI", audience)
	case ttl < time.Second || ttl > e.config.AccessTTL:
		return fmt.Errorf("lucia: a token for another service cannot live for %v, want a second to AccessTTL (%v)", ttl, e.config.AccessTTL)
	}
	return nil
}

// maxIdentifierBytes bounds issuers and audiences.
const maxIdentifierBytes = 256

// isIdentifier reports whether s is a StringOrURI (RFC 7519, section 2): any text, but a URI if it
// contains a colon. White space and control characters are not accepted.
func isIdentifier(s string) bool {
	if s == "" || len(s) > maxIdentifierBytes || !utf8.ValidString(s) {
		return false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme != "" || !strings.Contains(s, ":"))
}
