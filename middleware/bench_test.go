package middleware_test

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
)

// person has the three attributes of the budget.
type person struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Role     string `json:"role"`
}

// benchUsers is the number of users whose requests alternate: more than fit into a processor's
// cache, fewer than the token cache holds.
const benchUsers = 1024

// benchAuth returns an Auth in a process in which a user has signed out.
func benchAuth(b testing.TB, change func(*middleware.Config[person])) *middleware.Auth[person] {
	b.Helper()
	config := middleware.Config[person]{
		Secret: bytes.Repeat([]byte("s"), 32),
		Store:  memstore.New(),
		LoadUser: func(_ context.Context, id string) (person, error) {
			return person{Username: "name of " + id, Email: id + "@example.com", Role: "member"}, nil
		},
		AccessTTL: time.Hour,
		Logger:    slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	auth, err := middleware.New(config)
	if err != nil {
		b.Fatal(err)
	}
	if err := auth.RevokeUser(b.Context(), "other"); err != nil {
		b.Fatal(err)
	}
	return auth
}

// benchCookies signs n users in and returns their Cookie headers.
func benchCookies(b *testing.B, auth *middleware.Auth[person], n int) []string {
	b.Helper()
	headers := make([]string, n)
	for i := range headers {
		w := httptest.NewRecorder()
		if _, err := auth.SignIn(w, httptest.NewRequest("POST", "/login", nil), fmt.Sprintf("user-%d", i)); err != nil {
			b.Fatal(err)
		}
		for _, c := range w.Result().Cookies() {
			if headers[i] != "" {
				headers[i] += "; "
			}
			headers[i] += c.Name + "=" + c.Value
		}
	}
	return headers
}

// sink is a ResponseWriter that keeps only its header.
type sink struct {
	header http.Header
	status int
}

func newSink() *sink                        { return &sink{header: make(http.Header)} }
func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

func (s *sink) reset() {
	clear(s.header)
	s.status = http.StatusOK
}

// BenchmarkAuthenticatedRequest measures what the middleware adds to a request of a net/http app
// whose handler reads its session: with a token that this process has seen, also under a
// CookieDomain, with a token that it has not seen, without a token, and, for subtraction, the
// handler alone.
func BenchmarkAuthenticatedRequest(b *testing.B) {
	cached := benchAuth(b, nil)
	uncached := benchAuth(b, func(c *middleware.Config[person]) { c.TokenCache = -1 })
	domain := benchAuth(b, func(c *middleware.Config[person]) { c.CookieDomain = "example.com" })
	signedIn := func(auth *middleware.Auth[person]) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if s := auth.Session(r.Context()); s == nil || s.User.Data.Username == "" {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}
	}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, c := range []struct {
		name    string
		handler http.Handler
		cookies []string // nil: anonymous
		accept  string
	}{
		{"bare", nothing, benchCookies(b, cached, benchUsers), "text/html"},
		{"seen", cached.Handler(signedIn(cached)), benchCookies(b, cached, benchUsers), "text/html"},
		{"seen-domain", domain.Handler(signedIn(domain)), benchCookies(b, domain, benchUsers), "text/html"},
		{"seen-subresource", cached.Handler(nothing), benchCookies(b, cached, benchUsers), "*/*"},
		{"require", cached.Require(nothing), benchCookies(b, cached, benchUsers), "text/html"},
		{"require-recent", cached.RequireRecent(time.Hour)(nothing), benchCookies(b, cached, benchUsers), "text/html"},
		{"first-sight", uncached.Handler(signedIn(uncached)), benchCookies(b, uncached, benchUsers), "text/html"},
		{"anonymous", cached.Handler(nothing), nil, "*/*"},
		{"anonymous-page", cached.Handler(nothing), nil, "text/html"},
	} {
		b.Run(c.name, func(b *testing.B) { benchRequests(b, c.handler, c.cookies, c.accept) })
	}
}

// BenchmarkPage measures a page that prints PageData and FormField and, for subtraction, the same
// page without them and without the middleware.
func BenchmarkPage(b *testing.B) {
	plain, hardened := benchAuth(b, nil), benchAuth(b, func(c *middleware.Config[person]) { c.Hardened = true })
	html := func(page *template.Template) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { page.Execute(w, r) })
	}
	component := func(children ...templ.Component) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<!doctype html><title>T</title>")
			for _, c := range children {
				c.Render(r.Context(), w)
			}
		})
	}
	with := template.Must(template.New("").Funcs(middleware.FuncMap()).Parse(
		`<!doctype html><title>T</title>{{lucia .Context}}<form>{{luciaField .Context}}</form><p>{{.Method}}`))
	without := template.Must(template.New("").Parse(`<!doctype html><title>T</title><form></form><p>{{.Method}}`))
	for _, c := range []struct {
		name    string
		auth    *middleware.Auth[person]
		handler http.Handler
	}{
		{"html-template/bare", nil, html(without)},
		{"html-template/lucia", plain, html(with)},
		{"html-template/hardened", hardened, html(with)},
		{"templ/bare", nil, component()},
		{"templ/lucia", plain, component(middleware.PageData, middleware.FormField)},
		{"templ/hardened", hardened, component(middleware.PageData, middleware.FormField)},
	} {
		b.Run(c.name, func(b *testing.B) {
			handler, cookies := c.handler, benchCookies(b, plain, benchUsers)
			if c.auth != nil {
				handler, cookies = c.auth.Handler(handler), benchCookies(b, c.auth, benchUsers)
			}
			benchRequests(b, handler, cookies, "text/html")
		})
	}
}

// BenchmarkCachedToken measures the memory that the token cache keeps for each session, before and
// after a page has shown it. The time is that of all sessions' requests.
func BenchmarkCachedToken(b *testing.B) {
	const sessions = 10_000 // they fit into the default cache
	for _, c := range []struct {
		name     string
		hardened bool
		print    []middleware.Component
	}{
		{"session", false, nil},
		{"page", false, []middleware.Component{middleware.PageData, middleware.FormField}},
		{"page-hardened", true, []middleware.Component{middleware.PageData, middleware.FormField}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var auth *middleware.Auth[person]
			var before uint64
			for b.Loop() {
				b.StopTimer()
				auth = benchAuth(b, func(config *middleware.Config[person]) { config.Hardened = c.hardened })
				cookies := benchCookies(b, auth, sessions)
				handler := auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					for _, component := range c.print {
						component.Render(r.Context(), w)
					}
				}))
				w, r := newSink(), httptest.NewRequest("GET", "/page", nil)
				r.Header["Accept"] = []string{"text/html"}
				before = liveHeap()
				b.StartTimer()
				for _, line := range cookies {
					r.Header["Cookie"] = []string{line}
					handler.ServeHTTP(w, r)
				}
				b.StopTimer()
				b.ReportMetric(float64(liveHeap()-before)/sessions, "B/session")
				runtime.KeepAlive(cookies)
				b.StartTimer()
			}
			runtime.KeepAlive(auth)
		})
	}
}

// liveHeap returns the size of the live heap in bytes.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what the first left in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func benchRequests(b *testing.B, handler http.Handler, cookies []string, accept string) {
	b.ReportAllocs()
	b.ResetTimer() // do not measure the sign-ins
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest("GET", "/page", nil)
		r.Header["Accept"] = []string{accept}
		if cookies != nil {
			r.Header["Cookie"] = make([]string, 1)
		}
		w := newSink()
		for i := 0; pb.Next(); i++ {
			w.reset()
			if cookies != nil {
				r.Header["Cookie"][0] = cookies[i%len(cookies)]
			}
			handler.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Errorf("status %d", w.status)
				return
			}
		}
	})
}

// BenchmarkRefresh measures the refresh route with memstore. It verifies two tokens, makes one
// step in the store, and writes two tokens and a cookie.
func BenchmarkRefresh(b *testing.B) {
	auth := benchAuth(b, nil)
	handler := auth.Handler(http.NotFoundHandler())
	b.ReportAllocs()
	var cookies []string
	for i := 0; b.Loop(); i++ {
		if i%benchUsers == 0 { // a session rotates again only after some time
			b.StopTimer()
			cookies = benchCookies(b, auth, benchUsers)
			b.StartTimer()
		}
		r := httptest.NewRequest("GET", "/page", nil)
		r.Header["Accept"] = []string{"text/html"}
		r.Header["Cookie"] = []string{withoutAccess(cookies[i%benchUsers])}
		w := newSink()
		handler.ServeHTTP(w, r)
		if len(w.header["Set-Cookie"]) != 2 {
			b.Fatalf("not refreshed: status %d, %d cookies set", w.status, len(w.header["Set-Cookie"]))
		}
	}
}

// withoutAccess removes the access token, the first cookie, from a Cookie header of benchCookies.
func withoutAccess(cookies string) string {
	i := bytes.IndexByte([]byte(cookies), ';')
	return cookies[i+2:]
}

// BenchmarkTokenFor issues a token for another service in a request.
func BenchmarkTokenFor(b *testing.B) {
	auth := benchAuth(b, func(c *middleware.Config[person]) { c.Issuer = "https://app.example.com" })
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", benchCookies(b, auth, 1)[0])
	auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := auth.TokenFor(r.Context(), "https://orders.example.com", time.Minute); err != nil {
				b.Fatal(err)
			}
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}
