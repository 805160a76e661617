package middleware_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// A call of Session with a context that is not the request's is logged once.
func TestLogSaysThatAContextIsNotTheRequests(t *testing.T) {
	t.Parallel()
	const line = "with a context that does not come from the middleware"
	for name, ask := range map[string]func(*app, context.Context){
		"Session": func(a *app, ctx context.Context) { a.auth.Session(ctx) },
		"Outcome": func(a *app, ctx context.Context) { a.auth.Outcome(ctx) },
	} {
		a := newApp(t, nil)
		newBrowser(t, a).navigate("/page")
		want(t, name+": lines behind the middleware", strings.Count(a.log.String(), line), 0)
		ask(a, t.Context())
		type key struct{}
		ask(a, context.WithValue(t.Context(), key{}, "x"))
		want(t, name+": lines without it", strings.Count(a.log.String(), line), 1)
	}
}

// A page that is rendered without the middleware says why it is that of a signed-out visitor. A
// page that the middleware has seen does not, whoever opens it.
func TestPagesSayThatTheirContextIsNotTheRequests(t *testing.T) {
	t.Parallel()
	const comment = "<!-- lucia: shown as to a signed-out visitor, because the context does not come from the middleware"
	parts := map[string]middleware.Component{
		"PageData": middleware.PageData, "DataBlock": middleware.DataBlock, "FormField": middleware.FormField,
	}
	for name, part := range parts {
		inside, skipped := "", ""
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.Skip = func(r *http.Request) bool { return r.URL.Path == "/skipped" }
		})
		a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/skipped" {
				skipped = string(part.HTML(r.Context()))
				return
			}
			inside = string(part.HTML(r.Context()))
		}))
		visitor := newBrowser(t, a)
		visitor.navigate("/page")
		visitor.navigate("/skipped")
		var written strings.Builder
		if err := part.Render(t.Context(), &written); err != nil {
			t.Error(err)
		}
		want(t, name+" behind the middleware", inside != "" && !strings.Contains(inside, "<!--"), true)
		for where, out := range map[string]string{
			"HTML": string(part.HTML(t.Context())), "Render": written.String(), "of a page that Skip names": skipped,
		} {
			want(t, name+" "+where, strings.Count(out, comment), 1)
			want(t, name+" "+where+": ends of comments", strings.Count(out, "-->"), 1)
		}
	}
	for name, part := range map[string]middleware.Component{"the zero Component": {}, "ScriptTag": middleware.ScriptTag} {
		want(t, name, strings.Contains(string(part.HTML(t.Context())), "<!--"), false)
	}
}

// nest puts one Auth around another one and renders a page inside.
func nest(t *testing.T, outer, inner func(*middleware.Config[profile])) (log string) {
	t.Helper()
	a, b := newApp(t, outer), newApp(t, inner)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.auth.Session(r.Context())
		b.auth.Session(r.Context())
		middleware.PageData.Render(r.Context(), w)
	})
	a.handler = a.auth.Handler(b.auth.Handler(page))
	for range 2 {
		newBrowser(t, a).navigate("/")
	}
	return a.log.String() + b.log.String()
}

func TestLogSaysThatTwoAuthsAreNested(t *testing.T) {
	t.Parallel()
	other := func(c *middleware.Config[profile]) { c.CookiePrefix, c.BasePath = "admin-", "/admin/auth" }
	log := nest(t, nil, other)
	if strings.Count(log, "two Auths around one request") != 1 || !strings.Contains(log, "page data") || strings.Contains(log, "level=ERROR") {
		t.Errorf("with names of their own:\n%s", log)
	}
	log = nest(t, nil, nil)
	if strings.Count(log, "two Auths around one request") != 1 || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "CookiePrefix") {
		t.Errorf("with the same names:\n%s", log)
	}
	a := newApp(t, nil)
	a.handler = a.auth.Handler(a.handler) // the same Auth twice
	newBrowser(t, a).signIn("u1")
	want(t, "the log of one Auth twice", a.log.String(), "")
}

// served serves the app and returns what is logged within a minute of its first page.
func served(t *testing.T, build func(a *app, page http.Handler) http.Handler) (log string, requests int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { middleware.PageData.Render(r.Context(), w) })
		app := build(a, page)
		var served atomic.Int64
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			app.ServeHTTP(w, r)
		})}
		for range 3 {
			r := httptest.NewRequest("GET", "/page", nil)
			r.Header.Set("Sec-Fetch-Dest", "document")
			r.Header.Set("Cookie", "theme=dark")
			r.SetBasicAuth("staff", "secret")
			r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, server))
			server.Handler.ServeHTTP(httptest.NewRecorder(), r)
			time.Sleep(20 * time.Second)
		}
		synctest.Wait()
		log, requests = a.log.String(), int(served.Load())
	})
	return log, requests
}

// A page whose script cannot reach the middleware is like one without a script. This is logged
// soon after the first page.
func TestLogSaysThatRoutesAreNotReached(t *testing.T) {
	t.Parallel()
	const line = "do not reach it"
	for _, test := range []struct {
		name    string
		build   func(a *app, page http.Handler) http.Handler
		warning bool
	}{
		{"around the app", func(a *app, page http.Handler) http.Handler { return a.auth.Handler(page) }, false},
		{"for the routes of a router only", func(a *app, page http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/page", a.auth.Handler(page))
			return mux
		}, true},
		{"for them only, and mounted", func(a *app, page http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/page", a.auth.Handler(page))
			mux.Handle("/api/auth/", a.auth.RoutesHandler())
			return mux
		}, false},
		{"behind a check for CSRF tokens", func(a *app, page http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "POST" && r.Header.Get("X-CSRF-Token") == "" {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				a.auth.Handler(page).ServeHTTP(w, r)
			})
		}, true},
		{"behind a check of the origin", func(a *app, page http.Handler) http.Handler {
			return http.NewCrossOriginProtection().Handler(a.auth.Handler(page))
		}, false},
		{"behind HTTP basic auth", func(a *app, page http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, password, _ := r.BasicAuth(); password != "secret" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				a.auth.Handler(page).ServeHTTP(w, r)
			})
		}, false},
		{"in front of something that panics", func(a *app, page http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/page" {
					panic("no route")
				}
				a.auth.Handler(page).ServeHTTP(w, r)
			})
		}, true},
	} {
		log, requests := served(t, test.build)
		if got := strings.Count(log, line); (got == 1) != test.warning || got > 1 {
			t.Errorf("%s: %d lines, want one: %v; log:\n%s", test.name, got, test.warning, log)
		}
		want(t, test.name+": requests of three pages", requests, 4)
	}
}

// No probe is sent if a browser has requested the script.
func TestRoutesThatAreReachedAreNotProbed(t *testing.T) {
	t.Parallel()
	log, requests := served(t, func(a *app, page http.Handler) http.Handler {
		return a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page.ServeHTTP(w, r)
			script := httptest.NewRequest("GET", "/api/auth/auto.js", nil)
			a.auth.Handler(page).ServeHTTP(httptest.NewRecorder(), script)
		}))
	})
	want(t, "log", log, "")
	want(t, "requests of three pages", requests, 3)
}

// Page data that is rendered into memory does not see a Cache-Control that the handler sets. If it
// lets shared caches keep the page, that is logged once.
func TestLogSaysThatAPageWithASessionIsShared(t *testing.T) {
	t.Parallel()
	const line = "a Cache-Control that allows shared caches"
	for _, tt := range []struct {
		name, caching string
		part          middleware.Component
		signedIn      bool
		lines         int
	}{
		{"page data", "public, max-age=60", middleware.PageData, true, 1},
		{"form field", "max-age=60", middleware.FormField, true, 1},
		{"private", "private, max-age=60", middleware.PageData, true, 0},
		{"the middleware's own", "", middleware.PageData, true, 0},
		{"without the session", "public", middleware.ScriptTag, true, 0},
		{"a signed-out visitor", "public", middleware.PageData, false, 0},
	} {
		a := newApp(t, nil)
		b := newBrowser(t, a)
		if tt.signedIn {
			b.signIn("u1")
		}
		a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tt.caching != "" {
				w.Header().Set("Cache-Control", tt.caching)
			}
			io.WriteString(w, string(tt.part.HTML(r.Context())))
		}))
		for range 2 {
			b.do("GET", "/page", nil, "Sec-Fetch-Dest", "document")
		}
		want(t, tt.name+": lines", strings.Count(a.log.String(), line), tt.lines)
	}
}
