package middleware_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/http/httpguts"

	"github.com/lucia-go/lucia/middleware"
)

// checkLocal fails the test if a browser, a proxy or a router takes a URL to another site.
func checkLocal(t *testing.T, to string) {
	t.Helper()
	// A browser removes tabs and line ends and reads backslashes as slashes.
	seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(to)
	if !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//") {
		t.Errorf("%q leads to another site", to)
	}
	// A proxy may have resolved the path before, decoded or not.
	base := &url.URL{Scheme: "https", Host: "app.example", Path: "/"}
	u, err := base.Parse(to)
	if err != nil || u.Host != base.Host || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.EscapedPath(), "//") {
		t.Errorf("%q resolves to %v, %v", to, u, err)
	}
}

// checkResponse fails the test unless the response is one that any request may get.
func checkResponse(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	h := w.Header()
	if w.Code == 503 && (h.Get("Retry-After") == "" || !strings.Contains(h.Get("Cache-Control"), "no-store")) || w.Code > 500 && w.Code != 503 || w.Code == 500 {
		t.Errorf("%d %v", w.Code, h)
	}
	for name, lines := range h {
		for _, line := range lines {
			if !httpguts.ValidHeaderFieldValue(line) {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
	_, refresh, _ := strings.Cut(h.Get("Refresh"), "url=")
	for _, to := range []string{h.Get("Location"), h.Get("Hx-Redirect"), refresh} {
		if to != "" {
			checkLocal(t, to)
		}
	}
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil || !strings.HasSuffix(c.Name, "_token") && !strings.HasSuffix(c.Name, "actor_session") || !c.HttpOnly {
			t.Errorf("Set-Cookie: %q, %v", line, err)
			continue
		}
		host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
		host = strings.TrimSuffix(host, ".")
		if d := c.Domain; d != "" && d != "app.example" && d != host && !strings.HasSuffix(host, "."+d) {
			t.Errorf("a response of %q sets a cookie for %q", r.Host, d)
		}
	}
	person := middleware.IsPage(r)
	if kind := h.Get("Content-Type"); w.Code >= 400 && person && r.URL.Path != "/login" && strings.HasPrefix(kind, "application/json") {
		t.Errorf("a person gets %d %s %q", w.Code, kind, w.Body)
	} else if strings.HasPrefix(kind, "text/html") {
		checkMarkup(t, w.Body.String())
	}
}

// checkMarkup fails the test if a page of this library contains an element or attribute that can
// only come from the request.
func checkMarkup(t *testing.T, page string) {
	t.Helper()
	known := []string{"html", "meta", "title", "main", "h1", "p", "a", "strong", "turbo-frame", "form", "input", "button"}
	z := html.NewTokenizer(strings.NewReader(page))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		token := z.Token()
		if (kind == html.StartTagToken || kind == html.SelfClosingTagToken) && !slices.Contains(known, token.Data) {
			t.Errorf("the page contains %v: %q", token, page)
		}
		for _, attribute := range token.Attr {
			if strings.HasPrefix(attribute.Key, "on") || attribute.Key == "style" {
				t.Errorf("the page contains %v: %q", token, page)
			}
			if to := attribute.Val; to != "" && (attribute.Key == "href" || attribute.Key == "action") {
				checkLocal(t, to)
			}
		}
	}
}

// variants are apps whose configurations differ in how requests are read.
func variants(f *testing.F) (apps []*app) {
	secure := func(c *middleware.Config[profile]) { c.Dev = false }
	for _, change := range []func(*middleware.Config[profile]){
		nil,
		func(c *middleware.Config[profile]) {
			secure(c)
			c.DeviceBound, c.Hardened, c.Issuer = true, true, issuer
		},
		func(c *middleware.Config[profile]) { secure(c); c.CookieDomain = "app.example" },
	} {
		apps = append(apps, newApp(f, change))
	}
	return apps
}

// FuzzRequest sends any request that net/http accepts, with and without the cookies of a session.
func FuzzRequest(f *testing.F) {
	for _, lines := range []string{
		"", "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate", "Accept: text/html", "Accept: application/json", "Accept: TEXT/HTML;q=0.1",
		"Sec-Fetch-Dest: document\r\nSec-Purpose: prefetch;prerender", "HX-Request: true\r\nHX-Current-URL: https://app.example/a?b=c",
		"HX-Request: true\r\nHX-Current-URL: https://evil.example//a", "HX-Request: true\r\nReferer: https://app.example//evil.example",
		"HX-Request: true\r\nReferer: app.example:a", "HX-Boosted: true", "Turbo-Frame: \"><script>alert(1)</script>", "X-Up-Version: 3", "X-Requested-With: XMLHttpRequest\r\nAccept: text/html",
		"Sec-Fetch-Dest: document\r\nSec-Fetch-Site: cross-site\r\nSec-Ch-Ua: \"Chromium\";v=\"150\"", "Sec-Ch-Ua: \"Chromium\";v=\"99999999999999999999\"",
		"Lucia-Active: 1", "Lucia-Active: -1\r\nLucia-Active: 2", "Authorization: Bearer x", "Authorization: Bearer\r\nAuthorization: Bearer y",
		"Secure-Session-Response: a.b.c", "Sec-Secure-Session-Id: \"c2Vzc2lvbi1zYW1wbGUtMQ\"\r\nSecure-Session-Response: a.b.c", "Sec-Secure-Session-Id: x;y",
		"Secure-Session-Skipped: x", "Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: null", "Origin: https://evil.example\r\nSec-Fetch-Site: same-origin",
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 16\r\nSec-Fetch-Dest: document\r\n\r\nredirect=//evil/",
		"Cookie: access_token=x; encrypt_refresh_token=y; fingerprint_token=z", "Cookie: __Secure-actor_session=a.b; __Host-access_token=\"x\"",
	} {
		for _, target := range []string{"GET /private?a=b", "POST /private", "GET /api/auth/session", "POST /api/auth/logout", "POST /api/auth/refresh", "POST /api/auth/bound"} {
			f.Add(target, "app.example", lines)
		}
	}
	for _, target := range []string{
		"GET /page", "GET //evil.example/private", "GET /private/..//x", "GET /private?next=%2F%2Fevil", "GET https://evil.example/private", "OPTIONS *", "GET /api/auth/bound?next=//evil.example",
		"GET /api/auth/bound?next=/%2e//evil.example", "POST /api/auth/bound?key=AAAA", "GET /api/auth/step-up?next=//evil&unsent=1", "GET /api/auth/logout", "GET /api/auth/jwks.json", "GET /api/auth/client.js?v=1",
		"POST /login?user=" + strings.Repeat("u", 300), "POST /login?user=%ff", "GET /login?next=/login?next=/private", "HEAD /private", "BREW /private", "GET /api/auth/",
	} {
		f.Add(target, "app.example", "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none")
	}
	f.Add("POST /api/auth/logout", "a.b.c.d.e.f.g.app.example.:8443", "Sec-Fetch-Dest: document\r\nCookie: __Secure-access_token=x; __Secure-access_token=y")
	f.Add("POST /api/auth/logout", "[::1]:80", "Sec-Fetch-Dest: document\r\nCookie: __Secure-access_token=x")
	apps := variants(f)
	f.Fuzz(func(t *testing.T, target, host, lines string) {
		for i, a := range apps {
			for _, b := range []*browser{newBrowser(t, a), newBrowser(t, a).signIn("u1")} {
				r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(target + " HTTP/1.1\r\nHost: " + host + "\r\n" + lines + "\r\n\r\n")))
				if err != nil || !httpguts.ValidHostHeader(r.Host) || !validHeader(r.Header) {
					return // net/http refuses the request
				}
				signedIn := len(b.cookies) > 0
				for name, value := range b.cookies {
					r.AddCookie(&http.Cookie{Name: name, Value: value})
				}
				w := httptest.NewRecorder()
				a.handler.ServeHTTP(w, r)
				checkResponse(t, r, w)
				if body := w.Body.String(); !signedIn && w.Code == 200 && strings.Contains(body, "u1") {
					t.Errorf("app %d serves the session of another browser: %q", i, body)
				}
				if signedIn && w.Code == 200 && r.Method == "POST" && r.URL.Path == "/api/auth/bound" {
					t.Errorf("app %d accepts a proof that was not signed: %v", i, r.Header)
				}
				if to := w.Header().Get("Location"); w.Code == 303 && strings.HasPrefix(to, "/login?next=") {
					if back := middleware.ReturnPath(httptest.NewRequest("GET", to, nil), ""); back == "" {
						t.Errorf("the login page does not accept the return path of %q", to)
					}
				}
			}
		}
	})
}

func validHeader(h http.Header) bool {
	for name, lines := range h {
		for _, line := range lines {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(line) {
				return false
			}
		}
	}
	return true
}

// FuzzOrigin sends requests that change something, with the cookies of a session, from pages of
// any origin. One that is accepted comes from the app's own origin, from a trusted one, or from no
// browser.
func FuzzOrigin(f *testing.F) {
	for _, site := range []string{"", "same-origin", "same-site", "cross-site", "none", "SAME-ORIGIN", "same-origin, cross-site"} {
		for _, origin := range []string{
			"", "null", "https://app.example", "http://app.example", "https://app.example:443", "https://APP.EXAMPLE", "https://evil.example", "https://trusted.example",
			"https://trusted.example.evil", "https://user@app.example", "https://evil.example/https://app.example", "//app.example", "app.example", "%zz", "https://app.example\\@evil.example",
		} {
			f.Add("app.example", origin, site)
		}
	}
	f.Add("evil.example", "https://evil.example", "")
	const trusted = "https://trusted.example"
	a := newApp(f, func(c *middleware.Config[profile]) { c.TrustedOrigins = []string{trusted} })
	f.Fuzz(func(t *testing.T, host, origin, site string) {
		header := http.Header{}
		if origin != "" {
			header["Origin"] = []string{origin}
		}
		if site != "" {
			header["Sec-Fetch-Site"] = []string{site}
		}
		if !validHeader(header) || !httpguts.ValidHostHeader(host) || host == "" {
			t.Skip("net/http refuses the request")
		}
		page, err := url.Parse(origin)
		own := site == "same-origin" || site == "none" || origin == trusted || site == "" && (origin == "" || err == nil && page.Host == host)
		b := newBrowser(t, a).signIn("u1")
		send := func(method, target string, more ...string) *httptest.ResponseRecorder {
			r := b.request(method, target, nil, more...)
			r.Host = host
			for name, lines := range header {
				r.Header[name] = lines
			}
			w := httptest.NewRecorder()
			a.handler.ServeHTTP(w, r)
			checkResponse(t, r, w)
			return w
		}
		if w := send("GET", "/private"); w.Body.String() != "u1" {
			t.Errorf("a link from %q, %q: %d %q", origin, site, w.Code, w.Body)
		}
		for name, accepted := range map[string]bool{
			"an upgrade":           send("GET", "/private", "Upgrade", "websocket").Code == 200,
			"a form":               send("POST", "/private").Code == 200,
			"a sign-in":            len(send("POST", "/login?user=u2").Header()["Set-Cookie"]) > 0,
			"a bearer token":       strings.Contains(send("GET", "/page", "Authorization", "Bearer "+b.access).Body.String(), "u1"),
			"a refresh":            send("POST", "/api/auth/refresh", "Authorization", "Bearer "+b.bearer).Code == 200,
			"a look at the tokens": strings.Contains(send("GET", "/api/auth/session").Body.String(), "u1"),
		} {
			if accepted && !own {
				t.Errorf("%s of the origin %q, site %q, is accepted at %q", name, origin, site, host)
			}
		}
		if w := send("POST", "/api/auth/logout", "Authorization", "Bearer "+b.access); (w.Code == 204) && !own {
			t.Errorf("a sign-out of the origin %q, site %q, is accepted at %q", origin, site, host)
		}
	})
}

// FuzzAccept compares how any Accept header is read with how the same header is read in another
// spelling or with another media range.
func FuzzAccept(f *testing.F) {
	for _, accept := range []string{
		"text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json, text/plain, */*", "*/*", "text/html;q=0", "text/html;q=0.5,application/json;q=0.6",
		"application/json,text/html", "text/html,application/json", "Text/HTML", "text/html;Q=0.5, application/json;q=0.7", "text/html;q=nan", "text/html;q=inf,application/json",
		"text/html;q=-1", "text/html;q=2,application/json", "text/html;level=1;q=0.3", "application/vnd.api+JSON,text/html", "text/html;q=1e-400", ",;,text/html;", "xhtml", "text/htmlx",
		"text/vnd.turbo-stream.html, text/html, application/xhtml+xml", "text/html;q=0x1p-2", "text/html;q=0_1",
	} {
		f.Add(accept)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		reads := func(accept string) bool {
			return middleware.IsPage(&http.Request{Method: "GET", Header: http.Header{"Accept": {accept}}})
		}
		got := reads(accept)
		named := false
		for part := range strings.SplitSeq(accept, ",") {
			media, _, _ := strings.Cut(part, ";")
			media = strings.ToLower(strings.TrimSpace(media))
			named = named || media == "text/html" || media == "application/xhtml+xml"
		}
		ascii := func(s string, f func(string) string) string {
			return strings.Map(func(c rune) rune {
				if c < 0x80 {
					return rune(f(string(c))[0])
				}
				return c
			}, s)
		}
		for what, same := range map[string]string{
			"in upper case": ascii(accept, strings.ToUpper), "in lower case": ascii(accept, strings.ToLower), "with spaces": strings.ReplaceAll(accept, ",", " , "),
			"with a range that it refuses": accept + ",application/json;q=0", "with a range for all": accept + ",*/*",
		} {
			if reads(same) != got {
				t.Errorf("Accept: %q is a page: %t, but not %s: %q", accept, got, what, same)
			}
		}
		if got && !named {
			t.Errorf("Accept: %q does not name HTML", accept)
		}
		if !reads("text/html," + accept) {
			t.Errorf("Accept: text/html,%s prefers HTML", accept)
		}
		if !named && reads(accept+",application/json") {
			t.Errorf("Accept: %s,application/json is a page", accept)
		}
	})
}

// FuzzCookies sends any cookies around those of a session. No cookie signs the browser in as
// someone else. Cookies under other names change nothing.
func FuzzCookies(f *testing.F) {
	apps := variants(f)
	strangers := make([]string, len(apps))
	for i, a := range apps {
		var pairs []string
		for name, value := range newBrowser(f, a).signIn("u2").cookies {
			pairs = append(pairs, name+"="+value)
			f.Add(name+"="+value, "")
			f.Add("", name+"="+value)
			f.Add(name+"="+altered(value), name+"="+value[1:])
		}
		slices.Sort(pairs)
		strangers[i] = strings.Join(pairs, "; ")
		f.Add(strangers[i], "")
		f.Add("", strangers[i])
	}
	for _, noise := range []string{
		"", "theme=dark", `theme="dark; access_token=x"`, "access_token", "access_token=", "=access_token", "access_token =x", "ACCESS_TOKEN=x", ";;;", "access_token=a;access_token=b;access_token=c;access_token=d;access_token=e",
		"__Host-fingerprint_token=x", "__Secure-actor_session=x.y", "actor_session=.", `a="`, "encrypt_refresh_token=a.b.c", "access_token=a.b.c", "\xff=\xff", "fingerprint_token=" + strings.Repeat("f", 3000),
	} {
		f.Add(noise, "")
		f.Add("", noise)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		if !httpguts.ValidHeaderFieldValue(before) || !httpguts.ValidHeaderFieldValue(after) {
			t.Skip("net/http refuses the request")
		}
		noise := before + after
		none := !strings.Contains(noise, "access_token") && !strings.Contains(noise, "encrypt_refresh_token") && !strings.Contains(noise, "fingerprint_token")
		for i, a := range apps {
			b := newBrowser(t, a).signIn("u1")
			var own []string
			for name, value := range b.cookies {
				own = append(own, name+"="+value)
			}
			slices.Sort(own)
			line := before + "; " + strings.Join(own, "; ") + "; " + after
			send := func(method, target string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, target, nil)
				r.Host = "www.app.example"
				r.Header["Cookie"], r.Header["Sec-Fetch-Dest"] = []string{line}, []string{"document"}
				w := httptest.NewRecorder()
				a.handler.ServeHTTP(w, r)
				return w
			}
			w := send("GET", "/page")
			if w.Code != 200 || strings.HasPrefix(w.Body.String(), "u2 ") || none && !strings.HasPrefix(w.Body.String(), "u1 ") {
				t.Errorf("app %d with the cookies %q: %d %q", i, line, w.Code, w.Body)
			}
			w = send("POST", "/api/auth/logout")
			if w.Code != 303 || size(w.Header()) > 8<<10 {
				t.Errorf("app %d signs out with %d and %d bytes", i, w.Code, size(w.Header()))
			}
			for _, line := range w.Header()["Set-Cookie"] {
				c, err := http.ParseSetCookie(line)
				if err != nil || c.MaxAge >= 0 || c.Domain != "" && c.Domain != "www.app.example" && !strings.HasSuffix("www.app.example", "."+c.Domain) {
					t.Errorf("app %d signs out with Set-Cookie: %q, %v", i, line, err)
				}
			}
		}
	})
}

// size returns about how many bytes a header takes.
func size(h http.Header) (n int) {
	for name, lines := range h {
		for _, line := range lines {
			n += len(name) + len(line) + 4
		}
	}
	return n
}
