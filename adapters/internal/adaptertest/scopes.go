package adaptertest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
)

// scopeCase is a browser whose cookie jar gets cookies under the library's names from more than one
// source: from the app before CookieDomain changed, or from another program. Each row signs in as
// u1, changes the app, plants the cookies, and then follows the session.
type scopeCase struct {
	name          string
	origin        string
	before, after change
	plantedAt     string // origin of the other program
	planted       []*http.Cookie
	plantedAfter  time.Duration // after the sign-in
	signedInAgain bool          // as u2, before the first page
	want          string        // the user on the first page, an hour later and 40 days later
}

func domainIs(domain string) change {
	return func(c *middleware.Config[Profile]) { c.Dev, c.CookieDomain = false, domain }
}

func othersCookie(name, domain string) []*http.Cookie {
	return []*http.Cookie{{Name: name, Value: "9f86d081884c7d65", Domain: domain, Path: "/", MaxAge: 1 << 24}}
}

const appOrigin, devOrigin = "https://app.example.com", "http://localhost:8080"

var scopeCases = []scopeCase{
	{name: "CookieDomain widens", origin: appOrigin, before: domainIs("app.example.com"), after: domainIs("example.com"), want: "u1"},
	{name: "CookieDomain widens, sign-in", origin: appOrigin, before: domainIs("app.example.com"), after: domainIs("example.com"), signedInAgain: true, want: "u2"},
	{name: "CookieDomain narrows, sign-in", origin: appOrigin, before: domainIs("example.com"), after: domainIs("app.example.com"), signedInAgain: true, want: "u2"},
	{name: "CookieDomain begins", origin: appOrigin, before: production, after: domainIs("example.com"), want: "u1"},
	{name: "CookieDomain begins, sign-in", origin: appOrigin, before: production, after: domainIs("example.com"), signedInAgain: true, want: "u2"},
	{name: "CookieDomain ends, sign-in", origin: appOrigin, before: domainIs("example.com"), after: production, signedInAgain: true, want: "u2"},
	{name: "another port of localhost", origin: devOrigin, plantedAt: "http://localhost:3000", planted: othersCookie("access_token", ""), want: "u1"},
	{name: "another port of localhost, access token expired", origin: devOrigin, plantedAt: "http://localhost:3000", planted: othersCookie("access_token", ""), plantedAfter: 16 * time.Minute, want: "u1"},
	{name: "another port of localhost, sign-in", origin: devOrigin, plantedAt: "http://localhost:3000", planted: othersCookie("access_token", ""), signedInAgain: true, want: "u2"},
	{name: "parent domain in development", origin: "http://app.example.com", plantedAt: "http://example.com", planted: othersCookie("access_token", "example.com"), plantedAfter: 16 * time.Minute, want: "u1"},
	{name: "parent domain", origin: appOrigin, before: domainIs("app.example.com"), plantedAt: "https://example.com", planted: othersCookie("__Secure-access_token", "example.com"), plantedAfter: 16 * time.Minute, want: "u1"},
	{name: "parent domain, sign-in", origin: appOrigin, before: domainIs("app.example.com"), plantedAt: "https://example.com", planted: othersCookie("__Secure-access_token", "example.com"), signedInAgain: true, want: "u2"},
	{name: "sibling's refresh token", origin: appOrigin, before: domainIs("app.example.com"), plantedAt: "https://blog.example.com", planted: othersCookie("__Secure-encrypt_refresh_token", "example.com"), plantedAfter: 16 * time.Minute, want: "u1"},
}

// testScopes runs the rows with a cookie jar that handles hosts, domains and expiry as a browser
// does.
func testScopes(t *testing.T, h Harness) {
	for _, c := range scopeCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { c.run(t, h) })
		})
	}
}

func (c scopeCase) run(t *testing.T, h Harness) {
	store := memstore.New()
	kept := func(config *middleware.Config[Profile]) { config.Store = store }
	jar, _ := cookiejar.New(nil) // never fails
	v := visitor{t, jar, c.origin, newWorld(t, h, c.before, kept).handler}
	v.ask("POST", "/login?user=u1", script...)
	want(t, "after the sign-in", v.user(), "u1")
	if c.after != nil {
		v.app = newWorld(t, h, c.after, kept).handler
	}
	time.Sleep(c.plantedAfter)
	if c.planted != nil {
		at, err := url.Parse(c.plantedAt)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(at, c.planted)
	}
	if c.signedInAgain {
		v.ask("POST", "/login?user=u2", script...)
	}
	want(t, "first page", v.user(), c.want)
	for range 6 { // an hour of refreshes with confirmations between them
		time.Sleep(10 * time.Minute)
		want(t, "within an hour", v.user(), c.want)
	}
	time.Sleep(40 * 24 * time.Hour)
	want(t, "40 days later", v.user(), c.want)
	v.ask("POST", "/api/auth/logout", submission.and("Sec-Fetch-Site", "same-origin")...)
	want(t, "after the sign-out", v.user(), "")
}

// visitor is a person with a real cookie jar who visits an app at an origin.
type visitor struct {
	t      testing.TB
	jar    http.CookieJar
	origin string
	app    http.Handler
}

// ask requests a page of the app and returns the body of the answer.
func (v *visitor) ask(method, path string, h ...string) string {
	v.t.Helper()
	r, err := http.NewRequest(method, v.origin+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(h); i += 2 {
		r.Header.Set(h[i], h[i+1])
	}
	web := http.Client{Jar: v.jar, Transport: luciatest.Transport(v.app), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := web.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	checkHeader(v.t, resp.Header)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if resp.StatusCode >= 400 {
		v.t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, body)
	}
	return string(body)
}

// user returns who is signed in on a page of the app, or "" for a signed-out visitor.
func (v *visitor) user() string {
	v.t.Helper()
	said := v.ask("GET", "/who", navigation.and("Sec-Fetch-Site", "same-origin")...)
	user, _, signedIn := strings.Cut(said, " ")
	if !signedIn {
		return ""
	}
	return user
}
