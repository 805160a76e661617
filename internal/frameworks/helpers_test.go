package frameworks_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/memstore"
)

type user struct {
	Name string `json:"name"`
}

// logBuffer is a log that tests can read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newAuth(t testing.TB) (*lucia.Auth[user], *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	auth, err := lucia.New(lucia.Config[user]{
		Secret:   bytes.Repeat([]byte("s"), 32),
		Store:    memstore.New(),
		LoadUser: func(_ context.Context, id string) (user, error) { return user{"name of " + id}, nil },
		Dev:      true,
		Logger:   slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return auth, log
}

// handlers are the handlers of every app: /login, /page with page data, and /private.
type handlers struct{ login, page, private http.HandlerFunc }

func handlersOf(auth *lucia.Auth[user]) handlers {
	return handlers{
		login: func(w http.ResponseWriter, r *http.Request) {
			if _, err := auth.SignIn(w, r, "u1"); err != nil {
				lucia.WriteError(w, err)
			}
		},
		page: func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark", Path: "/"})
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "page of "+who(auth, r))
			lucia.PageData.Render(r.Context(), w)
		},
		private: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "private of "+who(auth, r)) },
	}
}

func who(auth *lucia.Auth[user], r *http.Request) string {
	if s := auth.Session(r.Context()); s != nil {
		return s.User.ID
	}
	return "no session"
}

// visitor is a browser of an app on a server.
type visitor struct {
	t      testing.TB
	url    string
	client *http.Client
}

func visit(t testing.TB, app http.Handler) *visitor {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	jar, _ := cookiejar.New(nil)
	return &visitor{t, server.URL, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do sends a request as from a page of the site. A GET is the request of a person who opens a page.
func (v *visitor) do(method, path string, header ...string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodGet {
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp, string(body)
}

// expire replaces the browser's access token with an expired one.
func (v *visitor) expire() {
	u, _ := http.NewRequest("GET", v.url, nil)
	v.client.Jar.SetCookies(u.URL, []*http.Cookie{{Name: "access_token", Path: "/", MaxAge: -1}})
}

// token returns a token of the page data.
func token(page, name string) string {
	_, rest, _ := strings.Cut(page, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// tour signs in, reads pages, is refreshed by a page and by a script, keeps the app's own cookie
// and signs out.
func (v *visitor) tour(headers ...string) {
	v.t.Helper()
	check := func(what string, ok bool, resp *http.Response, body string) {
		v.t.Helper()
		if !ok {
			v.t.Errorf("%s: %d %.80q %v", what, resp.StatusCode, body, resp.Header)
		}
	}
	resp, body := v.do("GET", "/private", headers...)
	check("signed out", resp.StatusCode == 303 && strings.HasPrefix(resp.Header.Get("Location"), "/login?next=%2Fprivate"), resp, body)
	resp, body = v.do("POST", "/login", headers...)
	check("sign-in", resp.StatusCode == 200 && len(resp.Cookies()) >= 3, resp, body)
	resp, body = v.do("GET", "/private", headers...)
	check("private page", body == "private of u1", resp, body)
	v.expire()
	resp, body = v.do("GET", "/page", headers...)
	check("refreshed by a page", strings.HasPrefix(body, "page of u1"), resp, body)
	var names []string
	for _, c := range resp.Cookies() {
		names = append(names, c.Name)
	}
	all := strings.Join(names, " ")
	check("cookies of the refreshed page", strings.Contains(all, "access_token") && strings.Contains(all, "encrypt_refresh_token") && strings.Contains(all, "theme"), resp, all)
	check("caching of the refreshed page", strings.Contains(resp.Header.Get("Cache-Control"), "private"), resp, body)
	access, refresh := token(body, "access_token"), token(body, "refresh_token")
	resp, body = v.do("POST", "/api/auth/refresh", append(headers, "Authorization", "Bearer "+refresh)...)
	check("refreshed by a script", resp.StatusCode == 200 && strings.Contains(body, "expires_in"), resp, body)
	resp, body = v.do("GET", "/api/auth/auto.js", headers...)
	check("browser module", resp.StatusCode == 200 && strings.Contains(resp.Header.Get("Content-Type"), "javascript"), resp, body)
	resp, body = v.do("GET", "/nowhere", headers...)
	check("not found", resp.StatusCode == 404, resp, body)
	resp, body = v.do("POST", "/api/auth/logout", append(headers, "Authorization", "Bearer "+access)...)
	check("sign-out", resp.StatusCode == 204, resp, body)
	resp, body = v.do("GET", "/private", headers...)
	check("signed out", resp.StatusCode == 303, resp, body)
}
