package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
)

// reach records whether requests for the routes below the base path reach the middleware. A router
// that runs middleware only for its own routes (chi's Group, gorilla/mux, gin's groups) responds to
// them with 404, and a CSRF check around the middleware refuses them. Pages then no longer keep
// themselves signed in, and no other error shows it.
type reach struct {
	seen    atomic.Bool // a request for a route has arrived
	watched atomic.Bool // a page relies on the routes
	probe   atomic.Pointer[probe]
}

// probe is a request for a route, derived from the first page navigation.
type probe struct {
	server  *http.Server
	request *http.Request
}

// probeAfter is how long browsers have to request the script of the first page.
const probeAfter = time.Second

// prepareProbe derives the probe from the first page navigation. It is called before the app's
// handler runs, because the handler may change the request's header while page data is rendered.
func (a *Auth[U]) prepareProbe(page *http.Request) {
	if a.reach.probe.Load() != nil || a.reach.seen.Load() {
		return
	}
	server, ok := page.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || !isNavigation(page) { // a test without a server, or no page
		return
	}
	a.reach.probe.CompareAndSwap(nil, &probe{server, a.newProbeRequest(server, page)})
}

// watchRoutes is called for a page with the script. If no browser requests one of the routes within
// a second of the first such page, it requests one itself, from the server that served the page. It
// does so once per Auth, and not if the server is shut down before.
func (a *Auth[U]) watchRoutes() {
	p := a.reach.probe.Load()
	if p == nil || a.reach.seen.Load() || a.reach.watched.Swap(true) {
		return
	}
	r := p.request
	timer := time.AfterFunc(probeAfter, func() {
		if a.reach.seen.Load() {
			return
		}
		status := sendProbe(p.server, r)
		if !a.reach.seen.Load() {
			a.logger().Warn("lucia: requests for the middleware's routes do not reach it, so pages do not keep themselves signed in: "+
				"use it around the whole app and before any CSRF check, or mount its routes",
				slog.String("path", r.URL.Path), slog.Int("status", status))
		}
	})
	p.server.RegisterOnShutdown(func() { timer.Stop() })
}

// newProbeRequest returns a request for the refresh route as the script of a page would send it,
// but without credentials, so that the route refuses it without accessing the store.
func (a *Auth[U]) newProbeRequest(server *http.Server, page *http.Request) *http.Request {
	ctx := context.WithValue(context.Background(), http.ServerContextKey, server)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, page.Context().Value(http.LocalAddrContextKey))
	path := a.config.BasePath + wire.RouteRefresh
	r := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: path}, RequestURI: path, Host: page.Host,
		Proto: page.Proto, ProtoMajor: page.ProtoMajor, ProtoMinor: page.ProtoMinor,
		Header: page.Header.Clone(), Body: http.NoBody, RemoteAddr: page.RemoteAddr, TLS: page.TLS,
	}).WithContext(ctx)
	for _, name := range [...]string{"Cookie", "Origin", "Content-Type", "Content-Length", "Upgrade", "Connection"} {
		r.Header.Del(name)
	}
	if _, presented := bearer(r); presented {
		r.Header.Del("Authorization")
	}
	r.Header.Set("Accept", "*/*")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	return r
}

// sendProbe passes r to the server's handler and returns the status of the response, or 0 if the
// handler panics.
func sendProbe(server *http.Server, r *http.Request) int {
	defer func() { _ = recover() }() // the next page will cause the same panic in the app's handler
	handler := server.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	w := probeResponse{header: http.Header{}, status: http.StatusOK}
	handler.ServeHTTP(&w, r.WithContext(ctx))
	return w.status
}

// probeResponse is the response to a probe. It keeps only the status.
type probeResponse struct {
	header http.Header
	status int
}

func (w *probeResponse) Header() http.Header { return w.header }

func (w *probeResponse) Write(b []byte) (int, error) { return len(b), nil }

func (w *probeResponse) WriteHeader(status int) { w.status = status }
