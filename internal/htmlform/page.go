// Package htmlform reads the parts of an app's HTML page that a program needs: its forms, as a
// browser would submit them, and lucia's page data. The Go client and package luciatest share it.
package htmlform

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/html"
)

// maxPageBytes limits what is read of a page.
const maxPageBytes = 8 << 20

// Page is the part of an HTML page that a program needs.
type Page struct {
	// Data is the page data: the app's own members and, under "_lucia", the session. It is nil if
	// the page has none.
	Data map[string]json.RawMessage
	// ExpiresIn is how long the page's access token was valid when the page was made, in whole
	// seconds. It is 0 without a session.
	ExpiresIn time.Duration
	// SessionID is the session's id, "" without a session.
	SessionID string
	// Forms are the page's forms, in order.
	Forms []Form
}

// Read reads an HTML page. It returns an error if reading fails or the page is longer than 8 MiB. A
// page may have no page data and no forms. Page data that is not a JSON object is ignored.
func Read(r io.Reader) (*Page, error) {
	limited := &io.LimitedReader{R: r, N: maxPageBytes + 1}
	p := newPageReader(html.NewTokenizer(limited))
	for p.err == nil {
		p.next()
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("htmlform: page of more than %d bytes", maxPageBytes)
	}
	if !errors.Is(p.err, io.EOF) {
		return nil, fmt.Errorf("htmlform: page: %w", p.err)
	}
	return p.page, nil
}
