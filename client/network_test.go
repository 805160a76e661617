package client_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/session"
)

// TestMain runs the tests and then looks for leaked goroutines. (In a bubble of testing/synctest,
// where most tests run, a leaked goroutine fails its test already.)
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "leaked goroutines:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines that this module or net/http started
// and that do not end within a minute.
func leaked() string {
	var left string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		left = ""
		for _, stack := range strings.Split(stacks(), "\n\n")[1:] { // the first is this goroutine
			if strings.Contains(stack, "lucia-go/lucia") || strings.Contains(stack, "net/http") {
				left += stack + "\n\n"
			}
		}
		if left == "" {
			return ""
		}
	}
	return left
}

func stacks() string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// server is an app on a real socket that can be stopped and started again at the same address.
type server struct {
	t       *testing.T
	addr    string
	running *http.Server
	done    chan struct{}
}

func (s *server) start(app http.Handler) {
	s.t.Helper()
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.running, s.done = &http.Server{Handler: app}, make(chan struct{})
	go func(srv *http.Server, done chan struct{}) {
		defer close(done)
		srv.Serve(ln)
	}(s.running, s.done)
}

func (s *server) stop() {
	s.running.Close()
	<-s.done
}

// expire makes the client believe that its access token has expired.
func expire(c *client.Client[profile]) {
	c.GetSession().Update(func(s *session.Session[profile]) *session.Session[profile] {
		if s == nil {
			return nil
		}
		expired := *s
		expired.IssuedAt, expired.ExpiresAt = time.Now().Add(-time.Hour), time.Now().Add(-time.Second)
		return &expired
	})
}

func TestServerRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dev)
	s := &server{t: t, addr: testenv.FreeAddr(t)} // no other process gets it while the server is down
	s.start(w.app)
	defer func() { s.stop() }()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	c, err := client.New[profile](t.Context(), client.Config{BaseURL: "http://" + s.addr, Transport: base})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SignIn(t.Context(), "/login", ada); err != nil {
		t.Fatal(err)
	}
	for restart := range 3 {
		expire(c)
		requests(t, c, s.addr, true)
		s.stop()
		expire(c)
		requests(t, c, s.addr, false)
		if c.GetSession().Get() == nil {
			t.Fatal("the session ended with the server")
		}
		// A new process has only the secret and the store of the old one.
		auth, err := lucia.New(w.Config)
		if err != nil {
			t.Fatal(err)
		}
		s.start(newApp(auth))
		requests(t, c, s.addr, true)
		if t.Failed() {
			t.Fatalf("the session ended at restart %d", restart+1)
		}
	}
	if err := w.Auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	expire(c)
	_, err = c.HTTPClient().Get("http://" + s.addr + "/api/me")
	if !errors.Is(err, session.CodeUnauthorized) || c.GetSession().Get() != nil {
		t.Errorf("revoked: %v, session %v", err, c.GetSession().Get())
	}
}

// requests makes 64 concurrent requests, which must all succeed or all fail.
func requests(t *testing.T, c *client.Client[profile], addr string, ok bool) {
	t.Helper()
	web := c.HTTPClient()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			resp, err := web.Get("http://" + addr + "/api/me")
			if err == nil {
				resp.Body.Close()
			}
			if good := err == nil && resp.StatusCode == http.StatusOK; good != ok {
				t.Errorf("request succeeded: %t, want %t (%v)", good, ok, err)
			}
		})
	}
	wg.Wait()
}

// A server closes idle connections. The client notices when it sends the next request.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dev)
	var dead atomic.Bool
	var used sync.Map // connections that had a request, by RemoteAddr
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, again := used.LoadOrStore(r.RemoteAddr, true); again && dead.Load() {
			conn, _, err := rw.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			return
		}
		w.app.ServeHTTP(rw, r)
	}))
	defer srv.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	c, err := client.New[profile](t.Context(), client.Config{BaseURL: srv.URL, Transport: base})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SignIn(t.Context(), "/login", ada); err != nil {
		t.Fatal(err)
	}
	dead.Store(true)
	if _, err := c.RefreshTokens(t.Context(), ""); err != nil {
		t.Errorf("refresh: %v", err)
	}
	if err := c.SignOut(t.Context()); err != nil {
		t.Errorf("sign-out: %v", err)
	}
}
