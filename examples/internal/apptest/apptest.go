package apptest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/luciatest"
)

const Password = "correct horse battery staple"

// NewName returns a name that no other user of these tests has.
func NewName() string { return "ada-" + strings.ToLower(rand.Text()[:8]) }

func Credentials(name, password string) url.Values {
	return url.Values{"username": {name}, "password": {password}}
}

// SignUp signs a new user up in a new browser and returns the tab, which shows the profile.
func SignUp(t *testing.T, s *Server, name string) *luciatest.Tab {
	t.Helper()
	tab := luciatest.NewBrowserAt(t, s.URL, nil).Open("/signup")
	WantPage(t, tab.Submit(Credentials(name, Password)), http.StatusOK, "/profile")
	return tab
}

// SignIn signs a user in in a new browser.
func SignIn(t *testing.T, s *Server, name string) *luciatest.Tab {
	t.Helper()
	tab := luciatest.NewBrowserAt(t, s.URL, nil).Open("/login")
	WantPage(t, tab.Submit(Credentials(name, Password)), http.StatusOK, "/profile")
	return tab
}

// WantPage checks an answer's status and where redirects have led.
func WantPage(t *testing.T, p *luciatest.Page, status int, path string) {
	t.Helper()
	if p.Status != status || p.URL.Path != path {
		t.Fatalf("got %d at %s, want %d at %s\n%.2000s", p.Status, p.URL.Path, status, path, p.Body)
	}
}

// PageSession is `_lucia` of a page.
type PageSession struct {
	User struct {
		ID       string `json:"user_id"`
		Username string `json:"username"`
		Bio      string `json:"bio"`
	} `json:"user"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// SessionOf returns the session of a page, or nil for a signed-out visitor. It fails the test if
// the page has no page data.
func SessionOf(t *testing.T, p *luciatest.Page) (s *PageSession) {
	t.Helper()
	data, ok := p.Data["_lucia"]
	if !ok {
		t.Fatalf("%s has no page data\n%.2000s", p.URL, p.Body)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Answer is an answer, without following redirects.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Request sends a form, or gets a page if there is no form. It does not follow redirects.
// Each option changes the request.
func Request(t *testing.T, s *Server, method, path string, form url.Values, options ...func(*http.Request)) Answer {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, option := range options {
		option(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, s.Logged())
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(read)}
}

// With adds a header to a request.
func With(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// CrossSite gives a request the headers that a browser sends from a page of another site.
func CrossSite(r *http.Request) {
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
}

// Cookies adds the cookies that an answer has set.
func Cookies(of Answer) func(*http.Request) {
	return func(r *http.Request) {
		for _, line := range of.Header["Set-Cookie"] {
			if c, err := http.ParseSetCookie(line); err == nil && c.MaxAge >= 0 {
				r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			}
		}
	}
}

// NoCookies checks that an answer sets no cookies.
func (a Answer) NoCookies(t *testing.T) {
	t.Helper()
	if set := a.Header["Set-Cookie"]; len(set) > 0 {
		t.Errorf("an answer %d sets cookies: %q", a.Status, set)
	}
}

// WithoutAccess removes the access cookie, as a browser does when it has expired.
func WithoutAccess(r *http.Request) {
	kept := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range kept {
		if !strings.HasSuffix(c.Name, "access_token") {
			r.AddCookie(c)
		}
	}
}

// Poll asks another process until done reports true.
func Poll(t *testing.T, done func() bool) {
	t.Helper()
	const pause = 50 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v", patience)
		}
	}
}

// Want checks an answer's status.
func (a Answer) Want(t *testing.T, status int) Answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("got %d, want %d\n%.1000s", a.Status, status, a.Body)
	}
	return a
}

// OnEveryApp runs a test on each example.
func OnEveryApp(t *testing.T, test func(t *testing.T, app string)) {
	t.Parallel()
	for _, app := range Apps {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			test(t, app)
		})
	}
}
