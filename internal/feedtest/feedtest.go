// Package feedtest runs processes of an app on a shared store. It shows that an end in one process
// reaches the others. Each process is an HTTP server with an Auth and a client of its own.
package feedtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/session"
)

// patience is how long a test waits for what other processes do. An end that takes effect within a
// second on an idle machine takes longer on a busy one. The tests of the engine check the times, on
// a clock of their own.
const patience = 3 * time.Minute

// user is the app's data.
type user struct {
	Role string `json:"role"`
}

// App is what the processes have in common.
type App struct {
	mu    sync.Mutex
	roles map[string]string
	gone  map[string]bool
}

// NewApp returns an app without users. Every user id is a user.
func NewApp() *App { return &App{roles: map[string]string{}, gone: map[string]bool{}} }

// SetRole changes a user's data in the app's database.
func (a *App) SetRole(id, role string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roles[id] = role
}

// Delete deletes a user in the app's database.
func (a *App) Delete(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone[id] = true
}

func (a *App) load(_ context.Context, id string) (user, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone[id] {
		return user{}, lucia.ErrUserNotFound
	}
	return user{a.roles[id]}, nil
}

// Process is a process of the app.
type Process struct {
	Auth *lucia.Auth[user]

	t      testing.TB
	server *httptest.Server
	store  *counted
}

// Start starts a process on a store. It stops at the end of the test.
func (a *App) Start(t testing.TB, store session.Store, change ...func(*lucia.Config[user])) *Process {
	t.Helper()
	p := &Process{t: t, store: &counted{Store: store}}
	config := lucia.Config[user]{
		Secret: []byte(strings.Repeat("s", 32)), Store: p.store, LoadUser: a.load, Dev: true,
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&config)
	}
	auth, err := lucia.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(auth.Close)
	p.Auth = auth
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, r.FormValue("user")); err != nil {
			lucia.WriteError(w, err)
		}
	})
	me := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, auth.Session(r.Context()).User.Data.Role)
	})
	mux.Handle("GET /me", auth.Require(me))
	mux.Handle("GET /asked", auth.Require(me, lucia.AskStore()))
	mux.Handle("GET /events", auth.Require(http.HandlerFunc(p.events)))
	p.server = httptest.NewServer(nethttp.Wrap(auth, mux))
	t.Cleanup(func() {
		p.server.CloseClientConnections()
		p.server.Close()
	})
	return p
}

// events is a stream that ends with the session.
func (p *Process) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: begun\n\n")
	http.NewResponseController(w).Flush()
	select {
	case <-p.Auth.Ended(r.Context()):
	case <-r.Context().Done():
	}
}

// Browser is the cookies of one session.
type Browser struct {
	User    string
	cookies map[string]string
}

// SignIn signs a user in. It tries again while the store does not answer in time.
func (p *Process) SignIn(id string) *Browser {
	p.t.Helper()
	b := &Browser{User: id, cookies: map[string]string{}}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		status, body := p.do(b, "POST", "/login?user="+id)
		if status == http.StatusOK {
			return b
		}
		if status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			p.t.Fatalf("sign-in: %d %s", status, body)
		}
	}
}

// WithoutRefresh returns a copy of b that has the access token but no refresh token, so that no
// request with it causes a refresh.
func (b *Browser) WithoutRefresh() *Browser {
	c := &Browser{User: b.User, cookies: maps.Clone(b.cookies)}
	for name := range c.cookies {
		if strings.Contains(name, "refresh") {
			delete(c.cookies, name)
		}
	}
	return c
}

// Session returns the id of the session.
func (p *Process) Session(b *Browser) lucia.ID {
	p.t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	b.addTo(r)
	s, err := p.Auth.ValidateRequestByCookie(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return s.ID
}

func (b *Browser) addTo(r *http.Request) {
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
}

// Get requests a page and returns the status and the body.
func (p *Process) Get(b *Browser, path string) (int, string) {
	p.t.Helper()
	return p.do(b, "GET", path)
}

func (p *Process) do(b *Browser, method, path string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.server.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	b.addTo(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// Stream opens a stream of events and returns a channel that is closed when it ends.
func (p *Process) Stream(b *Browser) (ended <-chan struct{}) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), "GET", p.server.URL+"/events", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	b.addTo(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "data: begun\n" {
		p.t.Fatalf("stream: %d %q, %v", resp.StatusCode, line, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(io.Discard, lines)
	}()
	return done
}

// Await waits until a request with the access token of b is refused. It reports whether one was.
func (p *Process) Await(b *Browser) bool {
	p.t.Helper()
	c := b.WithoutRefresh()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if status, _ := p.Get(c, "/me"); status == http.StatusUnauthorized {
			return true
		}
	}
	return false
}

// Calls returns how many calls of the store requests have made so far.
func (p *Process) Calls() int {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	return p.store.calls
}

// counted counts the calls of a store that requests may make.
type counted struct {
	session.Store
	mu    sync.Mutex
	calls int
}

// Unwrap returns the store for [session.FeedOf].
func (c *counted) Unwrap() session.Store { return c.Store }

func (c *counted) count() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
}

func (c *counted) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	c.count()
	return c.Store.Refresh(ctx, r)
}

func (c *counted) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	c.count()
	return c.Store.List(ctx, userID)
}

// Revocations shows that an end in one process takes effect in another without a call of the store,
// for requests and for streams. open opens the shared store as a process of its own.
func Revocations(t *testing.T, open func(t testing.TB) session.Store) {
	app := NewApp()
	here, there := app.Start(t, open(t)), app.Start(t, open(t))
	for _, c := range []struct {
		name string
		end  func(b *Browser) error
	}{
		{"EndSession", func(b *Browser) error { return here.Auth.EndSession(t.Context(), b.User, here.Session(b)) }},
		{"RevokeUser", func(b *Browser) error { return here.Auth.RevokeUser(t.Context(), b.User) }},
		{"user deleted", func(b *Browser) error {
			app.Delete(b.User)
			refresh := &Browser{User: b.User, cookies: maps.Clone(b.cookies)}
			for name := range refresh.cookies {
				if strings.Contains(name, "access") {
					delete(refresh.cookies, name)
				}
			}
			if status, _ := here.Get(refresh, "/me"); status != http.StatusUnauthorized {
				return fmt.Errorf("refresh: %d", status)
			}
			return nil
		}},
	} {
		name := strings.ReplaceAll(c.name, " ", "-")
		b, other := here.SignIn(name), here.SignIn("other-than-"+name)
		ended, goesOn := there.Stream(b), there.Stream(other)
		for range 3 {
			if status, _ := there.Get(b.WithoutRefresh(), "/me"); status != http.StatusOK {
				t.Fatalf("%s: before the end: %d", c.name, status)
			}
		}
		before, began := there.Calls(), time.Now()
		if err := c.end(b); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !there.Await(b) {
			t.Errorf("%s: the access token is still accepted by the other process", c.name)
		}
		refused := time.Since(began)
		select {
		case <-ended:
			t.Logf("%s: refused after %v, the stream ended after %v", c.name, refused, time.Since(began))
		case <-time.After(patience):
			t.Errorf("%s: the stream is still open", c.name)
		}
		for range 3 {
			if status, _ := there.Get(other.WithoutRefresh(), "/me"); status != http.StatusOK {
				t.Errorf("%s: another user: %d", c.name, status)
			}
		}
		select {
		case <-goesOn:
			t.Errorf("%s: the stream of another user has ended", c.name)
		default:
		}
		if n := there.Calls() - before; n != 0 {
			t.Errorf("%s: requests made %d calls of the store, want none", c.name, n)
		}
	}
	reload(t, app, here, there)
	ask(t, app, open)
}

// reload shows that ReloadUser takes effect in another process, and that it ends no session.
func reload(t *testing.T, app *App, here, there *Process) {
	b := there.SignIn("reloaded")
	stream := there.Stream(b)
	if _, role := there.Get(b, "/me"); role != "" {
		t.Fatalf("role %q", role)
	}
	app.SetRole(b.User, "admin")
	if err := here.Auth.ReloadUser(t.Context(), b.User); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		status, role := there.Get(b, "/me")
		if status != http.StatusOK {
			t.Fatalf("ReloadUser: %d", status)
		}
		if role == "admin" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("ReloadUser: the user is not loaded anew")
		}
	}
	before := there.Calls() + here.Calls()
	for _, p := range []*Process{here, there} {
		if status, role := p.Get(b.WithoutRefresh(), "/me"); status != http.StatusOK || role != "admin" {
			t.Errorf("after the reload: %d %q", status, role)
		}
	}
	if n := there.Calls() + here.Calls() - before; n != 0 {
		t.Errorf("after the reload requests made %d calls of the store", n)
	}
	select {
	case <-stream:
		t.Error("ReloadUser has ended a stream")
	default:
	}
}

// ask shows that AskStore refuses at once a session that a process without a feed still accepts.
func ask(t *testing.T, app *App, open func(t testing.TB) session.Store) {
	noFeed := func(c *lucia.Config[user]) { c.Feed = lucia.NoFeed }
	here, there := app.Start(t, open(t), noFeed), app.Start(t, open(t), noFeed)
	b := here.SignIn("asked")
	if status, _ := there.Get(b.WithoutRefresh(), "/asked"); status != http.StatusOK {
		t.Errorf("AskStore, alive: %d", status)
	}
	if err := here.Auth.RevokeUser(t.Context(), b.User); err != nil {
		t.Fatal(err)
	}
	if status, _ := there.Get(b.WithoutRefresh(), "/me"); status != http.StatusOK {
		t.Errorf("without a feed and without AskStore: %d", status)
	}
	if status, _ := there.Get(b.WithoutRefresh(), "/asked"); status != http.StatusUnauthorized {
		t.Errorf("AskStore, ended: %d", status)
	}
}
