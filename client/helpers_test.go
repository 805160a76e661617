package client_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
)

const baseURL = "https://app.example"

type profile struct {
	Username string `json:"username"`
}

// world is an app with this library and the network to it. It counts requests and can fail.
type world struct {
	*luciatest.Kit[profile]
	app http.Handler

	mu      sync.Mutex
	counts  map[string]int
	hook    func(*http.Request) error // before the app
	after   func(*http.Request) error // after the app has answered; an error loses the answer
	handler http.RoundTripper
	open    atomic.Int32 // answers whose bodies are not closed
}

func newWorld(t testing.TB, change ...func(*lucia.Config[profile])) *world {
	t.Helper()
	kit := luciatest.New(t, map[string]profile{"u1": {"ada"}, "u2": {"bob"}}, change...)
	w := &world{Kit: kit, counts: map[string]int{}}
	w.app = newApp(kit.Auth)
	w.handler = luciatest.Transport(w.app)
	t.Cleanup(func() {
		if n := w.open.Load(); n != 0 {
			t.Errorf("%d bodies of answers are not closed", n)
		}
	})
	return w
}

// counted is a body that counts as open until it is closed.
type counted struct {
	io.ReadCloser
	open  *atomic.Int32
	close sync.Once
}

func (c *counted) Close() error {
	c.close.Do(func() { c.open.Add(-1) })
	return c.ReadCloser.Close()
}

// RoundTrip implements http.RoundTripper.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.counts[req.URL.Path]++
	hook, after := w.hook, w.after
	w.mu.Unlock()
	if hook != nil {
		if err := hook(req); err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, err
		}
	}
	resp, err := w.handler.RoundTrip(req)
	if err == nil {
		w.open.Add(1)
		resp.Body = &counted{ReadCloser: resp.Body, open: &w.open}
	}
	if err == nil && after != nil {
		if err := after(req); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return resp, err
}

// breakNetwork makes all requests fail with err. Nil ends that.
func (w *world) breakNetwork(err error) {
	w.onRequest(func(*http.Request) error { return err })
}

func (w *world) onRequest(hook func(*http.Request) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

func (w *world) onAnswer(after func(*http.Request) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.after = after
}

// delayAnswers delays the answers to requests whose path has this suffix, in addition to earlier
// calls.
func (w *world) delayAnswers(path string, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.after
	w.after = func(req *http.Request) error {
		if strings.HasSuffix(req.URL.Path, path) {
			time.Sleep(d)
		}
		if before == nil {
			return nil
		}
		return before(req)
	}
}

// count returns how many requests for path were made.
func (w *world) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[path]
}

func (w *world) refreshes() int { return w.count("/api/auth/refresh") }

// newClient returns a signed-out client of the world.
func (w *world) newClient(t testing.TB, change ...func(*client.Config)) *client.Client[profile] {
	t.Helper()
	cfg := client.Config{BaseURL: baseURL, Transport: w}
	for _, c := range change {
		c(&cfg)
	}
	c, err := client.New[profile](t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signedIn returns a client of the world that is signed in as ada.
func (w *world) signedIn(t testing.TB, change ...func(*client.Config)) *client.Client[profile] {
	t.Helper()
	c := w.newClient(t, change...)
	if _, err := c.SignIn(t.Context(), "/login", ada); err != nil {
		t.Fatal(err)
	}
	return c
}

var ada = map[string][]string{"username": {"u1"}, "password": {"secret"}}

const loginPage = `<!doctype html><form method="get"><input name="q"></form>
<form method="post" action="/login"><input type="hidden" name="csrf" value="c1"><input name="username"><input name="password"></form>`

// newApp returns an app with a login form, a JSON login, an API that requires a session, and one
// that does not.
func newApp(auth *middleware.Auth[profile]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.SetCookie(w, &http.Cookie{Name: "csrf", Value: "c1", Path: "/"})
		w.Write([]byte(loginPage))
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		csrf, err := r.Cookie("csrf")
		if err != nil || r.PostFormValue("csrf") != csrf.Value {
			http.Error(w, "csrf", http.StatusForbidden)
			return
		}
		login(auth, w, r, "/profile")
	})
	mux.HandleFunc("POST /api/login", func(w http.ResponseWriter, r *http.Request) { login(auth, w, r, "") })
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := middleware.PageData.Render(r.Context(), w); err != nil {
			panic(err)
		}
	})
	mux.Handle("/api/me", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(auth.Session(r.Context()).User)
	})))
	mux.Handle("POST /api/echo", auth.Require(http.HandlerFunc(echo)))
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, r *http.Request) {
		if s := auth.Session(r.Context()); s != nil {
			w.Write([]byte(s.User.Data.Username))
		}
	})
	return nethttp.Wrap(auth, mux)
}

func login(auth *middleware.Auth[profile], w http.ResponseWriter, r *http.Request, next string) {
	if r.PostFormValue("password") != "secret" {
		http.Error(w, "wrong password", http.StatusUnauthorized)
		return
	}
	if _, err := auth.SignIn(w, r, r.PostFormValue("username")); err != nil {
		middleware.WriteError(w, err)
		return
	}
	if next != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

// echo answers with the request's body.
func echo(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }

// body is a request body that records that it was closed.
type body struct {
	io.Reader
	closed atomic.Bool
}

func newBody(s string) *body { return &body{Reader: strings.NewReader(s)} }

func (b *body) Close() error {
	b.closed.Store(true)
	return nil
}
