package client

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/lucia-go/lucia/internal/htmlform"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// pageSession returns the session of a page's data, or nil if the page has none.
func pageSession[U any](p *htmlform.Page, sent time.Time) (*session.Session[U], error) {
	return wireSession[U](p.Data[wire.FormField], p.SessionID, sent, p.ExpiresIn)
}

// wireSession builds a session from the JSON of page data or of an answer of the session route.
// It returns nil for null.
func wireSession[U any](lucia json.RawMessage, id string, sent time.Time, expiresIn time.Duration) (*session.Session[U], error) {
	if len(lucia) == 0 || string(lucia) == "null" {
		return nil, nil
	}
	s := new(session.Session[U])
	err := wire.Members(lucia, map[string]any{
		"user":          &s.User,
		"access_token":  &s.AccessToken,
		"refresh_token": &s.RefreshToken,
	})
	if err != nil {
		return nil, err
	}
	if err := checkWire(s); err != nil {
		return nil, err
	}
	var life time.Duration
	if s.AccessToken != "" {
		p, err := readPayload(s.AccessToken)
		if err != nil {
			return nil, err
		}
		s.Generation, life = p.Generation, p.life()
		if p.SessionID != "" {
			id = p.SessionID
		}
	}
	if s.ID, err = session.ParseID(id); err != nil {
		return nil, err
	}
	setLife(s, sent, expiresIn, life)
	return s, nil
}

// checkWire returns an error if the user id of a session that the client has read is invalid, or if
// a token cannot be sent. Every later request with such a token would fail, the refresh included.
func checkWire[U any](s *session.Session[U]) error {
	if !isToken(string(s.AccessToken)) || !isToken(string(s.RefreshToken)) {
		return errors.New("a token is malformed")
	}
	return session.CheckUserID(s.User.ID)
}
