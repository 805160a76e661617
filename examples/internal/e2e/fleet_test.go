package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
)

// Two servers on one Redis are one app, even on different frameworks.
func TestTwoServersShareSignIns(t *testing.T) {
	t.Parallel()
	flags := []string{"-redis", testenv.Redis(t).URL(), "-secret", apptest.Secret}
	for i, app := range apptest.Apps {
		a, b := apptest.Start(t, app, flags...), apptest.Start(t, apptest.Apps[(i+1)%len(apptest.Apps)], flags...)
		name := apptest.NewName()
		in := apptest.Request(t, a, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
		apptest.Request(t, b, "GET", "/profile", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
		refreshed := apptest.Request(t, b, "GET", "/profile", nil, apptest.Cookies(in), apptest.WithoutAccess).Want(t, http.StatusOK)
		if len(refreshed.Header["Set-Cookie"]) == 0 {
			t.Errorf("%s does not refresh what %s has signed in", b.App, a.App)
		}
		apptest.Request(t, b, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusConflict)
		tab := apptest.SignIn(t, b, name)
		apptest.WantPage(t, tab.Submit(url.Values{"bio": {"on both"}}), http.StatusOK, "/profile")
		if got := apptest.SessionOf(t, apptest.SignIn(t, a, name).Page()).User.Bio; got != "on both" {
			t.Errorf("%s knows the bio %q", a.App, got)
		}
		if err := tab.SignOut(); err != nil {
			t.Errorf("sign-out: %v", err)
		}
	}
}

// fleet is two servers behind one name, like a load balancer without sticky sessions. Each request
// goes to either server, or to the other one if that server is down.
type fleet struct {
	servers [2]*apptest.Server
	down    atomic.Int64 // requests to a server that was down
	served  atomic.Int64
	later   atomic.Int64 // answers 503
}

// RoundTrip implements http.RoundTripper.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	first := rand.IntN(2)
	for i := range f.servers {
		to, err := url.Parse(f.servers[(first+i)%2].URL)
		if err != nil {
			return nil, err
		}
		out := r.Clone(r.Context())
		out.URL.Host, out.Host = to.Host, r.URL.Host
		if r.GetBody != nil {
			if out.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
		resp, err := http.DefaultTransport.RoundTrip(out)
		if err == nil {
			f.served.Add(1)
			if resp.StatusCode == http.StatusServiceUnavailable {
				f.later.Add(1)
			}
			return resp, nil
		}
		f.down.Add(1)
	}
	return nil, errors.New("both servers are down")
}

// stay uses one session until ctx ends, as fast as it can: refreshes by script, and requests of the
// session by cookie. It returns how the session was lost, or "".
func (f *fleet) stay(ctx context.Context, tab *luciatest.Tab) (lost string) {
	for ctx.Err() == nil {
		if err := tab.Refresh(); err != nil && !tab.SignedIn() {
			return "refresh: " + err.Error()
		}
		page := tab.Fetch("GET", "/api/auth/session", nil)
		if page.Status == http.StatusOK {
			var body struct {
				Session json.RawMessage `json:"_lucia"`
			}
			if err := json.Unmarshal([]byte(page.Body), &body); err != nil || string(body.Session) == "null" {
				return "session: " + page.Body
			}
		}
	}
	return ""
}

// generationOf reads the generation in an access token.
func generationOf(t *testing.T, token string) int {
	t.Helper()
	var claims struct{ Gen int }
	parts := strings.Split(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(parts[len(parts)/2])
	if err == nil {
		err = json.Unmarshal(data, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims.Gen
}

// Servers are killed and restarted in turn while people refresh as fast as they can. All sessions
// survive.
func TestKilledServersSignNobodyOut(t *testing.T) {
	t.Parallel()
	const people, kills = 8, 6
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) {
			flags := []string{"-redis", testenv.Redis(t).URL(), "-secret", apptest.Secret, "-settle", "0s", "-grace", "500ms"}
			f := &fleet{servers: [2]*apptest.Server{apptest.Start(t, app, flags...), apptest.Start(t, app, flags...)}}
			var tabs []*luciatest.Tab
			for range people {
				tab := luciatest.NewBrowserAt(t, "http://app.example", f).Open("/signup")
				apptest.WantPage(t, tab.Submit(apptest.Credentials(apptest.NewName(), apptest.Password)), http.StatusOK, "/profile")
				tabs = append(tabs, tab)
			}
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var lost atomic.Int64
			for _, tab := range tabs {
				wg.Go(func() {
					if why := f.stay(ctx, tab); why != "" {
						lost.Add(1)
						t.Errorf("a session was lost: %s", why)
					}
				})
			}
			const between, answers = 500 * time.Millisecond, 5 * people // at least, between two kills
			for i := range kills {
				before := f.served.Load()
				time.Sleep(between)
				apptest.Poll(t, func() bool { return f.served.Load() >= before+answers })
				f.servers[i%2].Restart()
			}
			stop()
			wg.Wait()
			rotations := 0
			for _, tab := range tabs {
				p := tab.Get("/profile")
				apptest.WantPage(t, p, http.StatusOK, "/profile")
				rotations += generationOf(t, apptest.SessionOf(t, p).AccessToken) - 1
			}
			if rotations < people {
				t.Errorf("only %d rotations for %d people, so this tests nothing", rotations, people)
			}
			for _, s := range f.servers {
				if log := s.Logged(); strings.Contains(log, "reuse") {
					t.Errorf("the reuse of an honest person was reported:\n%s", log)
				}
			}
			t.Logf("%s: %d people, %d kills, %d rotations, %d answers, %d requests to a dead server, %d answers 503, %d signed out",
				app, people, kills, rotations, f.served.Load(), f.down.Load(), f.later.Load(), lost.Load())
		})
	}
}
