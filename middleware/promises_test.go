package middleware_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// These tests check statements of doc comments that need only a few lines each.

func TestChecksByMethodAndDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		byCookie := validator(t, nil, (*middleware.Auth[profile]).ValidateRequestByCookie)
		want(t, "HEAD by cookie", byCookie.do("HEAD", "/check", nil).StatusCode, 200)
		resp := byCookie.do("GET", "/check", nil, "Sec-Fetch-Dest", "empty")
		want(t, "Cache-Control by cookie", resp.Header.Get("Cache-Control"), "private, no-store")
		byForm := validator(t, nil, (*middleware.Auth[profile]).ValidateFormSubmission)
		want(t, "HEAD of a form", byForm.do("HEAD", "/check", nil).StatusCode, 405)
		time.Sleep(16 * time.Minute)
		byCookie.app.store.set(errDown, false)
		resp = byCookie.do("GET", "/check", nil, "Sec-Fetch-Dest", "empty")
		want(t, "status during an outage", resp.StatusCode, 503)
		want(t, "body during an outage", text(t, resp), `{"message":"DATABASE_FETCH_FAILED"}`)
		want(t, "Cache-Control during an outage", resp.Header.Get("Cache-Control"), "private, no-store")
	})
}

func TestEveryCodeHasItsStatus(t *testing.T) {
	for code, status := range map[session.Code]int{
		session.CodeNotAuthenticated: 401, session.CodeUnauthorized: 401, session.CodeInvalidAccessToken: 401,
		session.CodeInvalidRefreshToken: 401, session.CodeInvalidRequest: 403, session.CodeInvalidRequestMethod: 405,
		session.CodeInvalidUserID: 400, session.CodeDatabaseFetchFailed: 503, session.CodeDatabaseUpdateFailed: 503,
	} {
		want(t, string(code), middleware.Status(code), status)
	}
}

// TestSignInAndOutArePrivate signs in and out for a script, whose responses have no caching
// headers of their own.
func TestSignInAndOutArePrivate(t *testing.T) {
	a := newApp(t, nil)
	a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if r.URL.Path == "/in" {
			_, err = a.auth.SignIn(w, r, "u1")
		} else {
			err = a.auth.SignOut(w, r)
		}
		want(t, r.URL.Path, err, error(nil))
	}))
	b := newBrowser(t, a)
	for _, path := range []string{"/in", "/out"} {
		resp := b.do("POST", path, nil)
		want(t, path, resp.Header.Get("Cache-Control"), "private, no-store")
		names := map[string]bool{}
		for _, c := range resp.Cookies() {
			names[c.Name] = true
		}
		want(t, path+": cookies", len(names), 3)
	}
}

// TestSigningInTwiceInOneRequestLeavesOneSession signs in as one user and then as another before
// the response is written.
func TestSigningInTwiceInOneRequestLeavesOneSession(t *testing.T) {
	a := newApp(t, nil)
	a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, id := range []string{"u1", "u2"} {
			if _, err := a.auth.SignIn(w, r, id); err != nil {
				t.Error(err)
			}
		}
	}))
	newBrowser(t, a).do("POST", "/", nil, "Sec-Fetch-Dest", "document")
	for id, n := range map[string]int{"u1": 0, "u2": 1} {
		list, err := a.auth.Sessions(t.Context(), id)
		want(t, "error", err, error(nil))
		want(t, "sessions of "+id, len(list), n)
	}
}

// TestTokensOfTwoSessionsAreNeverCombined sends the access cookie of one session with the refresh
// cookie of another, and with both fingerprints. Signing out clears the cookies of both, so it ends
// both.
func TestTokensOfTwoSessionsAreNeverCombined(t *testing.T) {
	a := newApp(t, nil)
	mine, other := newBrowser(t, a).signIn("u1"), newBrowser(t, a).signIn("u1")
	r := httptest.NewRequest("POST", "/out", nil)
	for name, value := range map[string]string{"access_token": mine.cookies["access_token"], "encrypt_refresh_token": other.cookies["encrypt_refresh_token"]} {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for _, b := range []*browser{mine, other} {
		r.AddCookie(&http.Cookie{Name: "fingerprint_token", Value: b.cookies["fingerprint_token"]})
	}
	if err := a.auth.SignOut(httptest.NewRecorder(), r); err != nil {
		t.Fatal(err)
	}
	want(t, "the access token's session", mine.do("GET", "/private", nil).StatusCode, 401)
	want(t, "the refresh cookie's session", other.do("GET", "/private", nil).StatusCode, 401)

	// A bearer refresh token is presented with the cookie of another session. The bearer token
	// decides.
	third := newBrowser(t, a).signIn("u1")
	third.cookies["encrypt_refresh_token"] = other.cookies["encrypt_refresh_token"]
	status, _ := third.refresh()
	want(t, "refresh beside another session's cookie", status, 200)
}

func TestLogoutFormIsBounded(t *testing.T) {
	b := newBrowser(t, newApp(t, nil)).signIn("u1")
	body := &countingReader{Reader: strings.NewReader("_lucia=" + b.access + "&x=" + strings.Repeat("x", 8<<20))}
	resp := b.send(b.request("POST", "/api/auth/logout", body, "Content-Type", "application/x-www-form-urlencoded"))
	want(t, "status", resp.StatusCode, 401)
	want(t, "read more than 1 MiB", body.n > 1<<20, false)
}

type countingReader struct {
	io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// TestUpgradeIsRecognisedInAnyCase checks that the value is case-insensitive (RFC 9110, section
// 7.8).
func TestUpgradeIsRecognisedInAnyCase(t *testing.T) {
	b := newBrowser(t, newApp(t, nil)).signIn("u1")
	said := text(t, b.do("GET", "/page", nil, "Upgrade", "WebSocket", "Sec-Fetch-Site", "cross-site"))
	want(t, "outcome", strings.HasPrefix(said, "cross-origin"), true)
}

// Browsers silently drop Secure cookies over plain HTTP, so people who sign in are signed out on
// the next page. The reason is logged once.
func TestSignInOverPlainHTTPIsLoggedOnce(t *testing.T) {
	const line = "over plain HTTP"
	signIn := func(a *app, origin string) {
		resp := newBrowser(t, a).do("POST", "/login?user=u1", nil, "Origin", origin)
		want(t, "sign-in with Origin "+origin, resp.StatusCode, 200)
	}
	a := newApp(t, func(c *middleware.Config[profile]) {
		c.Dev, c.TrustedOrigins = false, []string{"http://other.example"}
	})
	for _, origin := range []string{"https://example.com", "", "http://other.example"} { // none of these is a page of this app over plain HTTP
		signIn(a, origin)
	}
	want(t, "lines of https", strings.Count(a.log.String(), line), 0)
	for range 3 {
		signIn(a, "http://example.com")
	}
	want(t, "lines of http", strings.Count(a.log.String(), line), 1)

	dev := newApp(t, nil)
	signIn(dev, "http://example.com")
	want(t, "lines in development", strings.Count(dev.log.String(), line), 0)
}

func TestCheckUserRefusesDataThatDoesNotFit(t *testing.T) {
	a := newApp(t, nil)
	want(t, "ordinary data", a.auth.CheckUser("u1", profile{"ada"}), nil)
	want(t, "long data", errors.Is(a.auth.CheckUser("u1", profile{strings.Repeat("x", 3000)}), session.ErrUserTooLarge), true)
	want(t, "no id", errors.Is(a.auth.CheckUser("", profile{}), session.CodeInvalidUserID), true)
}

// The last element of the path selects the route, whatever was cut off before it.
func TestRoutesBelowAnyPrefix(t *testing.T) {
	a := newApp(t, nil)
	for _, c := range []struct{ prefix, path string }{
		{"", "/api/auth/session"}, {"/api/auth", "/api/auth/session"}, {"/api/auth/", "/api/auth/session"}, {"", "/else/where/session"},
	} {
		a.handler = http.StripPrefix(c.prefix, a.auth.RoutesHandler())
		want(t, c.path+" without "+c.prefix, newBrowser(t, a).do("GET", c.path, nil, "Sec-Fetch-Site", "same-origin").StatusCode, 200)
	}
	want(t, "a slash at the end", newBrowser(t, a).do("GET", "/session/", nil, "Sec-Fetch-Site", "same-origin").StatusCode, 200)
	want(t, "two of them", newBrowser(t, a).do("GET", "/session//", nil).StatusCode, 404)
	want(t, "nothing", newBrowser(t, a).do("GET", "/", nil).StatusCode, 404)
}

// IsPage reports true for what browsers navigate to, for what htmx, Turbo and Unpoly fetch for a
// page, and for requests for HTML.
func TestIsPage(t *testing.T) {
	const html, xml = "text/html", "application/xhtml+xml"
	for name, c := range map[string]struct {
		header []string
		page   bool
	}{
		"navigation":                             {[]string{"Sec-Fetch-Dest", "document"}, true},
		"frame":                                  {[]string{"Sec-Fetch-Dest", "iframe"}, true},
		"embedded page":                          {[]string{"Sec-Fetch-Dest", "object", "Sec-Fetch-Mode", "navigate"}, true},
		"embedded picture":                       {[]string{"Sec-Fetch-Dest", "embed", "Sec-Fetch-Mode", "no-cors"}, false},
		"navigation past a service worker":       {[]string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "navigate"}, true},
		"image past a service worker":            {[]string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "no-cors", "Accept", "image/*,*/*"}, false},
		"navigation that a worker requests anew": {[]string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Accept", html + ",*/*;q=0.8"}, true},
		"old browser":                            {[]string{"Accept", html}, true},
		"script":                                 {[]string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Accept", "*/*"}, false},
		"axios":                                  {[]string{"Sec-Fetch-Dest", "empty", "Accept", "application/json, text/plain, */*"}, false},
		"jQuery":                                 {[]string{"Sec-Fetch-Dest", "empty", "Accept", html + ", */*; q=0.01", "X-Requested-With", "XMLHttpRequest"}, false},
		"JSON rather than HTML":                  {[]string{"Accept", "application/problem+json, " + html + ";q=0.9"}, false},
		"JSON as well as HTML, first":            {[]string{"Accept", "application/json, " + html}, false},
		"HTML as well as JSON, first":            {[]string{"Accept", html + ", application/json"}, true},
		"HTML rather than JSON":                  {[]string{"Accept", "application/json;q=0.5, " + html}, true},
		"no HTML":                                {[]string{"Accept", html + ";q=0, */*"}, false},
		"HTML with an invalid weight":            {[]string{"Accept", html + ";q=x"}, false},
		"EventSource":                            {[]string{"Sec-Fetch-Dest", "empty", "Accept", "text/event-stream"}, false},
		"WebSocket":                              {[]string{"Sec-Fetch-Dest", "websocket", "Sec-Fetch-Mode", "websocket"}, false},
		"image":                                  {[]string{"Sec-Fetch-Dest", "image"}, false},
		"curl":                                   {[]string{"Accept", "*/*"}, false},
		"no browser":                             {nil, false},
		"htmx":                                   {[]string{"Sec-Fetch-Dest", "empty", "HX-Request", "true"}, true},
		"htmx 4":                                 {[]string{"Sec-Fetch-Dest", "empty", "HX-Request", "true", "HX-Request-Type", "partial", "Accept", html}, true},
		"boosted":                                {[]string{"Sec-Fetch-Dest", "empty", "HX-Request", "true", "HX-Boosted", "true"}, true},
		"history, from htmx":                     {[]string{"HX-Request", "true", "HX-History-Restore-Request", "true"}, true},
		"Turbo visit":                            {[]string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Accept", html + ", " + xml}, true},
		"Turbo form":                             {[]string{"Sec-Fetch-Dest", "empty", "Accept", "text/vnd.turbo-stream.html, " + html + ", " + xml}, true},
		"Turbo frame":                            {[]string{"Sec-Fetch-Dest", "empty", "Turbo-Frame", "cart"}, true},
		"Unpoly":                                 {[]string{"Sec-Fetch-Dest", "empty", "X-Up-Version", "3.14.3"}, true},
	} {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "/", nil)
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			want(t, method+" of "+name, middleware.IsPage(r), c.page)
		}
	}
}

// Nothing in the body of a form could prove a session without a fingerprint cookie, so the
// sign-out route does not read it.
func TestLogoutReadsABodyOnlyBesideAFingerprint(t *testing.T) {
	for name, read := range map[string]bool{"fingerprint_token": true, "access_token": false, "none": false} {
		for _, mode := range []string{"navigate", "cors"} {
			b := newBrowser(t, newApp(t, nil)).signIn("u1")
			body := &countingReader{Reader: strings.NewReader("_lucia=" + b.access)}
			r := httptest.NewRequest("POST", "/api/auth/logout", body)
			r.Header.Set("Content-Type", urlencoded)
			r.Header.Set("Sec-Fetch-Mode", mode)
			r.Header.Set("Cookie", name+"="+b.cookies[name])
			b.app.handler.ServeHTTP(httptest.NewRecorder(), r)
			want(t, "body read beside the cookie "+name+" in mode "+mode, body.n > 0, read)
		}
	}
}
