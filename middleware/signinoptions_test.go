package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// withOptions is an app whose POST /begin signs in with options.
func withOptions(t testing.TB, change func(*middleware.Config[profile]), options func() []middleware.SignInOption) *app {
	a := newApp(t, change)
	mux := http.NewServeMux()
	mux.Handle("/", a.handler)
	mux.Handle("POST /begin", a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.auth.SignIn(w, r, r.URL.Query().Get("user"), options()...); err != nil {
			middleware.WriteError(w, err)
		}
	})))
	mux.Handle("POST /stop", a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.auth.StopActing(w, r); err != nil {
			middleware.WriteError(w, err)
		}
	})))
	mux.Handle("POST /out", a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.auth.SignOut(w, r); err != nil {
			middleware.WriteError(w, err)
		}
	})))
	a.handler = mux
	return a
}

// maxAges returns the Max-Age of each cookie that a response sets, 0 if it has none.
func maxAges(resp *http.Response) map[string]int {
	ages := map[string]int{}
	for _, c := range resp.Cookies() {
		ages[c.Name] = c.MaxAge
	}
	return ages
}

// The cookies of a session that is not remembered have no Max-Age, at the sign-in and after a
// refresh.
func TestCookiesOfShortSessionHaveNoMaxAge(t *testing.T) {
	t.Parallel()
	for _, remember := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a := withOptions(t, nil, func() []middleware.SignInOption { return []middleware.SignInOption{middleware.Remember(remember)} })
			b := newBrowser(t, a)
			check := func(step string, resp *http.Response, want int) {
				t.Helper()
				ages := maxAges(resp)
				if len(ages) != want {
					t.Errorf("%s sets %v, want %d cookies", step, ages, want)
				}
				for name, age := range ages {
					if (age != 0) != remember {
						t.Errorf("remember %v: %s sets %s with Max-Age %d", remember, step, name, age)
					}
				}
			}
			resp := b.do("POST", "/begin?user=u1", nil)
			check("the sign-in", resp, 3)
			for _, line := range resp.Header["Set-Cookie"] {
				if want := "; Path=/; HttpOnly; SameSite=Lax"; !remember && !strings.HasSuffix(line, want) {
					t.Errorf("%s, want the end %q", line, want)
				}
			}
			time.Sleep(16 * time.Minute)
			check("a refresh", b.do("GET", "/page", nil, "Sec-Fetch-Dest", "document"), 2)
			want(t, "page", b.navigate("/page"), "u1 fresh")
		})
	}
}

func TestTermsReachHandlersAndLoadUser(t *testing.T) {
	t.Parallel()
	end := time.Now().Add(time.Hour)
	var seen session.Terms
	a := withOptions(t, func(c *middleware.Config[profile]) {
		c.LoadUser = func(ctx context.Context, id string) (profile, error) {
			seen = session.TermsOf(ctx)
			return profile{id}, nil
		}
	}, func() []middleware.SignInOption {
		return []middleware.SignInOption{middleware.With("org", "acme"), middleware.With("plan", "pro"), middleware.EndsBy(end), nil}
	})
	newBrowser(t, a).do("POST", "/begin?user=u1", nil)
	if seen.Attributes["org"] != "acme" || seen.Attributes["plan"] != "pro" || !seen.EndsBy.Equal(end.Truncate(time.Second)) {
		t.Errorf("LoadUser sees %+v", seen)
	}
}

func TestInvalidTermsAreBadRequests(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]middleware.SignInOption{
		"ended already":  middleware.EndsBy(time.Now().Add(-time.Minute)),
		"too large":      middleware.With("a", strings.Repeat("x", 300)),
		"not text":       middleware.With("a", "\xff"),
		"without a name": middleware.With("", "x"),
	} {
		a := withOptions(t, nil, func() []middleware.SignInOption { return []middleware.SignInOption{option} })
		resp := newBrowser(t, a).do("POST", "/begin?user=u1", nil)
		if body := text(t, resp); resp.StatusCode != 400 || !strings.Contains(body, "AUTH_INVALID_TERMS") || len(resp.Cookies()) > 0 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

func TestRefusedSignInKeepsTheOthers(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *middleware.Config[profile]) { c.MaxSessions, c.AtMaxSessions = 1, middleware.RefuseNew })
	first := newBrowser(t, a).signIn("u1")
	resp := newBrowser(t, a).do("POST", "/login?user=u1", nil)
	if body := text(t, resp); resp.StatusCode != 409 || !strings.Contains(body, "AUTH_TOO_MANY_SESSIONS") || len(resp.Cookies()) > 0 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	want(t, "the first session", first.navigate("/page"), "u1 fresh")
	first.signIn("u1") // the same browser replaces its own session
	want(t, "the same browser", first.navigate("/page"), "u1 fresh")
}

// acting is an app in which root may act as others, and a browser in which root is signed in.
func acting(t testing.TB) (*app, *browser) {
	a := withOptions(t, nil, func() []middleware.SignInOption {
		return []middleware.SignInOption{middleware.Actor("root", "ticket 12")}
	})
	return a, newBrowser(t, a).signIn("root")
}

func TestActingReturnsToTheActorsOwnSession(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{0, 20 * time.Minute, 50 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			a, b := acting(t)
			user := newBrowser(t, a).signIn("u1")
			before, err := a.auth.Sessions(t.Context(), "root")
			if err != nil || len(before) != 1 {
				t.Fatal(before, err)
			}
			time.Sleep(16 * time.Minute) // the request that begins the acting is refreshed
			want(t, "begin", b.do("POST", "/begin?user=u1", nil, "Sec-Fetch-Dest", "document").StatusCode, 200)
			want(t, "page", b.navigate("/page"), "u1 fresh")
			list, err := a.auth.Sessions(t.Context(), "u1")
			if err != nil || len(list) != 2 || list[0].ActorID != "root" || list[1].ActorID != "" {
				t.Errorf("devices %+v, %v", list, err)
			}
			time.Sleep(wait)
			want(t, "page after "+wait.String(), strings.Fields(b.navigate("/page"))[0], "u1")
			want(t, "stop", b.do("POST", "/stop", nil).StatusCode, 200)
			want(t, "page", b.navigate("/page"), "root fresh")
			want(t, "parked cookies", b.cookies["actor_session"], "")
			after, err := a.auth.Sessions(t.Context(), "root")
			if err != nil || len(after) != 1 || after[0].ID != before[0].ID {
				t.Errorf("root has %+v, want the session %v: %v", after, before[0].ID, err)
			}
			if list, err := a.auth.Sessions(t.Context(), "u1"); err != nil || len(list) != 1 {
				t.Errorf("u1 has %+v, %v", list, err)
			}
			time.Sleep(5 * time.Minute)
			want(t, "root later", b.navigate("/page"), "root fresh")
			time.Sleep(15 * time.Minute)
			want(t, "root after a refresh", strings.Fields(b.navigate("/page"))[0], "root")
			want(t, "the user", strings.Fields(user.navigate("/page"))[0], "u1")
		})
	}
}

func TestActingNeedsTheActorsSession(t *testing.T) {
	t.Parallel()
	a, b := acting(t)
	for name, c := range map[string]*browser{"no session": newBrowser(t, a), "another user": newBrowser(t, a).signIn("u2")} {
		resp := c.do("POST", "/begin?user=u1", nil)
		if body := text(t, resp); resp.StatusCode != 401 || len(resp.Cookies()) > 0 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
		want(t, name+" stops", c.do("POST", "/stop", nil).StatusCode, 401)
	}
	want(t, "acting as oneself", b.do("POST", "/begin?user=root", nil).StatusCode, 400)
	want(t, "begin", b.do("POST", "/begin?user=u1", nil).StatusCode, 200)
	want(t, "while acting", b.do("POST", "/begin?user=u2", nil).StatusCode, 401)
	want(t, "page", b.navigate("/page"), "u1 fresh")
}

// A person who signs out while acting is signed out of both sessions.
func TestSignOutWhileActingEndsBoth(t *testing.T) {
	t.Parallel()
	a, b := acting(t)
	b.do("POST", "/begin?user=u1", nil)
	b.navigate("/page")
	want(t, "sign-out", b.do("POST", "/out", nil).StatusCode, 200)
	if len(b.cookies) > 0 {
		t.Errorf("cookies remain: %v", b.cookies)
	}
	for _, id := range []string{"root", "u1"} {
		if list, err := a.auth.Sessions(t.Context(), id); err != nil || len(list) != 0 {
			t.Errorf("%s has %+v, %v", id, list, err)
		}
	}
}

// A parked cookie that belongs to another person or session has no effect.
func TestStopActingAcceptsOnlyTheActorsOwnSession(t *testing.T) {
	t.Parallel()
	a, b := acting(t)
	other := newBrowser(t, a).signIn("u2")
	again := newBrowser(t, a).signIn("root")
	for name, value := range map[string]string{
		"another person's":    other.cookies["encrypt_refresh_token"] + "." + other.cookies["fingerprint_token"],
		"another session's":   again.cookies["encrypt_refresh_token"] + "." + again.cookies["fingerprint_token"],
		"another fingerprint": b.cookies["encrypt_refresh_token"] + "." + other.cookies["fingerprint_token"],
		"garbage":             "a.b.c.d",
		"empty":               "",
	} {
		c := b.clone()
		want(t, "begin", c.do("POST", "/begin?user=u1", nil).StatusCode, 200)
		c.cookies["actor_session"] = value
		if resp := c.do("POST", "/stop", nil); resp.StatusCode != 401 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text(t, resp))
		}
		if said := c.navigate("/page"); strings.HasPrefix(said, "u") || strings.HasPrefix(said, "root") {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// If the store fails, the person keeps acting, and stopping again works.
func TestStopActingInAnOutage(t *testing.T) {
	t.Parallel()
	a, b := acting(t)
	b.do("POST", "/begin?user=u1", nil)
	a.store.set(errDown, false)
	want(t, "stop", b.do("POST", "/stop", nil).StatusCode, 503)
	a.store.set(nil, false)
	want(t, "page", b.navigate("/page"), "u1 fresh")
	want(t, "stop again", b.do("POST", "/stop", nil).StatusCode, 200)
	want(t, "page", b.navigate("/page"), "root fresh")
}

// signInFrom signs in with a User-Agent from an address, and returns the device of the session.
func signInFrom(t testing.TB, a *app, userAgent, remote string, header ...string) middleware.Device {
	t.Helper()
	b := newBrowser(t, a)
	r := b.request("POST", "/login?user=u1", nil, append(header, "User-Agent", userAgent)...)
	r.RemoteAddr = remote
	if resp := b.send(r); resp.StatusCode != 200 {
		t.Fatalf("sign-in: %d", resp.StatusCode)
	}
	list, err := a.auth.Sessions(t.Context(), "u1")
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	if err := a.auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	return list[0]
}

const (
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	pixel   = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
	edge    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
	mac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15"
	samsung = "Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"
)

func TestDevicesHaveLabelsThatPeopleUnderstand(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	for userAgent, want := range map[string]string{
		firefox: "Firefox on Windows", safari: "Safari on iOS", pixel: "Chrome on Android", edge: "Edge on Windows",
		mac: "Safari on macOS", samsung: "Samsung Internet on Android", "": "", "curl/8.5.0": "",
	} {
		if got := signInFrom(t, a, userAgent, "203.0.113.9:4711").Label; got != want {
			t.Errorf("%q is %q, want %q", userAgent, got, want)
		}
	}
}

func TestAddressesAreCutToTheirNetwork(t *testing.T) {
	t.Parallel()
	plain := newApp(t, nil)
	proxied := newApp(t, func(c *middleware.Config[profile]) {
		c.ClientAddress = func(r *http.Request) netip.Addr {
			addr, _ := netip.ParseAddr(r.Header.Get("X-Real-Ip"))
			return addr
		}
	})
	none := newApp(t, func(c *middleware.Config[profile]) { c.ClientAddress = middleware.NoAddress })
	for _, tt := range []struct {
		app          *app
		remote, real string
		want         string
	}{
		{plain, "203.0.113.9:4711", "", "203.0.113.0/24"},
		{plain, "[2001:db8:1:2:3:4:5:6]:4711", "", "2001:db8:1::/48"},
		{plain, "[::ffff:203.0.113.9]:4711", "", "203.0.113.0/24"},
		{plain, "[fe80::1%eth0]:4711", "", "fe80::/48"},
		{plain, "127.0.0.1:4711", "", "invalid Prefix"},
		{plain, "[::1]:4711", "", "invalid Prefix"},
		{plain, "@", "", "invalid Prefix"},
		{plain, "", "", "invalid Prefix"},
		{plain, "203.0.113.9:4711", "198.51.100.7", "203.0.113.0/24"},
		{proxied, "10.0.0.1:4711", "198.51.100.7", "198.51.100.0/24"},
		{proxied, "10.0.0.1:4711", "198.51.100.7, <script>", "invalid Prefix"},
		{none, "203.0.113.9:4711", "", "invalid Prefix"},
	} {
		got := signInFrom(t, tt.app, firefox, tt.remote, "X-Real-Ip", tt.real, "X-Forwarded-For", "192.0.2.1")
		if got.Address.String() != tt.want {
			t.Errorf("%s with %q is %v, want %v", tt.remote, tt.real, got.Address, tt.want)
		}
	}
}

// A client chooses its headers. Whatever it sends, the label consists of names from the library's
// own lists.
func FuzzHostileUserAgent(f *testing.F) {
	for _, s := range []string{
		firefox, "", "<script>alert(1)</script>", firefox + strings.Repeat("(", 1<<16), "\x00\r\n\xff\u2028", strings.Repeat("Mozilla/5.0 (", 5000),
		"Mozilla/5.0 (Windows NT 10.0) <b>Evil</b>/1.0", "Name/1.0 (Windows)", "Chrome/1 on <i>", "bot", "Mozilla/5.0 (X; Android 1; " + strings.Repeat("é", 300) + ")",
	} {
		f.Add(s)
	}
	a := newApp(f, nil)
	f.Fuzz(func(t *testing.T, userAgent string) {
		label := signInFrom(t, a, userAgent, "203.0.113.9:4711").Label
		browser, system, _ := strings.Cut(label, " on ")
		for _, name := range []string{browser, system} {
			for _, c := range name {
				if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == ' ') {
					t.Fatalf("%q has label %q", userAgent, label)
				}
			}
		}
	})
}

// The app's own label may repeat what a client sends. It is kept as plain text of limited length.
func FuzzOwnLabel(f *testing.F) {
	for _, s := range []string{"Ada's laptop", "", " \t\n a \u2028 b\u202e ", "\xff\xfe", strings.Repeat("é", 100), strings.Repeat("\x00", 1000) + "x", "a\u0000b",
		strings.Repeat("x", session.MaxLabelBytes-1) + " y"} {
		f.Add(s)
	}
	var label string
	a := newApp(f, func(c *middleware.Config[profile]) {
		c.DeviceLabel = func(*http.Request) string { return label }
	})
	f.Fuzz(func(t *testing.T, s string) {
		label = s
		got := signInFrom(t, a, firefox, "203.0.113.9:4711").Label
		if len(got) > session.MaxLabelBytes || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n\r\t\u2028\u202e") || got != strings.TrimSpace(got) {
			t.Fatalf("%q is kept as %q", s, got)
		}
	})
}

func TestDevicesAreNewestFirstAndOneIsCurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		var browsers []*browser
		for range 3 {
			browsers = append(browsers, newBrowser(t, a).signIn("u1"))
			time.Sleep(time.Minute)
		}
		newBrowser(t, a).signIn("u2")
		var ended int
		handler := a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			list, err := a.auth.Sessions(r.Context(), "u1")
			if err != nil || len(list) != 3 {
				t.Fatal(list, err)
			}
			for i, d := range list {
				if d.Current != (i == 1) || i > 0 && !list[i-1].Began.After(d.Began) || d.Active.Before(d.Began) || !d.Expires.After(d.Active) || d.Bound {
					t.Errorf("device %d: %+v", i, d)
				}
			}
			if others, err := a.auth.Sessions(r.Context(), "u2"); err != nil || len(others) != 1 || others[0].Current {
				t.Errorf("another user's: %+v, %v", others, err)
			}
			if ended, err = a.auth.EndOthers(w, r); err != nil {
				t.Error(err)
			}
		}))
		handler.ServeHTTP(httptest.NewRecorder(), browsers[1].request("POST", "/", nil))
		want(t, "ended", ended, 2)
		for i, b := range browsers {
			want(t, fmt.Sprint("browser ", i), strings.HasPrefix(b.navigate("/page"), "u1"), i == 1)
		}
	})
}

func TestEndOthersRefusals(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	newBrowser(t, a).signIn("u1")
	for name, tt := range map[string]struct {
		r    *http.Request
		want session.Code
	}{
		"another origin": {b.request("POST", "/", nil, "Sec-Fetch-Site", "cross-site"), session.CodeInvalidRequest},
		"no session":     {newBrowser(t, a).request("POST", "/", nil), session.CodeNotAuthenticated},
	} {
		var got error
		a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, got = a.auth.EndOthers(w, r) })).
			ServeHTTP(httptest.NewRecorder(), tt.r)
		want(t, name, session.CodeOf(got), tt.want)
	}
	if list, err := a.auth.Sessions(t.Context(), "u1"); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

// secondDeleteFails is a store that fails at the second Delete.
type secondDeleteFails struct {
	session.Store
	deletes atomic.Int64
}

func (s *secondDeleteFails) Delete(ctx context.Context, userID string, id session.ID) error {
	if s.deletes.Add(1) == 2 {
		return errDown
	}
	return s.Store.Delete(ctx, userID, id)
}

// EndOthers returns no number with an error, although it has ended a session.
func TestEndOthersReturnsNoNumberWithAnError(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *middleware.Config[profile]) { c.Store = &secondDeleteFails{Store: c.Store} })
	b := newBrowser(t, a).signIn("u1")
	for range 3 {
		newBrowser(t, a).signIn("u1")
	}
	var ended int
	var err error
	handler := a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ended, err = a.auth.EndOthers(w, r) }))
	handler.ServeHTTP(httptest.NewRecorder(), b.request("POST", "/", nil))
	if session.CodeOf(err) != session.CodeDatabaseUpdateFailed || ended != 0 {
		t.Errorf("%d, %v", ended, err)
	}
	if list, err := a.auth.Sessions(t.Context(), "u1"); err != nil || len(list) != 2 {
		t.Errorf("sessions left: %v, %v", list, err)
	}
	handler.ServeHTTP(httptest.NewRecorder(), b.request("POST", "/", nil))
	if err != nil || ended != 1 {
		t.Errorf("again: %d, %v", ended, err)
	}
}

// Only the user can step up. An actor does not pass where a step-up is required.
func TestActorCannotStepUp(t *testing.T) {
	t.Parallel()
	a, b := acting(t)
	app := http.NewServeMux()
	app.Handle("/", a.handler)
	app.Handle("GET /danger", a.auth.Handler(a.auth.RequireRecent(time.Hour)(http.NotFoundHandler())))
	app.Handle("POST /again", a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.auth.StepUp(w, r); err != nil {
			middleware.WriteError(w, err)
		}
	})))
	a.handler = app
	want(t, "the actor's own session", b.do("GET", "/danger", nil).StatusCode, 404)
	want(t, "begin", b.do("POST", "/begin?user=u1", nil).StatusCode, 200)
	want(t, "while acting", b.do("GET", "/danger", nil).StatusCode, 401)
	resp := b.do("POST", "/again", nil)
	want(t, "stepping up", resp.StatusCode, 400)
	want(t, "cookies", len(resp.Cookies()), 0)
	want(t, "stop", b.do("POST", "/stop", nil).StatusCode, 200)
	want(t, "the actor's own session after that", b.do("GET", "/danger", nil).StatusCode, 404)
}
