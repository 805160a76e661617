package middleware

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/lucia-go/lucia/session"
)

// TokenFor returns a token with which another service recognizes the user of the request that ctx
// belongs to. audience names the service, which must accept no other audience; it is a name
// without white space, or a URI. ttl is whole seconds, at least one and at most Config.AccessTTL,
// since other services do not learn when the session ends. The token does not outlive the latest
// end that the session can have. A handler requests a token whenever it calls the service, and
// sends it as "Authorization: Bearer" (RFC 6750).
//
// The token is an OAuth access token (RFC 9068): a JWT with typ at+jwt, signed with Ed25519, with
// the claims iss, sub (the user's id), aud, client_id (as iss), sid (the session's id), auth_time,
// iat, exp and jti, and act.sub (RFC 8693) if someone acts as the user. The service verifies it
// with the keys at the route jwks.json below Config.BasePath, and checks typ, iss and aud. This
// library accepts no such token, and no service that checks the signature accepts one of this
// library's own access tokens.
//
// TokenFor does not access the store. It may be called by any goroutine as long as the request's
// access token is valid. Errors carry session.CodeNotAuthenticated if the request has no session,
// and session.CodeInvalidAccessToken if its access token has expired or this process has ended the
// session. Other errors are mistakes of the app: Config.Issuer is empty, or audience or ttl is
// invalid.
func (a *Auth[U]) TokenFor(ctx context.Context, audience string, ttl time.Duration) (string, error) {
	s := a.stateIn(ctx)
	if s == nil {
		return "", session.CodeNotAuthenticated
	}
	now := s.current.Load().sessionOrNil()
	if now == nil {
		return "", session.CodeNotAuthenticated
	}
	return a.engine.TokenFor(*now, audience, ttl)
}

// jwksCaching lets services and proxies keep the keys for five minutes. So every service has a key
// that was published an hour before it signs.
const jwksCaching = "public, max-age=300"

// serveJWKS serves GET jwks.json. It responds with 404 if the app issues no tokens for other
// services.
func (a *Auth[U]) serveJWKS(w http.ResponseWriter, r *http.Request) {
	set := a.engine.ServiceKeys()
	if set == nil {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(set)
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", jwksCaching)
	h.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(set))
}
