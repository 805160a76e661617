package frameworks_test

import (
	"net/http"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
	xnet "golang.org/x/net/websocket"
)

// sockets are handlers that take over the connection of a request, one for each library.
var sockets = map[string]struct {
	plain   http.HandlerFunc // as the library's documentation shows
	cookies http.HandlerFunc // with the cookies of the response
	keeps   bool             // plain already sends them
}{
	"gorilla/websocket": {
		func(w http.ResponseWriter, r *http.Request) { upgraded((&gorilla.Upgrader{}).Upgrade(w, r, nil)) },
		func(w http.ResponseWriter, r *http.Request) {
			upgraded((&gorilla.Upgrader{}).Upgrade(w, r, w.Header()))
		},
		false,
	},
	"coder/websocket": {
		func(w http.ResponseWriter, r *http.Request) {
			if c, err := coder.Accept(w, r, nil); err == nil {
				c.CloseNow()
			}
		},
		nil, true,
	},
	"gobwas/ws": {
		func(w http.ResponseWriter, r *http.Request) {
			if c, _, _, err := ws.UpgradeHTTP(r, w); err == nil {
				c.Close()
			}
		},
		func(w http.ResponseWriter, r *http.Request) {
			if c, _, _, err := (ws.HTTPUpgrader{Header: w.Header()}).Upgrade(r, w); err == nil {
				c.Close()
			}
		},
		false,
	},
	"golang.org/x/net/websocket": {
		xnet.Server{Handler: func(*xnet.Conn) {}}.ServeHTTP,
		func(w http.ResponseWriter, r *http.Request) {
			xnet.Server{
				Handshake: func(c *xnet.Config, _ *http.Request) error { c.Header = w.Header(); return nil },
				Handler:   func(*xnet.Conn) {},
			}.ServeHTTP(w, r)
		},
		false,
	},
}

func upgraded(c *gorilla.Conn, err error) {
	if err == nil {
		c.Close()
	}
}

// TestWebSocketLibraries checks that a socket that reconnects with an expired access token is
// accepted, whatever the library does with cookies, and that the next page is refreshed as if the
// socket did not exist. It checks what going-live.md says about each library, with a cookie of the
// app.
func TestWebSocketLibraries(t *testing.T) {
	t.Parallel()
	for name, s := range sockets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth, log := newAuth(t)
			mux := onMux(auth, handlersOf(auth))
			themed := func(next http.HandlerFunc) http.Handler {
				return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
					next(w, r)
				}))
			}
			mux.Handle("GET /socket", themed(s.plain))
			if s.cookies != nil {
				mux.Handle("GET /cookies", themed(s.cookies))
			}
			v := visit(t, auth.Handler(mux))
			v.do("POST", "/login")
			v.expire()
			upgrade := func(path string) *http.Response {
				resp, _ := v.do("GET", path, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-Fetch-Dest", "websocket", "Sec-Fetch-Site", "same-origin",
					"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Origin", v.url)
				return resp
			}
			for range 10 {
				resp := upgrade("/socket")
				if resp.StatusCode != 101 {
					t.Fatalf("upgrade: status %d, want 101", resp.StatusCode)
				}
				if got := strings.Contains(strings.Join(resp.Header["Set-Cookie"], " "), "theme=dark"); got != s.keeps {
					t.Errorf("the response has the app's cookie: %v, want %v", got, s.keeps)
				}
			}
			if s.cookies != nil {
				if resp := upgrade("/cookies"); resp.StatusCode != 101 || !strings.Contains(strings.Join(resp.Header["Set-Cookie"], " "), "theme=dark") {
					t.Errorf("with the cookies: %d %v, want 101 and the app's cookie", resp.StatusCode, resp.Header)
				}
			}
			resp, body := v.do("GET", "/page")
			if !strings.HasPrefix(body, "page of u1") || len(resp.Cookies()) != 3 {
				t.Errorf("the next page: %.80q %v, want that of u1 and three cookies", body, resp.Header["Set-Cookie"])
			}
			if log.String() != "" {
				t.Errorf("the log has lines:\n%s", log)
			}
		})
	}
}
