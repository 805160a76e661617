package middleware_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

const (
	idleTimeout = 30 * time.Minute
	idleAccess  = 15 * time.Minute
	idleGrace   = 30 * time.Second
	idleBound   = idleTimeout + idleAccess + idleGrace
)

// newIdleApp returns an app whose sessions end without activity, and a browser that has just signed
// in.
func newIdleApp(t testing.TB, change func(*middleware.Config[profile])) (*app, *browser) {
	t.Helper()
	a := newApp(t, func(c *middleware.Config[profile]) {
		c.IdleTimeout, c.AccessTTL, c.Grace = idleTimeout, idleAccess, idleGrace
		if change != nil {
			change(c)
		}
	})
	return a, newBrowser(t, a).signIn("ann")
}

// left returns how long the session of ann lives unless there is an activity, or 0.
func (a *app) left(t testing.TB) time.Duration {
	t.Helper()
	live, err := a.store.List(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range live {
		return rec.ExpiresAt.Sub(session.InstantOf(time.Now()))
	}
	return 0
}

// TestWhatCountsAsActivity sends each kind of request when a refresh is due, and checks whether it
// extends the session.
func TestWhatCountsAsActivity(t *testing.T) {
	t.Parallel()
	const html = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
	fetch := []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Accept", "*/*"}
	fetched := func(more ...string) []string { return append(fetch[:len(fetch):len(fetch)], more...) }
	tests := []struct {
		name   string
		method string
		header []string
		want   bool
	}{
		{"page navigation", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate"}, true},
		{"form", "POST", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate"}, true},
		{"page that a service worker passes on", "GET", []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "navigate"}, true},
		{"page, browser without fetch metadata", "GET", []string{"Accept", html}, true},
		{"form, browser without fetch metadata", "POST", []string{"Accept", html}, true},
		{"frame that a person opens", "GET", []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1"}, true},
		{"frame that loads by itself", "GET", []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate"}, false},
		{"object that loads by itself", "GET", []string{"Sec-Fetch-Dest", "object", "Sec-Fetch-Mode", "navigate"}, false},
		{"link of another site", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-User", "?1"}, true},
		{"window that another site leads here", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site"}, false},
		{"window that a host of the same site leads here", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-site"}, false},
		{"page by an address that a person enters", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none"}, true},
		{"page of the same origin by script", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin"}, true},
		{"fetch of a page by a host of the same site", "GET", []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-site", "Accept", "text/html", "Origin", "https://other.example.com"}, false},
		{"fetch of a page by another origin, without fetch metadata", "GET", []string{"Accept", "text/html", "Origin", "https://evil.example"}, false},
		{"fetch of another origin, reporting", "GET", fetched("Lucia-Active", "0", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), false},
		{"fetch of a trusted origin, reporting", "GET", fetched("Lucia-Active", "0", "Sec-Fetch-Site", "same-site", "Origin", "https://trusted.example.com"), true},
		{"htmx", "GET", fetched("HX-Request", "true"), false},
		{"htmx, POST", "POST", fetched("HX-Request", "true"), true},
		{"htmx, boosted link", "GET", fetched("HX-Request", "true", "HX-Boosted", "true"), true},
		{"htmx, back to a page", "GET", fetched("HX-Request", "true", "HX-History-Restore-Request", "true"), true},
		{"Turbo visit", "GET", []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Accept", "text/html, application/xhtml+xml"}, true},
		{"Turbo frame", "GET", fetched("Turbo-Frame", "main"), false},
		{"Turbo frame, form", "POST", fetched("Turbo-Frame", "main"), true},
		{"Unpoly", "GET", fetched("X-Up-Version", "3.10"), false},
		{"Unpoly form", "POST", fetched("X-Up-Version", "3.10"), true},
		{"fetch", "GET", fetch, false},
		{"fetch, POST", "POST", fetch, false},
		{"EventSource", "GET", []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Accept", "text/event-stream"}, false},
		{"image", "GET", []string{"Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors"}, false},
		{"prefetch of a page", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch"}, false},
		{"prerender", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch;prerender"}, false},
		{"WebSocket", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Lucia-Active", "0"}, false},
		{"curl", "GET", nil, false},
		{"fetch for a person", "GET", fetched("Lucia-Active", "0"), true},
		{"page with an invalid header", "GET", []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Lucia-Active", "never"}, false},
		{"prefetch with the header", "GET", fetched("Sec-Purpose", "prefetch", "Lucia-Active", "0"), false},
		{"GET session", "SESSION", fetch, false},
		{"GET session, reporting", "SESSION", fetched("Lucia-Active", "0"), true},
		{"POST refresh", "REFRESH", fetch, false},
		{"POST refresh, reporting", "REFRESH", fetched("Lucia-Active", "0"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, b := newIdleApp(t, func(c *middleware.Config[profile]) {
					c.TrustedOrigins = []string{"https://trusted.example.com"}
				})
				time.Sleep(20 * time.Minute)
				method, target := tt.method, "/page"
				switch tt.method {
				case "SESSION":
					method, target = "GET", "/api/auth/session"
				case "REFRESH":
					method, target = "POST", "/api/auth/refresh"
					tt.header = append(tt.header, "Authorization", "Bearer "+b.bearer)
				}
				b.do(method, target, nil, tt.header...)
				want := idleBound - 20*time.Minute
				if tt.want {
					want = idleBound
				}
				if got := a.left(t); got != want {
					t.Errorf("the session ends in %v, want %v", got, want)
				}
			})
		})
	}
}

// A report counts from the moment that it names, whatever the mode. An invalid one is no activity,
// and none counts as later than now.
func TestReportsOfActivity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		header []string
		ago    time.Duration // -1: no activity
	}{
		{[]string{"0"}, 0},
		{[]string{"1"}, time.Second},
		{[]string{"60"}, time.Minute},
		{[]string{"0060"}, time.Minute},
		{[]string{"1200"}, -1}, // the sign-in
		{[]string{"4294967295"}, -1},
		{[]string{"4294967296"}, -1},
		{[]string{"99999999999999999999"}, -1},
		{[]string{"-1"}, -1},
		{[]string{"+1"}, -1},
		{[]string{"1.5"}, -1},
		{[]string{"0x10"}, -1},
		{[]string{" 1"}, -1},
		{[]string{""}, -1},
		{[]string{"0", "0"}, -1},
		{[]string{"now"}, -1},
	}
	for _, hardened := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%q, hardened %v", tt.header, hardened), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					a, b := newIdleApp(t, func(c *middleware.Config[profile]) { c.Hardened = hardened })
					time.Sleep(20 * time.Minute)
					r := b.request("POST", "/api/auth/refresh", nil)
					if !hardened {
						r.Header.Set("Authorization", "Bearer "+b.bearer)
					}
					r.Header["Lucia-Active"] = tt.header
					if resp := b.send(r); resp.StatusCode != 200 {
						t.Fatalf("status %d", resp.StatusCode)
					}
					want := idleBound - 20*time.Minute
					if tt.ago >= 0 {
						want = idleBound - tt.ago
					}
					if got := a.left(t); got != want {
						t.Errorf("the session ends in %v, want %v", got, want)
					}
				})
			})
		}
	}
}

// An open tab that only refreshes keeps its session for IdleTimeout and no longer than the limit.
func TestIdleSessionEndsAlthoughATabIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ended []session.Event
		a, b := newIdleApp(t, func(c *middleware.Config[profile]) {
			c.OnEvent = func(e session.Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Kind == session.EventEnded {
					ended = append(ended, e)
				}
			}
		})
		begin := time.Now()
		for {
			status, code := b.refresh()
			age := time.Since(begin)
			if status != 200 {
				if age < idleBound || code != string(session.CodeUnauthorized) {
					t.Errorf("after %v: %d %s", age, status, code)
				}
				break
			}
			if age >= idleBound {
				t.Fatalf("still signed in after %v", age)
			}
			time.Sleep(min(14*time.Minute, max(time.Second, idleBound-age)))
		}
		if left := a.left(t); left != 0 {
			t.Errorf("the store has the session for another %v", left)
		}
		if said := b.navigate("/page"); strings.Contains(said, "ann") {
			t.Errorf("page after the end: %s", said)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(ended) != 1 || ended[0].Cause != session.CauseIdle || ended[0].UserID != "ann" || ended[0].SessionID == (session.ID{}) {
			t.Errorf("events %+v, want one end with CauseIdle", ended)
		}
	})
}

// A person who reads pages is never signed out, whether their access tokens were issued to page
// views or to background refreshes. Page views with a token issued to a page view cost no store
// call.
func TestPageViewsKeepASessionAlive(t *testing.T) {
	t.Parallel()
	for _, background := range []bool{false, true} {
		t.Run(fmt.Sprintf("background refreshes: %v", background), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, b := newIdleApp(t, nil)
				for range 20 {
					// Almost IdleTimeout passes, in which a script may refresh several times.
					for range 29 {
						time.Sleep(time.Minute)
						if background {
							b.do("GET", "/page", nil, "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors")
						}
					}
					before := a.store.calls.Load()
					for i := range 14 { // within AccessTTL
						if said := b.navigate("/page"); !strings.HasPrefix(said, "ann") {
							t.Fatalf("page view: %s", said)
						}
						if calls := a.store.calls.Load() - before; calls != 1 {
							t.Fatalf("%d store calls by page view %d, want 1 by the first", calls, i)
						}
						time.Sleep(time.Minute)
					}
				}
			})
		})
	}
}

// Without IdleTimeout nothing changes: no claim, no attribute, no header of the answer, no store
// call.
func TestWithoutIdleTimeoutNothingChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("ann")
		page := text(t, b.do("GET", "/page", nil, "Sec-Fetch-Dest", "document", "Lucia-Active", "0"))
		body := text(t, b.do("GET", "/api/auth/session", nil, "Lucia-Active", "0"))
		if strings.Contains(page+body, "idle") {
			t.Errorf("idle in %s or %s", page, body)
		}
		if calls := a.store.calls.Load(); calls != 1 {
			t.Errorf("%d store calls, want that of the sign-in", calls)
		}
		left := a.left(t)
		time.Sleep(time.Hour)
		b.refresh()
		if got := a.left(t); got != left {
			t.Errorf("a background refresh leaves %v, want %v", got, left)
		}
	})
}

func TestPageDataContainsIdleTimeout(t *testing.T) {
	t.Parallel()
	_, b := newIdleApp(t, nil)
	if page := text(t, b.do("GET", "/page", nil, "Sec-Fetch-Dest", "document")); !strings.Contains(page, `" data-idle="1800">`) {
		t.Errorf("page data: %s", page)
	}
	if body := text(t, b.do("GET", "/api/auth/session", nil)); !strings.Contains(body, `,"idle":1800,"session_id":"`) {
		t.Errorf("GET session: %s", body)
	}
	b = newBrowser(t, b.app)
	if page := text(t, b.do("GET", "/page", nil, "Sec-Fetch-Dest", "document")); strings.Contains(page, "idle") {
		t.Errorf("page data of a signed-out visitor: %s", page)
	}
	if body := text(t, b.do("GET", "/api/auth/session", nil)); strings.Contains(body, "idle") {
		t.Errorf("GET session of a signed-out visitor: %s", body)
	}
}

// The refresh cookie outlives the end that is known when it is set, because an activity may
// postpone that end without setting the cookie again.
func TestRefreshCookieOutlivesTheIdleEnd(t *testing.T) {
	t.Parallel()
	a, b := newIdleApp(t, nil)
	resp := b.do("POST", "/login?user=bob", nil)
	for _, c := range resp.Cookies() {
		if strings.HasSuffix(c.Name, "encrypt_refresh_token") && c.MaxAge != int(middleware.DefaultRefreshTTL/time.Second) {
			t.Errorf("Max-Age %d, want RefreshTTL", c.MaxAge)
		}
	}
	_ = a
}

// A page view after background refreshes tells the store of the activity. It works without the
// store, and ends with the session.
func TestPageViewAfterBackgroundRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := newIdleApp(t, nil)
		time.Sleep(16 * time.Minute)
		b.refresh()
		a.store.set(errDown, false)
		if said := b.navigate("/page"); said != "ann fresh" {
			t.Errorf("store down: %s", said)
		}
		a.store.set(nil, false)
		if said := b.navigate("/page"); said != "ann current" {
			t.Errorf("store up: %s", said)
		}
		if said := b.navigate("/page"); said != "ann fresh" {
			t.Errorf("next page: %s", said)
		}
		time.Sleep(16 * time.Minute)
		b.refresh()
		if err := a.store.DeleteUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		resp := b.do("GET", "/page", nil, "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors")
		if said := text(t, resp); !strings.HasPrefix(said, "ann fresh") {
			t.Errorf("script, session ended: %s", said)
		}
		if said := b.navigate("/page"); said != "expired" {
			t.Errorf("page, session ended: %s", said)
		}
		if len(b.cookies) != 1 {
			t.Errorf("cookies %v, want the fingerprint alone", b.cookies)
		}
	})
}

func TestIdleTimeoutIsChecked(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*middleware.Config[profile]){
		"IdleTimeout is negative":                  func(c *middleware.Config[profile]) { c.IdleTimeout = -1 },
		"is shorter than AccessTTL":                func(c *middleware.Config[profile]) { c.IdleTimeout = time.Minute },
		"want at least 8h15m30s (IdleTimeout, Acc": func(c *middleware.Config[profile]) { c.IdleTimeout, c.RefreshTTL = 8*time.Hour, 8*time.Hour },
	} {
		config := middleware.Config[profile]{Secret: []byte(strings.Repeat("s", 32)), Store: newApp(t, nil).store, LoadUser: noUser}
		change(&config)
		if _, err := middleware.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// With background refreshes and no person, the last access token is accepted for IdleTimeout +
// AccessTTL + Grace and the leeway at most. With the values of docs/choosing.md for AAL2 that is
// less than NIST's 30 minutes.
func TestIdleSessionIsAcceptedWithinItsBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const idle, access = 23 * time.Minute, 5 * time.Minute
		const bound = idle + access + middleware.DefaultGrace + access/10
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.IdleTimeout, c.AccessTTL, c.RefreshTTL = idle, access, time.Hour
		})
		b := newBrowser(t, a).signIn("ann")
		begin, last := time.Now(), time.Duration(0)
		for i := 1; time.Since(begin) < 40*time.Minute; i++ {
			time.Sleep(5 * time.Second)
			resp := b.send(b.request("GET", "/private", nil, "Authorization", "Bearer "+b.access, "Sec-Fetch-Mode", "cors"))
			if resp.StatusCode == http.StatusOK {
				last = time.Since(begin)
			}
			if i%12 == 0 { // once a minute
				b.refresh()
			}
		}
		if last > bound || last <= idle || bound > 29*time.Minute {
			t.Errorf("accepted until %v after the last activity, want between %v and %v", last, idle, bound)
		}
	})
}
