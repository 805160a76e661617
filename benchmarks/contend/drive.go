package contend

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// Driver sends requests to one app one after the other, rotating over its users, with as little
// overhead as possible.
type Driver struct {
	handler http.Handler
	cookies []string     // nil for none
	fresh   http.Request // the initial request; some libraries modify theirs
	request *http.Request
	answer  answer
	next    int
}

// NewDriver returns a driver for handler. accept is the Accept header.
func NewDriver(handler http.Handler, cookies []string, accept string) *Driver {
	r := httptest.NewRequest("GET", Path, nil)
	r.Header = http.Header{
		"Accept":          {accept},
		"Accept-Encoding": {"gzip, deflate, br"},
		"Accept-Language": {"en"},
		"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
	}
	if cookies != nil {
		r.Header["Cookie"] = make([]string, 1)
	}
	return &Driver{handler: handler, cookies: cookies, fresh: *r, request: r, answer: answer{header: http.Header{}}}
}

// Skip makes the driver start n requests later.
func (d *Driver) Skip(n int) *Driver {
	d.next = n
	return d
}

// Run sends n requests.
func (d *Driver) Run(n int) {
	for range n {
		d.answer.reset()
		*d.request = d.fresh
		if d.cookies != nil {
			d.request.Header["Cookie"][0] = d.cookies[d.next%len(d.cookies)]
		}
		d.next++
		d.handler.ServeHTTP(&d.answer, d.request)
		if d.answer.status != http.StatusOK {
			// The cost of a failure is meaningless.
			panic(fmt.Sprintf("contend: status %d", d.answer.status))
		}
	}
}

// Check sends the request of every user and reports an answer that does not name that
// user. For a bare handler every answer is the first user's.
func (d *Driver) Check(bare bool) error {
	var body bytes.Buffer
	d.answer.body = &body
	defer func() { d.answer.body = nil }()
	for i := range d.cookies {
		body.Reset()
		want := Name(i)
		if bare {
			want = Name(0)
		}
		d.next = i
		d.Run(1)
		if !strings.Contains(body.String(), want) {
			return fmt.Errorf("user %d: page says %q, want %q", i, body.String(), want)
		}
	}
	return nil
}

// answer is a ResponseWriter that keeps only its header, and the body if there is a buffer for
// it.
type answer struct {
	header http.Header
	status int
	body   *bytes.Buffer
}

func (a *answer) reset() {
	clear(a.header)
	a.status = http.StatusOK
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(b []byte) (int, error) {
	if a.body != nil {
		a.body.Write(b)
	}
	return len(b), nil
}

func (a *answer) WriteString(s string) (int, error) {
	if a.body != nil {
		a.body.WriteString(s)
	}
	return len(s), nil
}
