package e2e_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

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
		{"-timeout=-1s", "-timeout must not be negative"},
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
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		for _, tt := range tests {
			code, says := apptest.RefusedStart(t, app, strings.Fields(tt.flags)...)
			if code != 2 || !strings.Contains(says, tt.says) || strings.Contains(says, "goroutine") {
				t.Errorf("%s exits with %d and says %q, want 2 and %q in it", tt.flags, code, says, tt.says)
			}
		}
	})
}

func TestInterruptEndsInPeace(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		s := apptest.Start(t, app)
		apptest.SignUp(t, s, apptest.NewName())
		if code := s.Interrupt(); code != 0 {
			t.Errorf("exit code %d\n%s", code, s.Logged())
		}
	})
}

func TestSecureCookies(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		for flag, secure := range map[string]bool{"-secure": true, "-secure=false": false} {
			s := apptest.Start(t, app, flag)
			lines := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusSeeOther).Header["Set-Cookie"]
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

// In hardened mode no answer contains a token, and everything works by cookie.
func TestHardened(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, app string, flags ...string) {
		s := apptest.Start(t, app, append(flags, "-hardened")...)
		name := apptest.NewName()
		tab := apptest.SignUp(t, s, name)
		noToken := func(what, body string) {
			t.Helper()
			if strings.Contains(body, "eyJ") {
				t.Errorf("%s contains a token:\n%s", what, body)
			}
		}
		noToken("the profile", tab.Page().Body)
		if got := apptest.SessionOf(t, tab.Page()); got == nil || got.User.Username != name || got.AccessToken+got.RefreshToken != "" {
			t.Errorf("the page is of %+v", got)
		}
		p := tab.Submit(url.Values{"bio": {"hard"}})
		apptest.WantPage(t, p, http.StatusOK, "/profile")
		noToken("the saved profile", p.Body)
		if got := apptest.SessionOf(t, p).User.Bio; got != "hard" {
			t.Errorf("the bio is %q", got)
		}
		if p := tab.Fetch("GET", "/api/me", nil); p.Status != http.StatusOK || !strings.Contains(p.Body, name) {
			t.Errorf("/api/me says %d %s", p.Status, p.Body)
		}
		if err := tab.Refresh(); err != nil {
			t.Errorf("refresh: %v", err)
		}
		apptest.Request(t, s, "POST", "/profile", url.Values{"bio": {"x"}}).Want(t, http.StatusUnauthorized)
		apptest.Request(t, s, "GET", "/api/me", nil).Want(t, http.StatusUnauthorized)
		apptest.WantPage(t, tab.Submit(url.Values{"redirect": {"/"}}), http.StatusOK, "/")
		apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
	})
}

// A page and its form still work when the access token in them has expired. The test waits for the
// expiry once, with all servers.
func TestExpiredAccessToken(t *testing.T) {
	t.Parallel()
	redisURL := testenv.Redis(t).URL()
	var busy, idle []*luciatest.Tab
	for _, app := range apptest.Apps {
		for _, flags := range [][]string{nil, {"-redis", redisURL, "-secret", apptest.Secret}} {
			s := apptest.Start(t, app, append(flags, "-access-ttl", "1s")...)
			busy, idle = append(busy, apptest.SignUp(t, s, apptest.NewName())), append(idle, apptest.SignUp(t, s, apptest.NewName()))
		}
	}
	for i, tab := range busy {
		before := apptest.SessionOf(t, tab.Page())
		apptest.Poll(t, func() bool { return tab.Fetch("GET", "/api/me", nil).Status == http.StatusUnauthorized })
		p := tab.Submit(url.Values{"bio": {"typed for a long time"}})
		apptest.WantPage(t, p, http.StatusOK, "/profile")
		after := apptest.SessionOf(t, p)
		// The refresh token may be the same: on a busy machine the page had the second one already.
		if after.User.Bio != "typed for a long time" || after.AccessToken == before.AccessToken {
			t.Errorf("%s: the late form left %+v", p.URL, after.User)
		}
		if err := tab.Refresh(); err != nil {
			t.Errorf("%s: refresh: %v", p.URL, err)
		}
		// After the sleep of a machine the form signs out with an expired token.
		apptest.WantPage(t, idle[i].Submit(url.Values{"redirect": {"/"}}), http.StatusOK, "/")
		apptest.WantPage(t, idle[i].Get("/profile"), http.StatusOK, "/login")
	}
}

// A session ends if it is not refreshed for -refresh-ttl.
func TestExpiredSession(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		const life = 10 * time.Second // in which the sign-up, too, has to get to the profile
		s := apptest.Start(t, app, "-access-ttl", "1s", "-settle", "0s", "-grace", "1ms", "-refresh-ttl", life.String())
		tab := apptest.SignUp(t, s, apptest.NewName())
		time.Sleep(life + 100*time.Millisecond) // the session ends because no request refreshes it
		err := tab.Refresh()
		if !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("refresh: %v", err)
		}
		apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
	})
}

// The owner rotates twice, and then a thief uses the first token.
func TestStolenSession(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		s := apptest.Start(t, app, "-settle", "0s", "-grace", "1ms", "-access-ttl", "1s")
		tab := apptest.SignUp(t, s, apptest.NewName())
		thief := tab.Steal()
		other := apptest.SignUp(t, s, apptest.NewName())
		var err error
		apptest.Poll(t, func() bool { // the owner continues until the copied token is an old one
			if err := tab.Refresh(); err != nil {
				t.Fatal(err)
			}
			tab.Get("/profile")
			err = thief.Steal().Refresh() // Steal copies the tab, so the thief always has the first token
			return err != nil
		})
		apptest.WantPage(t, tab.Get("/login"), http.StatusOK, "/login")
		if err := tab.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("the owner's session has not ended: %v", err)
		}
		if err := other.Refresh(); err != nil {
			t.Errorf("another user: %v", err)
		}
		apptest.Poll(t, func() bool { return strings.Contains(s.Logged(), "reuse") })
	})
}

// During an outage of Redis, pages answer 503 and never 500, and no user is signed out.
func TestStoreOutage(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		redis := testenv.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
		s := apptest.Start(t, app, "-redis", redis.URL(), "-secret", apptest.Secret, "-access-ttl", "1s")
		name := apptest.NewName()
		tab := apptest.SignUp(t, s, name)
		in := apptest.Request(t, s, "POST", "/login", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
		redis.Kill()
		for what, a := range map[string]func() apptest.Answer{
			"sign-in": func() apptest.Answer {
				return apptest.Request(t, s, "POST", "/login", apptest.Credentials(name, apptest.Password))
			},
			"sign-up": func() apptest.Answer {
				return apptest.Request(t, s, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password))
			},
			"a page": func() apptest.Answer {
				return apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(in), apptest.WithoutAccess)
			},
		} {
			got := a()
			if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
				t.Errorf("%s without Redis: %d, Retry-After %q", what, got.Status, got.Header.Get("Retry-After"))
			}
			got.NoCookies(t)
		}
		for _, path := range []string{"/", "/login", "/signup", "/profile", "/no/such"} {
			a := apptest.Request(t, s, "GET", path, nil, apptest.Cookies(in), apptest.WithoutAccess)
			if path != "/no/such" && (a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.Body, "You are still signed in")) {
				t.Errorf("%s without Redis: %d, Retry-After %q\n%.2000s", path, a.Status, a.Header.Get("Retry-After"), a.Body)
			}
			if !strings.Contains(a.Body, ">Try again</a>") || !strings.Contains(a.Body, "<header") {
				t.Errorf("%s without Redis is no page of the site:\n%.2000s", path, a.Body)
			}
			if strings.Contains(a.Body, ">Sign up</a>") {
				t.Errorf("%s asks a signed-in person to sign in", path)
			}
		}
		// Pages for signed-out visitors need no store.
		if a := apptest.Request(t, s, "GET", "/", nil).Want(t, http.StatusOK); !strings.Contains(a.Body, ">Sign up</a>") {
			t.Errorf("a signed-out visitor is not asked to sign up:\n%.2000s", a.Body)
		}
		if err := tab.Refresh(); !errors.Is(err, session.CodeDatabaseFetchFailed) {
			t.Errorf("refresh without Redis: %v", err)
		}
		redis.Restart()
		var err error
		apptest.Poll(t, func() bool { // until the server's connections work again
			err = tab.Refresh()
			return !errors.Is(err, session.CodeDatabaseFetchFailed)
		})
		if err != nil {
			t.Errorf("refresh with Redis again: %v", err)
		}
		apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/profile")
	})
}

// The examples start without Redis and work when it is available.
func TestStartWithoutRedis(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		redis := testenv.Redis(t)
		redis.Kill()
		s := apptest.Start(t, app, "-redis", redis.URL(), "-secret", apptest.Secret)
		apptest.Request(t, s, "GET", "/", nil).Want(t, http.StatusOK)
		apptest.Request(t, s, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusServiceUnavailable).NoCookies(t)
		redis.Restart()
		name := apptest.NewName()
		b := luciatest.NewBrowserAt(t, s.URL, nil)
		var p *luciatest.Page
		apptest.Poll(t, func() bool {
			p = b.Open("/signup").Submit(apptest.Credentials(name, apptest.Password))
			return p.Status != http.StatusServiceUnavailable
		})
		apptest.WantPage(t, p, http.StatusOK, "/profile")
	})
}
