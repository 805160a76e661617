package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

type profile struct {
	Username string `json:"username"`
}

// fakeStore counts the calls to a memstore, and fails or hangs on demand.
type fakeStore struct {
	session.Store
	calls, confirms atomic.Int64
	mu              sync.Mutex
	err             error
	hang            bool
}

func (f *fakeStore) set(err error, hang bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.hang = err, hang
}

func (f *fakeStore) step(calls *atomic.Int64) error {
	calls.Add(1)
	f.mu.Lock()
	err, hang := f.err, f.hang
	f.mu.Unlock()
	if hang {
		select {} // ignores its context
	}
	return err
}

func (f *fakeStore) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	if err := f.step(&f.calls); err != nil {
		return session.CreateResult{}, err
	}
	return f.Store.Create(ctx, c)
}

func (f *fakeStore) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	if err := f.step(&f.calls); err != nil {
		return session.RefreshResult{}, err
	}
	return f.Store.Refresh(ctx, r)
}

func (f *fakeStore) Confirm(ctx context.Context, c session.ConfirmParams) error {
	if err := f.step(&f.confirms); err != nil {
		return err
	}
	return f.Store.Confirm(ctx, c)
}

func (f *fakeStore) Delete(ctx context.Context, userID string, id session.ID) error {
	if err := f.step(&f.calls); err != nil {
		return err
	}
	return f.Store.Delete(ctx, userID, id)
}

func (f *fakeStore) DeleteUser(ctx context.Context, userID string) error {
	if err := f.step(&f.calls); err != nil {
		return err
	}
	return f.Store.DeleteUser(ctx, userID)
}

func (f *fakeStore) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	if err := f.step(&f.calls); err != nil {
		return nil, err
	}
	return f.Store.List(ctx, userID)
}

var errDown = errors.New("connection refused")

// app is an app under test: POST /login?user=ID signs in, GET /page names the user.
type app struct {
	auth    *middleware.Auth[profile]
	store   *fakeStore
	handler http.Handler
	log     *bytes.Buffer
	// loadUser may be replaced between requests.
	loadUser func(id string) (profile, error)
}

func noUser(context.Context, string) (profile, error) { return profile{}, nil }

func newApp(t testing.TB, change func(*middleware.Config[profile])) *app {
	t.Helper()
	a := &app{
		store: &fakeStore{Store: memstore.New()},
		log:   new(bytes.Buffer),
		loadUser: func(id string) (profile, error) {
			return profile{"name of " + id}, nil
		},
	}
	config := middleware.Config[profile]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    a.store,
		LoadUser: func(_ context.Context, id string) (profile, error) { return a.loadUser(id) },
		Dev:      true,
		Logger:   slog.New(slog.NewTextHandler(a.log, nil)),
	}
	if change != nil {
		change(&config)
	}
	auth, err := middleware.New(config)
	if err != nil {
		t.Fatal(err)
	}
	a.auth = auth
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, r.URL.Query().Get("user")); err != nil {
			middleware.WriteError(w, err)
		}
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		if s := auth.Session(r.Context()); s != nil {
			io.WriteString(w, s.User.ID+" ")
		}
		io.WriteString(w, auth.Outcome(r.Context()).String())
		middleware.PageData.Render(r.Context(), w)
	})
	mux.Handle("/private", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, auth.Session(r.Context()).User.ID)
	})))
	a.handler = auth.Handler(mux)
	return a
}

// browser is a cookie jar for an app. It is not safe for concurrent use.
type browser struct {
	t       testing.TB
	app     *app
	cookies map[string]string
	// access and bearer are the tokens that a page's script has.
	access, bearer string
}

func newBrowser(t testing.TB, a *app) *browser {
	return &browser{t: t, app: a, cookies: map[string]string{}}
}

func (b *browser) clone() *browser {
	c := newBrowser(b.t, b.app)
	for k, v := range b.cookies {
		c.cookies[k] = v
	}
	c.access, c.bearer = b.access, b.bearer
	return c
}

func (b *browser) request(method, target string, body io.Reader, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, body)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// send sends a request without storing the cookies of the response.
func (b *browser) send(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	b.app.handler.ServeHTTP(w, r)
	return w.Result()
}

// keep stores the cookies of a response.
func (b *browser) keep(resp *http.Response) *http.Response {
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return resp
}

func (b *browser) do(method, target string, body io.Reader, header ...string) *http.Response {
	return b.keep(b.send(b.request(method, target, body, header...)))
}

// navigate opens a page and reads its page data.
func (b *browser) navigate(target string) string {
	resp := b.do("GET", target, nil, "Sec-Fetch-Dest", "document")
	page := text(b.t, resp)
	if _, data, ok := strings.Cut(page, `{"_lucia":`); ok {
		var s struct {
			Access string `json:"access_token"`
			Bearer string `json:"refresh_token"`
		}
		json.NewDecoder(strings.NewReader(data)).Decode(&s)
		b.access, b.bearer = s.Access, s.Bearer
	}
	said, _, _ := strings.Cut(page, "<script")
	return said
}

func (b *browser) signIn(userID string) *browser {
	b.t.Helper()
	if resp := b.do("POST", "/login?user="+userID, nil); resp.StatusCode != 200 {
		b.t.Fatalf("sign-in: %d %s", resp.StatusCode, text(b.t, resp))
	}
	b.navigate("/page")
	return b
}

// refresh posts the bearer token to the refresh route and stores the tokens of the response.
func (b *browser) refresh() (int, string) {
	resp := b.do("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+b.bearer)
	body := text(b.t, resp)
	var s struct {
		Access  string `json:"access_token"`
		Bearer  string `json:"refresh_token"`
		Message string
	}
	json.Unmarshal([]byte(body), &s)
	if resp.StatusCode == 200 {
		b.access, b.bearer = s.Access, s.Bearer
	}
	return resp.StatusCode, s.Message
}

func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
