package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// payload is what the client reads of an access token. The client does not verify it. It relies
// on the connection to the server that it chose.
type payload struct {
	SessionID  string // "" if the token does not name it
	Generation session.Generation
	IssuedAt   int64
	ExpiresAt  int64
}

// life returns how long the access token is valid in all.
func (p *payload) life() time.Duration {
	return time.Duration(min(max(p.ExpiresAt-p.IssuedAt, 0), wire.MaxExpiresIn)) * time.Second
}

// readPayload decodes the payload of an access token.
func readPayload(token session.AccessToken) (p payload, err error) {
	_, rest, _ := strings.Cut(string(token), ".")
	segment, _, ok := strings.Cut(rest, ".")
	if !ok {
		return p, errors.New("token is not a JWT")
	}
	data, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return p, fmt.Errorf("token: %w", err)
	}
	err = wire.Members(data, map[string]any{
		"sid": &p.SessionID,
		"gen": &p.Generation,
		"iat": &p.IssuedAt,
		"exp": &p.ExpiresAt,
	})
	if err != nil {
		return p, fmt.Errorf("token: %w", err)
	}
	return p, nil
}

// isToken reports whether s is empty or has the form of a bearer token (RFC 6750, section 2.1).
func isToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~+/=", c) >= 0:
		default:
			return false
		}
	}
	return true
}
