package e2e_test

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/testenv"
)

// withoutRefresh removes the refresh token, so that no answer refreshes the session.
func withoutRefresh(r *http.Request) {
	kept := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range kept {
		if !strings.Contains(c.Name, "refresh") {
			r.AddCookie(c)
		}
	}
}

// stream opens the stream of events and returns it after its first event.
func stream(t *testing.T, s *apptest.Server, options ...func(*http.Request)) *bufio.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	for _, o := range options {
		o(r)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: ") {
		t.Fatalf("first line %q, %v", line, err)
	}
	return lines
}

// A sign-out on one server ends the stream of events on another one, which also refuses the access
// token. With -feed=false the other server accepts the token until it expires.
func TestEndsAreFeltOnOtherServers(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]func(*testing.T) []string{
		"redis":  func(t *testing.T) []string { return []string{"-redis", testenv.Redis(t).URL(), "-feed"} },
		"sqlite": func(t *testing.T) []string { return []string{"-db", filepath.Join(t.TempDir(), "app.db")} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := append(flags(t), "-secret", apptest.Secret)
			for i, app := range apptest.Apps {
				a, b := apptest.Start(t, app, shared...), apptest.Start(t, apptest.Apps[(i+1)%len(apptest.Apps)], shared...)
				in := apptest.Request(t, a, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusSeeOther)
				events := stream(t, b, apptest.Cookies(in))
				apptest.Request(t, b, "GET", "/profile", nil, apptest.Cookies(in), withoutRefresh).Want(t, http.StatusOK)
				apptest.Request(t, a, "POST", "/api/auth/logout", url.Values{}, apptest.Cookies(in), apptest.With("Accept", "text/html"),
					apptest.With("Sec-Fetch-Site", "same-origin")).Want(t, http.StatusSeeOther)
				rest, err := io.ReadAll(events)
				if err != nil || !strings.Contains(string(rest), "event: ended\n") {
					t.Errorf("%s: the stream ends with %q, %v", b.App, rest, err)
				}
				apptest.Request(t, b, "GET", "/profile", nil, apptest.Cookies(in), withoutRefresh).Want(t, http.StatusSeeOther)
			}
		})
	}
}

func TestEventsNeedASession(t *testing.T) {
	t.Parallel()
	for _, app := range apptest.Apps {
		s := apptest.Start(t, app)
		apptest.Request(t, s, "GET", "/events", nil, apptest.With("Accept", "text/event-stream")).Want(t, http.StatusUnauthorized)
		apptest.Request(t, s, "GET", "/events", nil).Want(t, http.StatusSeeOther)
		in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusSeeOther)
		events := stream(t, s, apptest.Cookies(in))
		for range 3 { // an empty line and the event of the next second
			if _, err := events.ReadString('\n'); err != nil {
				t.Errorf("%s: %v", app, err)
			}
		}
		if code := s.Interrupt(); code != 0 { // the server does not wait for the stream
			t.Errorf("%s exits with %d", app, code)
		}
	}
}
