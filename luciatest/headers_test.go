package luciatest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/luciatest"
)

// The browser sends the headers of real browsers.
func TestBrowserSendsOriginAndFetchMetadata(t *testing.T) {
	t.Parallel()
	var seen []string
	note := func(r *http.Request) {
		seen = append(seen, r.Method+" "+r.Host+" "+r.Header.Get("Sec-Fetch-Site")+" "+r.Header.Get("Origin"))
	}
	web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		switch {
		case r.Method == http.MethodPost:
			http.Redirect(w, r, "https://app.example/done", http.StatusSeeOther)
		case r.URL.Path == "/form":
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, `<form method="post" action="/go"><input name="a"></form>
				<form method="post" action="https://pay.example/"><input name="b"></form>`)
		}
	})
	for field, want := range map[string]string{
		"a": "POST app.example same-origin https://app.example, GET app.example same-origin ",
		"b": "POST pay.example cross-site https://app.example, GET app.example cross-site ",
	} {
		tab := luciatest.NewBrowser(t, web).Open("/form")
		seen = nil
		tab.Submit(url.Values{field: {"x"}})
		if got := strings.Join(seen, ", "); got != want {
			t.Errorf("form %s: %s, want %s", field, got, want)
		}
	}
	seen = nil
	luciatest.NewBrowser(t, web).Open("/form")
	if want := "GET app.example none "; seen[0] != want {
		t.Errorf("first page: %s, want %s", seen[0], want)
	}
}

// NewBrowserAt documents to which hosts Secure cookies are sent over http.
func TestSecureCookiesOverHTTP(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"https://app.example": true, "https://app.example:8443": true, "http://app.example": false, "http://192.0.2.1": false,
		"http://localhost:8080": true, "http://app.localhost": true, "http://127.0.0.1:8080": true, "http://127.9.9.9": true, "http://[::1]:8080": true,
	} {
		app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Secure: true, Path: "/"})
			fmt.Fprint(w, len(r.Cookies()) == 1)
		})
		tab := luciatest.NewBrowserAt(t, host, luciatest.Transport(app)).Open("/")
		if got := tab.Get("/").Body; got != fmt.Sprint(want) {
			t.Errorf("%s: a Secure cookie is sent: %s, want %t", host, got, want)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "text") })
	tab := luciatest.NewBrowser(t, app).Open("/")
	if page := tab.Fetch(http.MethodHead, "/", nil); page.Status != http.StatusOK || page.Body != "" {
		t.Errorf("%d %q, want an empty body", page.Status, page.Body)
	}
}

func TestNoStoreCallCountsEveryCall(t *testing.T) {
	t.Parallel()
	failed := &recordingTest{TB: t}
	kit := luciatest.New[profile](failed, users)
	tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/profile")
	for name, call := range map[string]func() error{
		"sign-in": func() error {
			_, err := kit.Auth.SignIn(httptest.NewRecorder(), httptest.NewRequest("POST", "/login", nil), "u1")
			return err
		},
		"sign-out": tab.SignOut,
		"revoke":   func() error { return kit.Auth.RevokeUser(t.Context(), "u1") },
	} {
		failed.failed = false
		kit.NoStoreCall(func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		})
		if !failed.failed {
			t.Errorf("NoStoreCall did not count a %s", name)
		}
	}
}

// The sign-ins of the kit count neither within NoStoreCall nor in Calls. A test may still set
// Config.CallContext.
func TestKitsOwnSignInsDoNotCount(t *testing.T) {
	t.Parallel()
	var called int
	kit := luciatest.New(t, users, func(c *lucia.Config[profile]) {
		c.CallContext = func(call, _ context.Context) context.Context { called++; return call }
	})
	app := newApp(kit.Auth)
	kit.NoStoreCall(func() {
		kit.Cookies("u1")
		kit.Jar("u1")
		kit.SignIn(luciatest.NewBrowser(t, app), "u1").Open("/profile")
		for _, r := range []*http.Request{
			kit.Request("u1", "GET", "/profile", nil),
			kit.BearerRequest("u1", "GET", "/api/me", nil),
			kit.FormRequest("u1", "/rename", nil),
		} {
			app.ServeHTTP(httptest.NewRecorder(), r)
		}
	})
	if calls := kit.Store.Calls(); calls != (luciatest.Calls{}) {
		t.Errorf("Calls = %+v, want none", calls)
	}
	if called != 6 {
		t.Errorf("Config.CallContext was called %d times, want once for each sign-in", called)
	}
}

func TestPassUsesTheConfiguredTTLs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, users, func(c *lucia.Config[profile]) {
			c.AccessTTL, c.RefreshTTL = time.Minute, 48*time.Hour
		})
		for name, c := range map[string]struct {
			pass func()
			ttl  time.Duration
		}{"access": {kit.PassAccessTTL, time.Minute}, "refresh": {kit.PassRefreshTTL, 48 * time.Hour}} {
			start := time.Now()
			c.pass()
			if passed := time.Since(start); passed <= c.ttl || passed > c.ttl+time.Minute {
				t.Errorf("%s: %v passed, want slightly more than %v", name, passed, c.ttl)
			}
		}
	})
}

func TestBearerRequestHasOnlyTheFingerprintCookie(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	cookies := kit.BearerRequest("u1", "GET", "/api/me", nil).Cookies()
	if len(cookies) != 1 || !strings.HasSuffix(cookies[0].Name, "fingerprint_token") {
		t.Errorf("cookies %v, want only the fingerprint cookie", cookies)
	}
}

func TestStoreDownAndJar(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	app := newApp(kit.Auth)
	up := kit.StoreDown()
	w := httptest.NewRecorder()
	if _, err := kit.Auth.SignIn(w, httptest.NewRequest("POST", "/", nil), "u1"); err == nil {
		t.Error("signed in while the store was down")
	}
	up()
	resp, err := (&http.Client{Transport: luciatest.Transport(app), Jar: kit.Jar("u1")}).Get("https://app.example/profile")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "<h1>ada</h1>") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
