package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/html"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// maxPageBytes bounds what is read of a page.
const maxPageBytes = 8 << 20

// Page is what a program needs of an HTML page of the app.
type Page struct {
	// Data is the page data: the app's own members and, under "_lucia", the
	// session. It is nil where the page has none.
	Data map[string]json.RawMessage
	// ExpiresIn is how long the page's access token lived when the page was
	// made, in whole seconds; 0 without a session.
	ExpiresIn time.Duration
	// SessionID is the session's id, "" without a session.
	SessionID string
	// Forms are the page's forms, in order.
	Forms []Form
}

// ReadPage reads an HTML page. It returns an error where reading fails and where
// the page is longer than 8 MiB; a page without page data or forms is fine, and
// page data that are not a JSON object are none.
func ReadPage(r io.Reader) (*Page, error) {
	limited := &io.LimitedReader{R: r, N: maxPageBytes + 1}
	p := newPageReader(html.NewTokenizer(limited))
	for p.err == nil {
		p.next()
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("client: page of more than %d bytes", maxPageBytes)
	}
	if !errors.Is(p.err, io.EOF) {
		return nil, fmt.Errorf("client: page: %w", p.err)
	}
	return p.page, nil
}

// pageSession returns the session of the page's data, nil where there is none.
func pageSession[U any](p *Page, sent time.Time) (*session.Session[U], error) {
	return wireSession[U](p.Data[wire.FormField], p.SessionID, sent, p.ExpiresIn)
}

// wireSession builds a session from its form in page data and in the answer of
// the session route. It returns nil for null.
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
	if err := session.CheckUserID(s.User.ID); err != nil {
		return nil, err
	}
	var life time.Duration
	if s.AccessToken != "" {
		p, err := readPayload[U](s.AccessToken)
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
