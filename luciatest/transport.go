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

// Transport returns an http.RoundTripper that hands requests to the handler, in
// the caller's goroutine and without a network, so that it works in a bubble of
// testing/synctest. It is what a [Browser] uses; package client takes it, too.
//
// The handler is given what net/http's server makes of a request over HTTP/1.1, with
// a context that ends with the client's or when the handler returns and has none of
// its values; r.TLS is set where the address is https. What it answers has the
// Content-Type that a server finds out where the handler names none, but no Date and
// no Content-Length of a server's own. Limits on the size of headers, trailers, and
// bodies of another length than they say are left to a real server.
//
// The answer is complete when RoundTrip returns: a handler that streams without
// end, or hijacks the connection, needs httptest.Server and [NewBrowserAt].
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

// serve calls the handler. A handler that gives up with http.ErrAbortHandler
// looks to the client as it does over a network; every other panic is the
// test's.
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

// clientAddr is where requests come from, as httptest.NewRequest has it: an
// address for documentation (RFC 5737).
const clientAddr = "192.0.2.1:1234"

// serverRequest is the client's request as a server reads it. The head goes the
// way that it goes over a network, through net/http; the body is handed over.
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
	handOver(req, r)
	r.RemoteAddr = clientAddr
	if req.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: serverName(req.URL.Hostname())}
	}
	return r, nil
}

// handOver gives the server's request the body of the client's, and says how long
// it is as a client does.
func handOver(req, r *http.Request) {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return // the head has said so
	case req.ContentLength > 0:
		r.ContentLength = req.ContentLength
		r.Header.Set("Content-Length", strconv.FormatInt(req.ContentLength, 10))
	default:
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		r.Header.Del("Content-Length")
	}
	r.Body = req.Body
}

// serverName is what a TLS client says of the host that it wants: names only (RFC
// 6066, section 3).
func serverName(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}
