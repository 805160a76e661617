package middleware_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/lucia-go/lucia/middleware"
)

// forgeries are tokens derived from a valid one that must be refused.
func forgeries(good string) map[string]string {
	parts := strings.Split(good, ".")
	flipped := []byte(good)
	flipped[len(flipped)/2] ^= 1
	none, _ := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"role": "access_token"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	foreign, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": "access_token"}).SignedString([]byte("another secret of 32 bytes......"))
	crit := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","crit":["exp"],"kid":"AAAAAAAAAAAA","typ":"JWT"}`))
	return map[string]string{
		"empty":           "",
		"word":            "garbage",
		"truncated":       good[:len(good)-1],
		"without tail":    parts[0] + "." + parts[1] + ".",
		"bit flipped":     string(flipped),
		"alg none":        none,
		"foreign key":     foreign,
		"crit header":     crit + "." + parts[1] + "." + parts[2],
		"padded":          good + "=",
		"line end":        good[:10] + "\n" + good[10:],
		"space":           good + " x",
		"doubled":         good + "." + good,
		"dots":            strings.Repeat(".", 1<<20),
		"a megabyte":      strings.Repeat("A", 1<<20),
		"not UTF-8":       "\xff\xfe.\xff.\xff",
		"header of other": parts[1] + "." + parts[0] + "." + parts[2],
	}
}

func TestForgedTokensAreRefusedWithoutAStoreCall(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	before := a.store.calls.Load()
	check := func(name string, r *http.Request, status int) {
		t.Helper()
		resp := b.send(r)
		if resp.StatusCode != status {
			t.Errorf("%s: %d %s, want %d", name, resp.StatusCode, text(t, resp), status)
		}
		if calls := a.store.calls.Load() - before; calls != 0 {
			t.Errorf("%s: %d store calls", name, calls)
		}
	}
	for _, kind := range []struct{ name, token, swapped string }{
		{"access", b.access, b.bearer},
		{"refresh", b.bearer, b.access},
	} {
		forged := forgeries(kind.token)
		for name, token := range forged {
			name := kind.name + " token, " + name
			if kind.name == "refresh" {
				check("refresh route: "+name, b.request("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+token), 401)
				continue
			}
			check("logout route: "+name, b.request("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+token), 401)
			check("bearer: "+name, b.request("GET", "/private", nil, "Authorization", "Bearer "+token), 401)
			check("form: "+name, b.request("POST", "/api/auth/logout", form("_lucia", token), "Content-Type", "application/x-www-form-urlencoded"), 401)
		}
		check("swapped "+kind.name, b.request("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+b.access), 401)
		check("swapped "+kind.name, b.request("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+b.bearer), 401)
	}
	want(t, "page afterwards", b.navigate("/page"), "u1 fresh")
}

func TestForgedCookiesGiveNoSessionAndAskNoStore(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	before := a.store.calls.Load()
	for _, name := range []string{"access_token", "encrypt_refresh_token"} {
		for what, value := range forgeries(b.cookies[name]) {
			r := httptest.NewRequest("GET", "/page", nil)
			r.Header.Set("Sec-Fetch-Dest", "document")
			cookies := "fingerprint_token=" + b.cookies["fingerprint_token"] + "; " + name + "=" + value
			r.Header.Set("Cookie", cookies)
			resp := b.send(r)
			if said := text(t, resp); resp.StatusCode != 200 || strings.HasPrefix(said, "u1") {
				t.Errorf("%s, %s: %d %.40s", name, what, resp.StatusCode, said)
			}
		}
	}
	want(t, "store calls", a.store.calls.Load()-before, 0)
}

// TestSpaceAroundCookiesIsIgnored sends cookies with the white space that net/http ignores,
// too.
func TestSpaceAroundCookiesIsIgnored(t *testing.T) {
	b := newBrowser(t, newApp(t, nil)).signIn("u1")
	for _, space := range []string{"", " ", "\t", " \t "} {
		var pairs []string
		for name, value := range b.cookies {
			pairs = append(pairs, space+name+"="+value+space)
		}
		r := httptest.NewRequest("GET", "/page", nil)
		r.Header.Set("Cookie", strings.Join(pairs, ";"))
		if said := text(t, b.send(r)); !strings.HasPrefix(said, "u1 fresh") {
			t.Errorf("with %q around them: %.40s", space, said)
		}
	}
}

// altered returns s with another first letter.
func altered(s string) string {
	first := "x"
	if s[:1] == first {
		first = "y"
	}
	return first + s[1:]
}

func TestTokenWithoutItsFingerprintIsRefused(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	other := newBrowser(t, a).signIn("u2")
	before := a.store.calls.Load()
	for name, fingerprint := range map[string]string{
		"none":           "",
		"another user's": other.cookies["fingerprint_token"],
		"altered":        altered(b.cookies["fingerprint_token"]),
		"long":           strings.Repeat("x", 1<<20),
	} {
		thief := newBrowser(t, a)
		if fingerprint != "" {
			thief.cookies["fingerprint_token"] = fingerprint
		}
		thief.access, thief.bearer = b.access, b.bearer
		status, code := thief.refresh()
		want(t, name+": refresh", status, 401)
		want(t, name+": code", code, "AUTH_UNAUTHORIZED")
		resp := thief.do("GET", "/private", nil, "Authorization", "Bearer "+b.access)
		want(t, name+": bearer", resp.StatusCode, 401)
		resp = thief.do("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+b.access)
		want(t, name+": logout", resp.StatusCode, 401)
		thief.cookies["access_token"] = b.cookies["access_token"]
		thief.cookies["encrypt_refresh_token"] = b.cookies["encrypt_refresh_token"]
		if said := thief.navigate("/page"); strings.HasPrefix(said, "u") {
			t.Errorf("%s: page says %s", name, said)
		}
	}
	want(t, "store calls", a.store.calls.Load()-before, 0)
}

func TestPlantedCookiesNeverSignInAsAnotherUser(t *testing.T) {
	a := newApp(t, nil)
	victim, attacker := newBrowser(t, a).signIn("victim"), newBrowser(t, a).signIn("attacker")
	names := []string{"access_token", "encrypt_refresh_token", "fingerprint_token"}
	for mask := 1; mask < 8; mask++ {
		for _, first := range []bool{true, false} {
			var own, planted []string
			for i, name := range names {
				own = append(own, name+"="+victim.cookies[name])
				if mask&(1<<i) != 0 {
					planted = append(planted, name+"="+attacker.cookies[name])
				}
			}
			if first {
				own, planted = planted, own
			}
			r := httptest.NewRequest("GET", "/page", nil)
			r.Header.Set("Cookie", strings.Join(append(own, planted...), "; "))
			if said := text(t, victim.send(r)); strings.HasPrefix(said, "attacker") {
				t.Errorf("planted %03b, first %v: the page shows the attacker", mask, first)
			}
		}
	}
	r := httptest.NewRequest("GET", "/page", nil)
	for range 1000 {
		for _, name := range names {
			r.AddCookie(&http.Cookie{Name: name, Value: fmt.Sprint("x", attacker.cookies[name])})
		}
	}
	before := a.store.calls.Load()
	victim.send(r)
	want(t, "store calls for a flood of cookies", a.store.calls.Load()-before, 0)
}

func form(fields ...string) *strings.Reader {
	v := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		v.Add(fields[i], fields[i+1])
	}
	return strings.NewReader(v.Encode())
}

const urlencoded = "application/x-www-form-urlencoded"

func TestLogoutForm(t *testing.T) {
	for _, test := range []struct {
		name, redirect, location string
	}{
		{"no redirect", "", "/"},
		{"a path", "/bye?x=1", "/bye?x=1"},
		{"another site", "https://evil.example/", "/"},
		{"scheme-relative", "//evil.example", "/"},
		{"backslash", `/\evil.example`, "/"},
		{"tab", "/\t/evil.example", "/"},
		{"line end", "/x\r\nSet-Cookie: a=b", "/"},
		{"script", "javascript:alert(1)", "/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t, newApp(t, nil)).signIn("u1")
			resp := b.do("POST", "/api/auth/logout", form("_lucia", b.access, "redirect", test.redirect), "Content-Type", urlencoded)
			want(t, "status", resp.StatusCode, 303)
			want(t, "Location", resp.Header.Get("Location"), test.location)
			want(t, "cookies left", len(b.cookies), 0)
		})
	}
}

func TestLogoutFormReadsTheTokenFromTheBodyOnly(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	resp := b.do("POST", "/api/auth/logout?_lucia="+b.access, form("x", "y"), "Content-Type", urlencoded)
	want(t, "token in the query", resp.StatusCode, 401)
	resp = b.do("POST", "/api/auth/logout", form("_lucia", b.access), "Content-Type", "text/plain")
	want(t, "no form", resp.StatusCode, 401)
	resp = b.do("POST", "/api/auth/logout", strings.NewReader("_lucia="+strings.Repeat("x", 1<<20)), "Content-Type", urlencoded)
	want(t, "a large body", resp.StatusCode, 401)
	resp = b.do("POST", "/api/auth/logout", form("_lucia", b.access), "Content-Type", urlencoded, "Sec-Fetch-Site", "cross-site")
	want(t, "another origin", resp.StatusCode, 403)
	want(t, "still there", b.navigate("/page"), "u1 fresh")

	var body bytes.Buffer
	multi := multipart.NewWriter(&body)
	multi.WriteField("_lucia", b.access)
	multi.Close()
	resp = b.do("POST", "/api/auth/logout", &body, "Content-Type", multi.FormDataContentType())
	want(t, "multipart", resp.StatusCode, 303)
}

func FuzzLogoutForm(f *testing.F) {
	a := newApp(f, nil)
	b := newBrowser(f, a).signIn("u1")
	f.Add(urlencoded, "_lucia=x&redirect=/")
	f.Add(urlencoded, "_lucia=%zz")
	f.Add(urlencoded, "a;b=c&_lucia")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"_lucia\"\r\n\r\nx\r\n--b--\r\n")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"_lucia\"; filename=\"f\"\r\n\r\n")
	f.Add("multipart/form-data", "")
	f.Add("text/plain", "_lucia=x")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		if strings.Contains(body, b.access) {
			t.Skip()
		}
		r := httptest.NewRequest("POST", "/api/auth/logout", strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		if w.Code != 401 || len(w.Result().Cookies()) != 0 {
			t.Errorf("%q %q: %d %v", contentType, body, w.Code, w.Header())
		}
	})
}

func TestReturnPathRefusesWhatNormalisesToAnotherSite(t *testing.T) {
	for next, local := range map[string]bool{
		"/":                    true,
		"/a/b?c=//d#//e":       true,
		"/a//b":                true,
		"/a/./b/../c":          true,
		"/caf%C3%A9":           true,
		"/.well-known/x":       true,
		"/...//x":              true,
		"/a%2Fb":               true,
		"/x?next=%2F%2Fy":      true,
		"//evil.example":       false,
		"/.//evil.example":     false,
		"/..//evil.example":    false,
		"/%2e//evil.example":   false,
		"/%2E%2e//x":           false,
		"/./.././/x":           false,
		"/a/..//evil.example":  false,
		"/a/%2e%2e//x":         false,
		"/%2fevil.example":     false,
		"/%2F%2Fevil.example":  false,
		"/%5cevil.example":     false,
		"/.%5C/evil.example":   false,
		"/.%2f/evil.example":   false,
		"/a/b/../..//x?y=z":    false,
		`/.\/evil.example`:     false,
		"/%2e%2f/evil.example": false,
		"/.//.":                false,
	} {
		r := httptest.NewRequest("GET", "/login?"+url.Values{"next": {next}}.Encode(), nil)
		want := "/home"
		if local {
			want = next
		}
		if got := middleware.ReturnPath(r, "/home"); got != want {
			t.Errorf("ReturnPath(%q) = %q, want %q", next, got, want)
		}
	}
}

func FuzzReturnPath(f *testing.F) {
	for _, seed := range []string{"/.//x", "/%2e//x", "/a/..//x", "/%2fx", "/", "/a?b=c#d", "//evil", `/\evil`, "/\t/evil", "https://evil", "/%2f/evil", "/a//b", "\\/evil", "/..//evil", "/\x00/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, next string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/login", RawQuery: url.Values{"next": {next}}.Encode()}}
		got := middleware.ReturnPath(r, "/home")
		checkLocal(t, got)
	})
}
