package e2e_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

// onEveryApp runs a test on each example.
func onEveryApp(t *testing.T, test func(t *testing.T, app string)) {
	t.Parallel()
	for _, app := range apps {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			test(t, app)
		})
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	tests := []struct {
		flags string
		says  string
	}{
		{"-refresh-ttl 1m", "-refresh-ttl 1m0s is shorter than -access-ttl 15m0s"},
		{"-access-ttl 0s", "-access-ttl is 0s"},
		{"-access-ttl 1500ms", "whole seconds"},
		{"-refresh-ttl 99999h", "400 days"},
		{"-refresh-ttl=-1h", "-refresh-ttl"},
		{"-idle=-1s", "-idle must not be negative"},
		{"-idle 1m", "-idle 1m0s is shorter than -access-ttl 15m0s"},
		{"-idle 8h -refresh-ttl 8h", "-refresh-ttl 8h0m0s is shorter than -idle"},
		{"-grace 0s", "-grace must be positive"},
		{"-recent 59s", "-recent 59s is shorter than twice -grace 30s"},
		{"-settle=-1s", "-settle must not be negative"},
		{"-secret short", "-secret has 5 bytes, want at least 32"},
		{"-redis 127.0.0.1:6379", "-redis: "},
		{"-redis http://127.0.0.1", "-redis: "},
		{"-redis redis://127.0.0.1:6379 -db app.db", "-db and -redis"},
		{"-db /nowhere/app.db", "-db: "},
		{"-device-bound", "-device-bound needs https"},
		{"-admin " + strings.Repeat("x", 33), "-admin: "},
		{"-access-ttl soon", "invalid value"},
		{"-no-such-flag", "not defined"},
		{"stray", `unexpected argument "stray"`},
	}
	onEveryApp(t, func(t *testing.T, app string) {
		for _, tt := range tests {
			code, says := refusedStart(t, app, strings.Fields(tt.flags)...)
			if code != 2 || !strings.Contains(says, tt.says) || strings.Contains(says, "goroutine") {
				t.Errorf("%s exits with %d and says %q, want 2 and %q in it", tt.flags, code, says, tt.says)
			}
		}
	})
}

func TestInterruptEndsInPeace(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		s := start(t, app)
		signUp(t, s, newName())
		if code := s.interrupt(); code != 0 {
			t.Errorf("exit code %d\n%s", code, s.logged())
		}
	})
}

func TestSecureCookies(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		for flag, secure := range map[string]bool{"-secure": true, "-secure=false": false} {
			s := start(t, app, flag)
			lines := request(t, s, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusSeeOther).header["Set-Cookie"]
			if len(lines) != 3 {
				t.Fatalf("%s: signing up sets %d cookies", flag, len(lines))
			}
			for _, line := range lines {
				if strings.Contains(line, "; Secure") != secure || strings.HasPrefix(line, "__Host-") != secure || !strings.Contains(line, "; HttpOnly") {
					t.Errorf("%s: %.40s…", flag, line)
				}
			}
		}
	})
}

// In hardened mode no answer has a token in it, and everything works by cookie.
func TestHardened(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, app string, flags ...string) {
		s := start(t, app, append(flags, "-hardened")...)
		name := newName()
		tab := signUp(t, s, name)
		noToken := func(what, body string) {
			t.Helper()
			if strings.Contains(body, "eyJ") {
				t.Errorf("%s has a token in it:\n%s", what, body)
			}
		}
		noToken("the profile", tab.Page().Body)
		if got := sessionOf(t, tab.Page()); got == nil || got.User.Username != name || got.AccessToken+got.RefreshToken != "" {
			t.Errorf("the page is of %+v", got)
		}
		p := tab.Submit(url.Values{"bio": {"hard"}})
		wantPage(t, p, http.StatusOK, "/profile")
		noToken("the saved profile", p.Body)
		if got := sessionOf(t, p).User.Bio; got != "hard" {
			t.Errorf("the bio is %q", got)
		}
		if p := tab.Fetch("GET", "/api/me", nil); p.Status != http.StatusOK || !strings.Contains(p.Body, name) {
			t.Errorf("/api/me says %d %s", p.Status, p.Body)
		}
		if err := tab.Refresh(); err != nil {
			t.Errorf("refresh: %v", err)
		}
		request(t, s, "POST", "/profile", url.Values{"bio": {"x"}}).want(t, http.StatusUnauthorized)
		request(t, s, "GET", "/api/me", nil).want(t, http.StatusUnauthorized)
		wantPage(t, tab.Submit(url.Values{"redirect": {"/"}}), http.StatusOK, "/")
		wantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
	})
}

// What a page holds has expired when it is used: the page, the form and the
// session all outlive the access token. The test waits for that once, with all servers.
func TestExpiredAccessToken(t *testing.T) {
	t.Parallel()
	redisURL := testenv.Redis(t).URL()
	var busy, idle []*luciatest.Tab
	for _, app := range apps {
		for _, flags := range [][]string{nil, {"-redis", redisURL, "-secret", secret}} {
			s := start(t, app, append(flags, "-access-ttl", "1s")...)
			busy, idle = append(busy, signUp(t, s, newName())), append(idle, signUp(t, s, newName()))
		}
	}
	for i, tab := range busy {
		before := sessionOf(t, tab.Page())
		poll(t, func() bool { return tab.Fetch("GET", "/api/me", nil).Status == http.StatusUnauthorized })
		p := tab.Submit(url.Values{"bio": {"typed for a long time"}})
		wantPage(t, p, http.StatusOK, "/profile")
		after := sessionOf(t, p)
		if after.User.Bio != "typed for a long time" || after.RefreshToken == before.RefreshToken {
			t.Errorf("%s: the late form left %+v", p.URL, after.User)
		}
		if err := tab.Refresh(); err != nil {
			t.Errorf("%s: refresh: %v", p.URL, err)
		}
		// A tab that has slept: its form signs out with the token that it has.
		wantPage(t, idle[i].Submit(url.Values{"redirect": {"/"}}), http.StatusOK, "/")
		wantPage(t, idle[i].Get("/profile"), http.StatusOK, "/login")
	}
}

// Without a refresh for as long as -refresh-ttl, a session ends.
func TestExpiredSession(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		s := start(t, app, "-access-ttl", "1s", "-settle", "0s", "-grace", "1ms", "-refresh-ttl", "3s")
		tab := signUp(t, s, newName())
		time.Sleep(3100 * time.Millisecond) // the session ends because nobody asks
		err := tab.Refresh()
		if !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("refresh: %v", err)
		}
		wantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
	})
}

// Two honest answers of one refresh token, and then the thief.
func TestStolenSession(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		s := start(t, app, "-settle", "0s", "-grace", "1ms", "-access-ttl", "1s")
		tab := signUp(t, s, newName())
		thief := tab.Steal()
		other := signUp(t, s, newName())
		var err error
		poll(t, func() bool { // the owner goes on; sooner or later the copy is an old one
			if err := tab.Refresh(); err != nil {
				t.Fatal(err)
			}
			tab.Get("/profile")
			err = thief.Steal().Refresh() // always the first token: Steal keeps the thief's own
			return err != nil
		})
		wantPage(t, tab.Get("/login"), http.StatusOK, "/login")
		if err := tab.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("the owner's session lives on beside the thief's: %v", err)
		}
		if err := other.Refresh(); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		if !strings.Contains(s.logged(), "reuse") {
			t.Errorf("the log says nothing of it:\n%s", s.logged())
		}
	})
}

// During an outage of Redis, pages answer 503 and never 500, and no user is signed out.
func TestStoreOutage(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		redis := testenv.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
		s := start(t, app, "-redis", redis.URL(), "-secret", secret, "-access-ttl", "1s")
		name := newName()
		tab := signUp(t, s, name)
		in := request(t, s, "POST", "/login", credentials(name, password)).want(t, http.StatusSeeOther)
		redis.Kill()
		for what, a := range map[string]func() answer{
			"sign-in": func() answer { return request(t, s, "POST", "/login", credentials(name, password)) },
			"sign-up": func() answer { return request(t, s, "POST", "/signup", credentials(newName(), password)) },
			"a page": func() answer {
				return request(t, s, "GET", "/profile", nil, cookies(in), withoutAccess)
			},
		} {
			got := a()
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("%s without Redis: %d, Retry-After %q", what, got.status, got.header.Get("Retry-After"))
			}
			got.noCookies(t)
		}
		for _, path := range []string{"/", "/login", "/signup", "/profile", "/no/such"} {
			a := request(t, s, "GET", path, nil, cookies(in), withoutAccess)
			if path != "/no/such" && (a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "You are still signed in")) {
				t.Errorf("%s without Redis: %d, Retry-After %q\n%.2000s", path, a.status, a.header.Get("Retry-After"), a.body)
			}
			if !strings.Contains(a.body, ">Try again</a>") || !strings.Contains(a.body, "<header") {
				t.Errorf("%s without Redis is no page of the site:\n%.2000s", path, a.body)
			}
			if strings.Contains(a.body, ">Sign up</a>") {
				t.Errorf("%s asks somebody to sign in who is signed in", path)
			}
		}
		// A signed-out visitor needs no records.
		if a := request(t, s, "GET", "/", nil).want(t, http.StatusOK); !strings.Contains(a.body, ">Sign up</a>") {
			t.Errorf("a signed-out visitor is not asked to sign up:\n%.2000s", a.body)
		}
		if err := tab.Refresh(); !errors.Is(err, session.CodeDatabaseFetchFailed) {
			t.Errorf("refresh without Redis: %v", err)
		}
		redis.Restart()
		var err error
		poll(t, func() bool { // until the server's connections have noticed
			err = tab.Refresh()
			return !errors.Is(err, session.CodeDatabaseFetchFailed)
		})
		if err != nil {
			t.Errorf("refresh with Redis again: %v", err)
		}
		wantPage(t, tab.Get("/profile"), http.StatusOK, "/profile")
	})
}

// The examples start without Redis and work when it comes.
func TestStartWithoutRedis(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		redis := testenv.Redis(t)
		redis.Kill()
		s := start(t, app, "-redis", redis.URL(), "-secret", secret)
		request(t, s, "GET", "/", nil).want(t, http.StatusOK)
		request(t, s, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusServiceUnavailable).noCookies(t)
		redis.Restart()
		name := newName()
		b := luciatest.NewBrowserAt(t, s.URL, nil)
		var p *luciatest.Page
		poll(t, func() bool {
			p = b.Open("/signup").Submit(credentials(name, password))
			return p.Status != http.StatusServiceUnavailable
		})
		wantPage(t, p, http.StatusOK, "/profile")
	})
}
