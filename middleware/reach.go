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

// reach is what this process knows of whether the routes below the base path reach the
// middleware. A router that runs middleware for its own routes only (chi's Group,
// gorilla/mux, gin's groups) answers them 404, and a CSRF check around the middleware
// refuses them: pages then no longer keep themselves signed in, and nothing says so.
type reach struct {
	seen    atomic.Bool // a request for a route has come
	watched atomic.Bool // a page relies on the routes
}

// probeAfter is how long browsers have to ask for the script of the first page.
const probeAfter = time.Second

// watchRoutes is called for a page with the script. If none of the routes has been asked
// for a second after the first such page, it asks for one itself: once in the life of
// a, with a request to the server that the page came from.
func (a *Auth[U]) watchRoutes(page *http.Request) {
	if a.reach.seen.Load() || a.reach.watched.Swap(true) {
		return
	}
	server, ok := page.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return // a test without a server
	}
	r := a.probe(server, page)
	time.AfterFunc(probeAfter, func() {
		if a.reach.seen.Load() {
			return
		}
		status := sendProbe(server, r)
		if !a.reach.seen.Load() {
			a.logger().Warn("lucia: requests for the middleware's routes do not reach it, so pages do not keep themselves signed in: "+
				"use it around the whole app and before any CSRF check, or mount its routes",
				slog.String("path", r.URL.Path), slog.Int("status", status))
		}
	})
}

// probe returns a request for the refresh route as the script of a page would send it,
// but without anything that proves a session: the route refuses it and asks no store.
func (a *Auth[U]) probe(server *http.Server, page *http.Request) *http.Request {
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
	if _, ours := bearer(r); ours {
		r.Header.Del("Authorization")
	}
	r.Header.Set("Accept", "*/*")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	return r
}

// sendProbe has the server's handler answer r and returns the status of the answer, 0
// if it panics.
func sendProbe(server *http.Server, r *http.Request) int {
	defer func() { _ = recover() }() // the app's own, which the page that follows will meet as well
	handler := server.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	w := probed{header: http.Header{}, status: http.StatusOK}
	handler.ServeHTTP(&w, r.WithContext(ctx))
	return w.status
}

// probed is the answer to a probe. It keeps the status.
type probed struct {
	header http.Header
	status int
}

func (w *probed) Header() http.Header { return w.header }

func (w *probed) Write(b []byte) (int, error) { return len(b), nil }

func (w *probed) WriteHeader(status int) { w.status = status }
