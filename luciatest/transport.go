package luciatest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

// Transport returns an http.RoundTripper that hands requests to the handler, in
// the caller's goroutine and without a network, so that it works in a bubble of
// testing/synctest. It is what a [Browser] uses; package client takes it, too.
//
// The answer is complete when RoundTrip returns: a handler that streams without
// end, or hijacks the connection, needs httptest.Server and [NewBrowserAt].
func Transport(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	if err := t.serve(w, serverRequest(req)); err != nil {
		return nil, err
	}
	resp = w.Result()
	if req.Method == http.MethodHead {
		resp.Body = http.NoBody // as over a network, whatever the handler wrote
	}
	resp.Request = req
	return resp, nil
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

// serverRequest is the client's request as a server sees it.
func serverRequest(req *http.Request) *http.Request {
	body := req.Body
	if body == nil {
		body = http.NoBody
	}
	u := *req.URL
	u.Fragment, u.RawFragment = "", ""
	r := httptest.NewRequestWithContext(req.Context(), req.Method, u.String(), io.Reader(body))
	r.ContentLength = req.ContentLength
	r.Header = req.Header.Clone()
	if req.Host != "" {
		r.Host = req.Host
	}
	return r
}
