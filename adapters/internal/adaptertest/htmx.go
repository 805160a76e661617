package adaptertest

import (
	"strings"
	"testing"
	"testing/synctest"
)

// testHTMX checks that htmx apps work by cookie alone, with and without tokens in the page. htmx
// sends no token and needs none.
func testHTMX(t *testing.T, h Harness) {
	for mode, c := range map[string]change{"": nil, "hardened ": hardened} {
		for _, method := range allMethods {
			t.Run(mode+method, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testHTMXMethod(t, h, c, method) })
			})
		}
	}
	t.Run("hardened page", func(t *testing.T) {
		t.Parallel()
		b := newWorld(t, h, hardened).browser().signIn("u1")
		_, page := b.do("GET", "/page", "", navigation...)
		want(t, "the user is in the page", strings.Contains(page, `{"_lucia":{"user":{"user_id":"u1","username":"name of u1"}}}`), true)
		for _, token := range []string{b.access, b.refresh, b.fingerprint, `_token"`} {
			want(t, "a token is in the page", strings.Contains(page, token), false)
		}
	})
}

func testHTMXMethod(t *testing.T, h Harness, c change, method string) {
	b := newWorld(t, h, c).browser()
	expired(b)
	resp, body := b.do(method, "/private", "", htmx...)
	want(t, "status when a refresh is due", resp.StatusCode, 200)
	want(t, "session when a refresh is due", body, "u1 refreshed")
	_, body = b.do(method, "/who", "", htmx...)
	want(t, "session", body, "u1 fresh")

	if method == "GET" {
		return
	}
	foreign := elsewhere.and("HX-Request", "true")
	resp, body = b.do(method, "/who", "", foreign...)
	want(t, "from another origin", body, "cross-origin")
	want(t, "cookies", effect(resp), kept)
	resp, _ = b.do(method, "/private", "", foreign...)
	want(t, "Require from another origin", resp.StatusCode, 403)
	want(t, "HX-Redirect", resp.Header.Get("HX-Redirect"), "")
}
