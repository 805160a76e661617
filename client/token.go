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
type payload[U any] struct {
	User       session.User[U]
	SessionID  string // "" if the token does not name it
	Generation session.Generation
	IssuedAt   int64
	ExpiresAt  int64
}

// life returns how long the access token is valid in all.
func (p *payload[U]) life() time.Duration {
	return time.Duration(min(max(p.ExpiresAt-p.IssuedAt, 0), wire.MaxExpiresIn)) * time.Second
}

// readPayload decodes the payload of an access token.
func readPayload[U any](token session.AccessToken) (p payload[U], err error) {
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
		"user": &p.User,
		"sid":  &p.SessionID,
		"gen":  &p.Generation,
		"iat":  &p.IssuedAt,
		"exp":  &p.ExpiresAt,
	})
	if err != nil {
		return p, fmt.Errorf("token: %w", err)
	}
	return p, nil
}

// sessionOf builds the session of new tokens. It follows prev, if that is not nil. A token
// without a session id belongs to prev.
func sessionOf[U any](r renewed, sent time.Time, prev *session.Session[U]) (*session.Session[U], error) {
	p, err := readPayload[U](r.access)
	if err != nil {
		return nil, err
	}
	if err := session.CheckUserID(p.User.ID); err != nil {
		return nil, err
	}
	var id session.ID
	switch {
	case p.SessionID != "":
		if id, err = session.ParseID(p.SessionID); err != nil {
			return nil, err
		}
	case prev != nil:
		id = prev.ID
	}
	s := &session.Session[U]{
		User:         p.User,
		AccessToken:  r.access,
		RefreshToken: r.refresh,
		ID:           id,
		Generation:   p.Generation,
	}
	setLife(s, sent, r.expiresIn, p.life())
	return s, nil
}
