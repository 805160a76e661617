package e2e_test

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

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
func stream(t *testing.T, s *server, options ...func(*http.Request)) *bufio.Reader {
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

// A sign-out on one server ends the stream of events on another one, and its access token counts
// for nothing there. With -feed=false it counts until it expires.
func TestEndsAreFeltOnOtherServers(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]func(*testing.T) []string{
		"redis":  func(t *testing.T) []string { return []string{"-redis", testenv.Redis(t).URL(), "-feed"} },
		"sqlite": func(t *testing.T) []string { return []string{"-db", filepath.Join(t.TempDir(), "app.db")} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := append(flags(t), "-secret", secret)
			for i, app := range apps {
				a, b := start(t, app, shared...), start(t, apps[(i+1)%len(apps)], shared...)
				in := request(t, a, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusSeeOther)
				events := stream(t, b, cookies(in))
				request(t, b, "GET", "/profile", nil, cookies(in), withoutRefresh).want(t, http.StatusOK)
				request(t, a, "POST", "/api/auth/logout", url.Values{}, cookies(in), with("Accept", "text/html"),
					with("Sec-Fetch-Site", "same-origin")).want(t, http.StatusSeeOther)
				rest, err := io.ReadAll(events)
				if err != nil || !strings.Contains(string(rest), "event: ended\n") {
					t.Errorf("%s: the stream ends with %q, %v", b.app, rest, err)
				}
				request(t, b, "GET", "/profile", nil, cookies(in), withoutRefresh).want(t, http.StatusSeeOther)
			}
		})
	}
}

func TestEventsNeedASession(t *testing.T) {
	t.Parallel()
	for _, app := range apps {
		s := start(t, app)
		request(t, s, "GET", "/events", nil, with("Accept", "text/event-stream")).want(t, http.StatusUnauthorized)
		request(t, s, "GET", "/events", nil).want(t, http.StatusSeeOther)
		in := request(t, s, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusSeeOther)
		events := stream(t, s, cookies(in))
		for range 3 { // the empty line, and the event of the next second
			if _, err := events.ReadString('\n'); err != nil {
				t.Errorf("%s: %v", app, err)
			}
		}
		if code := s.interrupt(); code != 0 { // does not wait for the stream
			t.Errorf("%s exits with %d", app, code)
		}
	}
}
