package nethttp_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/lucia-go/lucia/adapters/internal/adaptertest"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/session"
)

// build builds the app's routes on a ServeMux.
func build(app adaptertest.App) *http.ServeMux { return buildBehind(app, nethttp.Require(app.Auth)) }

// buildBehind builds the routes with another middleware in place of Require.
func buildBehind(app adaptertest.App, require func(http.Handler) http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range app.Routes {
		var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			route.Handler(adaptertest.Call{W: w, R: r, Session: func() *session.Session[adaptertest.Profile] {
				return app.Auth.Session(r.Context())
			}})
		})
		if route.Require {
			h = require(h)
		}
		if route.Recent {
			h = app.Auth.RequireRecent(adaptertest.RecentAge)(h)
		}
		mux.Handle(route.Path, h)
	}
	return mux
}

// wrapped has the middleware around the mux.
func wrapped(app adaptertest.App) http.Handler {
	return around(app, nethttp.Wrap(app.Auth, build(app)))
}

// around wraps h in what the app requires. net/http itself can skip requests only by Config.Skip or
// by not wrapping them.
func around(app adaptertest.App, h http.Handler) http.Handler {
	if app.Skip != nil {
		wrapped, bare := h, build(app)
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if app.Skip(r) {
				bare.ServeHTTP(w, r)
				return
			}
			wrapped.ServeHTTP(w, r)
		})
	}
	if app.Recover {
		return recovering(h)
	}
	return h
}

func recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, http.StatusText(500), 500)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// chained has the middleware in the chain of a router such as chi: functions of type
// func(http.Handler) http.Handler, applied one around the other.
func chained(app adaptertest.App) http.Handler {
	var h http.Handler = build(app)
	use := []func(http.Handler) http.Handler{recovering, app.Auth.Handler}
	for i := range use {
		h = use[len(use)-1-i](h)
	}
	return around(app, h)
}

// mounted adds the routes to the mux and has no middleware around it.
func mounted(app adaptertest.App) http.Handler {
	mux := build(app)
	nethttp.Mount(mux, app.Auth)
	return mux
}

// mountedBeside adds the routes next to catch-all routes such as apps have.
func mountedBeside(patterns ...string) adaptertest.Harness {
	return func(app adaptertest.App) http.Handler {
		mux := http.NewServeMux()
		nethttp.Mount(mux, app.Auth)
		for _, pattern := range patterns {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "caught") })
		}
		return mux
	}
}

// subRouter has the app below another router, which strips its prefix, and the routes where pages
// request them.
func subRouter(app adaptertest.App) http.Handler {
	below := http.NewServeMux()
	below.Handle("/app/", http.StripPrefix("/app", build(app)))
	below.HandleFunc("/", http.NotFound)
	return nethttp.Wrap(app.Auth, below)
}

// caught has a catch-all route, and another one below /api.
func caught(app adaptertest.App) http.Handler {
	mux := build(app)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "caught") })
	mux.HandleFunc("GET /api/{rest...}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "caught") })
	return nethttp.Wrap(app.Auth, mux)
}

// bare has no middleware.
func bare(app adaptertest.App) http.Handler {
	return buildBehind(app, func(h http.Handler) http.Handler { return h })
}

func TestNetHTTP(t *testing.T) { adaptertest.Run(t, wrapped) }

func TestChain(t *testing.T) { adaptertest.Run(t, chained) }

func TestRoutesAnswerInEverySetup(t *testing.T) {
	for name, h := range map[string]adaptertest.Harness{
		"mounted": mounted, "mounted beside GET /": mountedBeside("GET /"),
		"mounted beside / and others": mountedBeside("/", "GET /{$}", "GET /{page}", "POST /api/{rest...}"),
		"beside a catch-all":          caught, "above a sub-router": subRouter,
	} {
		t.Run(name, func(t *testing.T) { adaptertest.Routes(t, h) })
	}
}

func TestHostile(t *testing.T) { adaptertest.Hostile(t, wrapped) }

func TestAllocations(t *testing.T) { adaptertest.Allocs(t, wrapped, bare) }

func TestConcurrentReads(t *testing.T) { adaptertest.ConcurrentReads(t, wrapped) }

func TestInChromium(t *testing.T) { adaptertest.Chromium(t, wrapped) }
