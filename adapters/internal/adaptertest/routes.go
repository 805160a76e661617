package adaptertest

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/middleware"
)

// routeCase is a row of the table of the middleware's own routes.
type routeCase struct {
	name    string
	change  change
	state   state
	request func(b *browser) *http.Request

	status  int
	body    string // "": empty; otherwise a part of the body
	calls   int64
	cookies string
	header  headers // headers of the response
}

// Routes runs only the table of the middleware's own routes. It is for apps whose framework has
// other routes, or has them in another place.
func Routes(t *testing.T, h Harness) {
	for _, table := range [][]routeCase{refreshCases, logoutCases, logoutFormCases, sessionCases} {
		for _, c := range table {
			for name, slash := range map[string]string{"": "", " with a slash at the end": "/"} {
				t.Run(c.name+name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { c.run(t, h, slash) })
				})
			}
		}
	}
	t.Run("other methods", func(t *testing.T) { t.Parallel(); testMethods(t, h) })
	t.Run("opened by a person", func(t *testing.T) { t.Parallel(); testOpened(t, h) })
	t.Run("modules", func(t *testing.T) { t.Parallel(); testModules(t, h) })
}

// run runs the case at the path of its request with slash added.
func (c routeCase) run(t *testing.T, h Harness, slash string) {
	w := newWorld(t, h, c.change)
	b := w.browser()
	c.state(b)
	r := c.request(b)
	r.URL.Path += slash
	r.RequestURI = r.URL.RequestURI()
	before := w.store.calls.Load()
	resp, body := b.send(r)
	want(t, "status", resp.StatusCode, c.status)
	want(t, "store calls", w.store.calls.Load()-before, c.calls)
	want(t, "cookies", effect(resp), c.cookies)
	if c.body == "" {
		want(t, "body", body, "")
	} else if !strings.Contains(body, c.body) {
		t.Errorf("body %q, want one that contains %q", body, c.body)
	}
	for i := 0; i < len(c.header); i += 2 {
		want(t, c.header[i], resp.Header.Get(c.header[i]), c.header[i+1])
	}
	want(t, "private", isPrivate(resp.Header), true)
	want(t, "Clear-Site-Data", resp.Header.Get("Clear-Site-Data"), map[bool]string{true: ahead}[c.cookies == cleared3 || c.cookies == clearedOurs])
}

// ahead is what sign-out clears: the pages that the browser has loaded ahead of time.
const ahead = `"prefetchCache", "prerenderCache"`

func hardened(c *middleware.Config[Profile]) { c.Hardened = true }

// post makes a POST to a route with a bearer token.
func post(route string, token func(b *browser) string, h ...string) func(*browser) *http.Request {
	return func(b *browser) *http.Request {
		all := h
		if t := token(b); t != "" {
			all = append(headers{"Authorization", "Bearer " + t}, h...)
		}
		return b.request("POST", "/api/auth"+route, "", all...)
	}
}

// Tokens that a request may present.
func none(*browser) string         { return "" }
func garbage(*browser) string      { return "x" }
func theAccess(b *browser) string  { return string(b.bearer) }
func theRefresh(b *browser) string { return string(b.refreshToken) }
func badRefresh(b *browser) string { return flip(string(b.refreshToken)) }

var (
	retry     = headers{"Retry-After", "2"}
	missing   = headers{"WWW-Authenticate", `Bearer realm="lucia"`}
	invalid   = headers{"WWW-Authenticate", `Bearer realm="lucia", error="invalid_token"`}
	asJSON    = headers{"Content-Type", "application/json"}
	message   = func(code string) string { return `{"message":"` + code + `"}` }
	unauth    = message("AUTH_UNAUTHORIZED")
	notAuth   = message("AUTH_NOT_AUTHENTICATED")
	forbidden = message("AUTH_INVALID_REQUEST")
	fetchFail = message("DATABASE_FETCH_FAILED")
)

var refreshCases = []routeCase{
	{"refresh", nil, signedIn, post("/refresh", theRefresh), 200, `"expires_in":900`, 1, renewed, asJSON},
	{"refresh with an expired access token", nil, expired, post("/refresh", theRefresh), 200, `"refresh_token":"ey`, 1, renewed, nil},
	{"refresh without the access cookie", nil, noAccess, post("/refresh", theRefresh), 200, `"access_token":"ey`, 1, renewed, nil},
	{"refresh of a token rotated just now", nil, current, post("/refresh", theRefresh), 200, `"expires_in":900`, 1, accessOnly, nil},
	{"refresh after a lost answer", nil, repeated, post("/refresh", theRefresh), 200, `"expires_in":900`, 1, renewed, nil},
	{"refresh without a bearer token", nil, expired, post("/refresh", none), 401, unauth, 0, kept, missing},
	{"refresh with a garbled bearer token", nil, signedIn, post("/refresh", garbage), 401, unauth, 0, kept, invalid},
	{"refresh with a forged bearer token", nil, signedIn, post("/refresh", badRefresh), 401, unauth, 0, kept, invalid},
	{"refresh with an access token", nil, signedIn, post("/refresh", theAccess), 401, unauth, 0, kept, invalid},
	{"refresh without the fingerprint", nil, noFingerprint, post("/refresh", theRefresh), 401, unauth, 0, kept, invalid},
	{"refresh signed out", nil, anonymous, post("/refresh", none), 401, unauth, 0, kept, missing},
	{"refresh of an ended session", nil, ended, post("/refresh", theRefresh), 401, unauth, 1, kept, invalid},
	{"refresh with a reused token", nil, reused, post("/refresh", theRefresh), 401, unauth, 1, kept, invalid},
	{"refresh under an unknown key", nil, otherKey, post("/refresh", theRefresh), 401, unauth, 0, kept, invalid},
	{"refresh while the store is down", nil, storeDown, post("/refresh", theRefresh), 503, fetchFail, 1, kept, retry},
	{"refresh while users are down", nil, usersDown, post("/refresh", theRefresh), 503, fetchFail, 0, kept, retry},
	{"refresh from another origin", nil, signedIn, post("/refresh", theRefresh, elsewhere...), 403, forbidden, 0, kept, nil},
	{"hardened refresh by cookie", hardened, expired, post("/refresh", none), 200, `},"expires_in":900,"session_id":"`, 1, renewed, nil},
	{"hardened refresh signed out", hardened, anonymous, post("/refresh", none), 401, unauth, 0, kept, missing},
	{"hardened refresh from another origin", hardened, expired, post("/refresh", none, elsewhere...), 403, forbidden, 0, kept, nil},
}

var logoutCases = []routeCase{
	{"logout", nil, signedIn, post("/logout", theAccess), 204, "", 1, cleared3, nil},
	{"logout with an expired access token", nil, expired, post("/logout", theAccess), 204, "", 1, cleared3, nil},
	{"logout of an ended session", nil, ended, post("/logout", theAccess), 204, "", 1, cleared3, nil},
	{"logout without a token", nil, signedIn, post("/logout", none), 401, notAuth, 0, kept, missing},
	{"logout with a refresh token", nil, signedIn, post("/logout", theRefresh), 401, notAuth, 0, kept, invalid},
	{"logout without the fingerprint", nil, noFingerprint, post("/logout", theAccess), 401, notAuth, 0, kept, invalid},
	{"logout signed out", nil, anonymous, post("/logout", none), 401, notAuth, 0, kept, missing},
	{"logout while the store is down", nil, outage, post("/logout", theAccess), 503, message("DATABASE_UPDATE_FAILED"), 1, kept, retry},
	{"logout from another origin", nil, signedIn, post("/logout", theAccess, elsewhere...), 403, forbidden, 0, kept, nil},
	{"hardened logout by cookie", hardened, signedIn, post("/logout", none), 204, "", 1, cleared3, nil},
	{"hardened logout by refresh cookie alone", hardened, noAccess, post("/logout", none), 204, "", 1, cleared3, nil},
}

// submit makes a form post to the logout route. TOKEN stands for the access token.
func submit(query, body string, h ...string) func(*browser) *http.Request {
	return func(b *browser) *http.Request {
		fill := strings.NewReplacer("TOKEN", string(b.bearer)).Replace
		return b.request("POST", "/api/auth/logout"+fill(query), fill(body), form.and(h...)...)
	}
}

func multipart(b *browser) *http.Request {
	body := "--B\r\nContent-Disposition: form-data; name=\"_lucia\"\r\n\r\n" + string(b.bearer) + "\r\n--B--\r\n"
	return b.request("POST", "/api/auth/logout", body, "Content-Type", "multipart/form-data; boundary=B")
}

var logoutFormCases = []routeCase{
	{"logout form", nil, signedIn, submit("", "_lucia=TOKEN"), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form with redirect", nil, signedIn, submit("", "_lucia=TOKEN&redirect=%2Fbye%3Fa%3D1"), 303, "", 1, cleared3, headers{"Location", "/bye?a=1"}},
	{"logout form to another site", nil, signedIn, submit("", "_lucia=TOKEN&redirect=%2F%2Fevil.example"), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form after a long pause", nil, expired, submit("", "_lucia=TOKEN"), 303, "", 1, cleared3, nil},
	{"logout form, multipart", nil, signedIn, multipart, 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form without a token", nil, signedIn, submit("", "a=b"), 401, notAuth, 0, kept, missing},
	{"logout form with the token in the query", nil, signedIn, submit("?_lucia=TOKEN", "a=b"), 401, notAuth, 0, kept, missing},
	{"logout form from another origin", nil, signedIn, func(b *browser) *http.Request {
		return b.request("POST", "/api/auth/logout", "_lucia="+string(b.bearer), elsewhere.and("Content-Type", "application/x-www-form-urlencoded")...)
	}, 403, forbidden, 0, kept, nil},
	{"logout form of a page that is older than the session", nil, again, submit("", "_lucia=TOKEN&redirect=%2Fbye", submission...), 303, "", 1, cleared3, headers{"Location", "/bye"}},
	{"logout form with a garbled token", nil, signedIn, submit("", "_lucia=x", submission...), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form without a token, by a person", nil, signedIn, submit("", "a=b", submission...), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form that is too large", nil, signedIn, submit("", "_lucia=TOKEN&a="+strings.Repeat("a", 1<<17), submission...), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form of an ended session", nil, ended, submit("", "_lucia=TOKEN", submission...), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form sent again", nil, signedOut, submit("", "_lucia=TOKEN", submission...), 303, "", 0, cleared3, headers{"Location", "/"}},
	{"logout form signed out", nil, anonymous, submit("", "a=b", submission...), 303, "", 0, cleared3, headers{"Location", "/"}},
	{"logout form with forged cookies", nil, forged, submit("", "a=b", submission...), 303, "", 0, clearedOurs, headers{"Location", "/"}},
	{"logout form with a forged access cookie", nil, forgedAccess, submit("", "a=b", submission...), 303, "", 1, clearedOurs, headers{"Location", "/"}},
	{"logout form that a service worker passes on", nil, signedIn, submit("", "_lucia=x", passedPage...), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form, old browser", nil, signedIn, submit("", "_lucia=x", "Accept", "text/html"), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form of Turbo", nil, again, submit("", "_lucia=TOKEN", turboForm[2:]...), 303, "", 1, cleared3, headers{"Location", "/"}},
	{"logout form in a Turbo frame", nil, again, submit("", "_lucia=TOKEN&redirect=%2Fbye", turboForm[2:].and("Turbo-Frame", "cart")...), 401, reloading("Signed out", "You are signed out.", "/bye"), 1, cleared3, headers{"Location", "", "Content-Type", "text/html; charset=utf-8"}},
	{"logout form of htmx", nil, again, submit("", "_lucia=TOKEN&redirect=%2Fbye", "HX-Request", "true"), 204, "", 1, cleared3, headers{"HX-Redirect", "/bye", "Location", ""}},
	{"logout form while the store is down", nil, outage, submit("", "_lucia=TOKEN", submission...), 503, "<h1>Back in a moment</h1>", 1, kept, retry},
	{"logout form from another origin, by a person", nil, signedIn, func(b *browser) *http.Request {
		return b.request("POST", "/api/auth/logout", "_lucia="+string(b.bearer), navigation.and(elsewhere...).and("Content-Type", "application/x-www-form-urlencoded")...)
	}, 403, "<h1>Not from this site</h1>", 0, kept, headers{"Content-Type", "text/html; charset=utf-8"}},
	{"hardened logout form sent again", hardened, signedOut, submit("", "a=b", submission...), 303, "", 0, cleared3, headers{"Location", "/"}},
	{"hardened logout form", hardened, signedIn, submit("", "redirect=%2Fbye"), 303, "", 1, cleared3, headers{"Location", "/bye"}},
}

func get(method string, h ...string) func(*browser) *http.Request {
	return func(b *browser) *http.Request { return b.request(method, "/api/auth/session", "", h...) }
}

var sessionCases = []routeCase{
	{"session", nil, signedIn, get("GET", script...), 200, `{"_lucia":{"user":{"user_id":"u1","username":"name of u1"},"access_token":"ey`, 0, kept, asJSON},
	{"session with its lifetime", nil, signedIn, get("GET", script...), 200, `"expires_in":900`, 0, kept, nil},
	{"session of a signed-out visitor", nil, anonymous, get("GET", script...), 200, `{"_lucia":null,"expires_in":0}`, 0, kept, nil},
	{"session that needs a refresh", nil, expired, get("GET", script...), 200, `"user_id":"u1"`, 1, renewed, nil},
	{"session that has ended", nil, ended, get("GET", script...), 200, `{"_lucia":null,"expires_in":0}`, 1, kept, nil},
	{"session while the store is down", nil, storeDown, get("GET", script...), 503, fetchFail, 1, kept, retry},
	{"session that a person opens during an outage", nil, storeDown, get("GET", navigation...), 406, "<h1>Nothing to see here</h1>", 0, kept, nil},
	{"session that a person opens", nil, signedIn, get("GET", navigation...), 406, "<h1>Nothing to see here</h1>", 0, kept, headers{"Content-Type", "text/html; charset=utf-8"}},
	{"session that a person opens from another site", nil, expired, get("GET", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 406, "<h1>Nothing to see here</h1>", 0, kept, nil},
	{"session from another origin", nil, signedIn, get("GET", elsewhere...), 403, forbidden, 0, kept, nil},
	{"hardened session", hardened, signedIn, get("GET", script...), 200, `{"_lucia":{"user":{"user_id":"u1","username":"name of u1"}},"expires_in":900`, 0, kept, nil},
}

// testMethods checks that every route responds with 405 and Allow to other methods.
func testMethods(t *testing.T, h Harness) {
	b := newWorld(t, h).browser().signIn("u1")
	for route, allow := range map[string]string{
		"/refresh": "POST", "/logout": "POST",
		"/session": "GET, HEAD", "/bound": "POST, GET, HEAD", "/client.js": "GET, HEAD", "/auto.js": "GET, HEAD",
		"/jwks.json": "GET, HEAD", "/step-up": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			resp, body := b.send(b.request(method, "/api/auth"+route, "", script...))
			if strings.Contains(allow, method) {
				if resp.StatusCode == 405 || resp.StatusCode == 404 || resp.Header.Get("Allow") != "" {
					t.Errorf("%s %s: %d, Allow %q", method, route, resp.StatusCode, resp.Header.Get("Allow"))
				}
				continue
			}
			want(t, method+" "+route, resp.StatusCode, 405)
			want(t, "Allow of "+method+" "+route, resp.Header.Get("Allow"), allow)
			want(t, "cookies of "+method+" "+route, effect(resp), kept)
			if method != "HEAD" {
				want(t, "body of "+method+" "+route, body, message("AUTH_INVALID_REQUEST_METHOD"))
			}
		}
	}
}

// testOpened checks what people see if they open a route that is not a page.
func testOpened(t *testing.T, h Harness) {
	b := newWorld(t, h).browser().signIn("u1")
	for _, route := range []string{"/refresh", "/logout"} {
		resp, body := b.send(b.request("GET", "/api/auth"+route, "", navigation...))
		want(t, "status of "+route, resp.StatusCode, 405)
		want(t, "Allow of "+route, resp.Header.Get("Allow"), "POST")
		want(t, "a page at "+route, strings.Contains(body, "<h1>"), true)
		want(t, "a button at "+route, strings.Contains(body, `<form method="post" action="/api/auth/logout">`), route == "/logout")
	}
}

// testModules checks the browser module's routes, which are open to everyone.
func testModules(t *testing.T, h Harness) {
	w := newWorld(t, h)
	b := w.browser().signIn("u1")
	for _, path := range []string{"/api/auth/client.js", "/api/auth/auto.js"} {
		resp, body := b.do("GET", path, "", navigation...)
		want(t, "status of "+path, resp.StatusCode, 200)
		want(t, "type of "+path, resp.Header.Get("Content-Type"), "text/javascript; charset=utf-8")
		want(t, "caching of "+path, resp.Header.Get("Cache-Control"), "no-cache")
		want(t, "Vary of "+path, resp.Header.Get("Vary"), "")
		want(t, "there is a module at "+path, len(body) > 50, true)

		etag := resp.Header.Get("ETag")
		resp, body = b.do("GET", path, "", "If-None-Match", etag)
		want(t, "status of "+path+" when it is known", resp.StatusCode, 304)
		want(t, "body of "+path+" when it is known", body, "")
		resp, _ = b.do("HEAD", path, "")
		want(t, "status of HEAD "+path, resp.StatusCode, 200)
		want(t, "ETag of HEAD "+path, resp.Header.Get("ETag"), etag)
	}
	var page bytes.Buffer
	middleware.ScriptTag.Render(t.Context(), &page)
	_, src, _ := strings.Cut(page.String(), `src="`)
	src, _, _ = strings.Cut(src, `"`)
	resp, body := b.do("GET", src, "")
	want(t, "caching of "+src, resp.Header.Get("Cache-Control"), "public, max-age=31536000, immutable")
	want(t, "auto.js is a module", strings.Contains(body, "import"), true)
	want(t, "store calls", w.store.calls.Load(), 1) // the sign-in
}
