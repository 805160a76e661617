package luciatest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
)

// Transport returns an http.RoundTripper that passes requests to the handler, in the caller's
// goroutine and without a network, so that it works in a bubble of testing/synctest. [Browser]
// uses it, and package client can use it, too.
//
// The handler gets what net/http's server makes of a request over HTTP/1.1. Its context is
// cancelled with the client's and when the handler returns, and has none of the client's values.
// r.TLS is set for https. If the handler does not set a Content-Type, the answer has the one
// that a server would detect. The answer has neither a Date nor a Content-Length that the
// handler did not set. Transport simulates neither limits on the size of headers, nor trailers,
// nor bodies whose length differs from the declared one; these need a real server.
//
// The answer is complete when RoundTrip returns. A handler that streams without an end or hijacks
// the connection needs httptest.Server and [NewBrowserAt].
func Transport(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	r, err := serverRequest(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := context.AfterFunc(req.Context(), cancel)
	defer stop()
	a := newAnswer()
	if err := t.serve(a, r.WithContext(ctx)); err != nil {
		return nil, err
	}
	return a.response(req), nil
}

// serve calls the handler. If the handler panics with http.ErrAbortHandler, the client gets an
// error, as over a network. Other panics pass to the test.
func (t transport) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p, ok := p.(error); ok && errors.Is(p, http.ErrAbortHandler) {
				err = fmt.Errorf("luciatest: connection closed: %w", p)
				return
			}
			panic(p)
		}
	}()
	t.handler.ServeHTTP(w, r)
	return nil
}

// clientAddr is the address of the client, as in httptest.NewRequest. It is reserved for
// documentation (RFC 5737).
const clientAddr = "192.0.2.1:1234"

// serverRequest returns the request as a server reads it. net/http writes and reads the head, as
// over a network. The body is passed on unchanged.
func serverRequest(req *http.Request) (*http.Request, error) {
	head := *req
	head.Body, head.ContentLength = nil, 0
	var wire bytes.Buffer
	if err := head.Write(&wire); err != nil {
		return nil, fmt.Errorf("luciatest: %w", err)
	}
	r, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, fmt.Errorf("luciatest: %w", err)
	}
	passBody(req, r)
	r.RemoteAddr = clientAddr
	if req.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: serverName(req.URL.Hostname())}
	}
	return r, nil
}

// passBody gives the server's request the body of the client's request, with the length that the
// client declares.
func passBody(req, r *http.Request) {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return // the head already declares no body
	case req.ContentLength > 0:
		r.ContentLength = req.ContentLength
		r.Header.Set("Content-Length", strconv.FormatInt(req.ContentLength, 10))
	default:
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		r.Header.Del("Content-Length")
	}
	r.Body = req.Body
}

// serverName returns the server name that a TLS client sends, which is never an address (RFC
// 6066, section 3).
func serverName(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}
