package adaptertest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/middleware"
)

// attributeCases are the exact Set-Cookie lines in each configuration. VALUE stands for the part
// that differs from sign-in to sign-in.
var attributeCases = []struct {
	name   string
	change change
	prefix string // of the cookies' names
	rest   string // of the attributes
}{
	{"https", production, "__Host-", "; HttpOnly; Secure; SameSite=Lax"},
	{"development", nil, "", "; HttpOnly; SameSite=Lax"},
	{"prefix", func(c *middleware.Config[Profile]) { production(c); c.CookiePrefix = "shop_" }, "__Host-shop_", "; HttpOnly; Secure; SameSite=Lax"},
	{"domain", func(c *middleware.Config[Profile]) { production(c); c.CookieDomain = "example.com" }, "__Secure-", "; Domain=example.com; HttpOnly; Secure; SameSite=Lax"},
	{"prefix in development", func(c *middleware.Config[Profile]) { c.CookiePrefix = "shop_" }, "shop_", "; HttpOnly; SameSite=Lax"},
}

func production(c *middleware.Config[Profile]) { c.Dev = false }

func testCookies(t *testing.T, h Harness) {
	for _, c := range attributeCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testAttributes(t, newWorld(t, h, c.change), c.prefix, c.rest) })
		})
	}
	t.Run("sign-in from another origin", func(t *testing.T) {
		t.Parallel()
		resp, body := newWorld(t, h).browser().do("POST", "/login?user=u1", "", elsewhere...)
		want(t, "status", resp.StatusCode, 403)
		want(t, "body", body, forbidden)
		want(t, "cookies", effect(resp), kept)
	})
	t.Run("sign-in over an expired session", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { testSignInAfterRefresh(t, h) })
	})
}

func testAttributes(t *testing.T, w *world, prefix, rest string) {
	line := func(name, age string) string {
		attributes := "; Path=/; Max-Age=" + age + rest
		if rest[:9] == "; Domain=" {
			attributes = "; Path=/; Domain=example.com; Max-Age=" + age + rest[len("; Domain=example.com"):]
		}
		return prefix + name + "=" + attributes
	}
	b := w.browser()
	resp, _ := b.do("POST", "/login?user=u1", "", script...)
	wantLines(t, "sign-in", resp,
		line("access_token", "900"), line("encrypt_refresh_token", "31536000"), line("fingerprint_token", "34560000"))

	time.Sleep(16 * time.Minute)
	r := b.request("GET", "/quiet", "", navigation...)
	r.Header.Del("Cookie")
	for _, name := range []string{"access_token", "encrypt_refresh_token", "fingerprint_token"} {
		r.AddCookie(&http.Cookie{Name: prefix + name, Value: *b.jar(name)})
	}
	resp, body := b.send(r)
	want(t, "outcome", body, "refreshed")
	wantLines(t, "refresh", resp, line("access_token", "900"), line("encrypt_refresh_token", "31536000"))

	r.Header.Set("Cookie", prefix+"access_token=rubbish; "+prefix+"fingerprint_token=x")
	resp, _ = b.send(r)
	var cleared []string
	if strings.Contains(rest, "Secure") { // in development it may belong to another program
		cleared = append(cleared, line("access_token", "0"))
	}
	if strings.Contains(rest, "Domain") { // it may be for this host only
		cleared = append(cleared, prefix+"access_token=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
	}
	wantLines(t, "clearing", resp, cleared...)
}

var cookieValue = regexp.MustCompile(`^([^=]+=)[^;]*`)

func wantLines(t testing.TB, what string, resp *http.Response, want ...string) {
	t.Helper()
	var got []string
	for _, l := range resp.Header["Set-Cookie"] {
		got = append(got, cookieValue.ReplaceAllString(l, "$1"))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Set-Cookie of %s (-want +got):\n%s", what, diff)
	}
}

// testSignInAfterRefresh signs in with a request that the middleware has just refreshed. The
// cookies of the sign-in are set once each.
func testSignInAfterRefresh(t *testing.T, h Harness) {
	b := newWorld(t, h).browser()
	expired(b)
	resp, _ := b.do("POST", "/login?user=u2", "", script...)
	want(t, "status", resp.StatusCode, 303)
	want(t, "lines", len(resp.Header["Set-Cookie"]), 3)
	_, body := b.do("GET", "/who", "", navigation...)
	want(t, "session", body, "u2 fresh")
}
