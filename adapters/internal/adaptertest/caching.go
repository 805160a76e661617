package adaptertest

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/middleware"
)

// testCaching checks the headers for caches between app and browser.
func testCaching(t *testing.T, h Harness) {
	b := newWorld(t, h).browser().signIn("u1")
	anonymous := b.world.browser()
	for _, c := range []struct {
		name    string
		browser *browser
		path    string
		header  headers
		caching string
		vary    bool // Vary: Cookie
	}{
		{"static file, signed in", b, "/static", image, "public, max-age=60", false},
		{"static file, signed out", anonymous, "/static", image, "public, max-age=60", false},
		{"static file, opened by a signed-out visitor", anonymous, "/static", navigation, "public, max-age=60", true},
		{"data, signed in", b, "/quiet", script, "private, no-store", true},
		{"page, signed in", b, "/quiet", navigation, "private, no-store", true},
		{"page, signed out", anonymous, "/quiet", navigation, "private, no-cache", true},
		{"data, signed out", anonymous, "/who", script, "private, no-cache", true},
		{"page data, signed in", b, "/page", script, "private, no-store", true},
		{"page data, signed out", anonymous, "/page", navigation, "private, no-cache", true},
		{"image that asks for the session, signed in", b, "/who", image, "", false},
		{"image behind Require", b, "/private", image, "private, no-store", true},
		{"refusal", anonymous, "/private", nil, "private, no-store", true},
		{"refused image", anonymous, "/private", image, "private, no-store", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, _ := c.browser.do("GET", c.path, "", c.header...)
			want(t, "Cache-Control", resp.Header.Get("Cache-Control"), c.caching)
			want(t, "Vary: Cookie", varies(resp.Header, "Cookie"), c.vary)
		})
	}
	t.Run("app that varies, too", func(t *testing.T) { testAppVaries(t, h) })
	t.Run("skipped", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testSkip(t, h) }) })
}

// testAppVaries requests a page whose handler adds to Vary.
func testAppVaries(t *testing.T, h Harness) {
	b := buildWorld(t, h, App{Routes: []Route{{Path: "/varies", Handler: func(c Call) {
		c.W.Header().Add("Vary", "Accept-Encoding")
		c.Session()
	}}}}).browser().signIn("u1")
	resp, _ := b.do("GET", "/varies", "", script...)
	want(t, "Vary: Accept-Encoding", varies(resp.Header, "Accept-Encoding"), true)
	want(t, "Vary: Cookie", varies(resp.Header, "Cookie"), true)
}

// testSkip checks that a skipped request is passed on unchanged, both by the configuration and by
// the adapter's own way of skipping.
func testSkip(t *testing.T, h Harness) {
	skip := func(r *http.Request) bool { return r.Header.Get("X-Skip") != "" }
	byConfig := newWorld(t, h, func(c *middleware.Config[Profile]) { c.Skip = skip })
	byAdapter := buildWorld(t, h, App{Skip: skip})
	for name, w := range map[string]*world{"by Config": byConfig, "by the adapter": byAdapter} {
		b := w.browser()
		ended(b)
		resp, body := b.send(b.request("GET", "/who", "", navigation.and("X-Skip", "1")...))
		want(t, name+": session", body, "anonymous")
		want(t, name+": cookies", effect(resp), kept)
		want(t, name+": Cache-Control", resp.Header.Get("Cache-Control"), "")
		resp, _ = b.send(b.request("GET", "/api/auth/session", "", script.and("X-Skip", "1")...))
		want(t, name+": route", resp.StatusCode, 404)
		resp, _ = b.send(b.request("GET", "/who", "", navigation...))
		want(t, name+": cookies of another request", effect(resp), clearedTokens)
	}
}
