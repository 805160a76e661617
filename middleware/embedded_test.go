package middleware_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
)

func embedded(c *middleware.Config[profile]) { c.Dev, c.Embedded = false, true }

// In a frame of another site a person signs in, is refreshed, submits forms and signs out. Browsers
// accept every cookie that is set or cleared there.
func TestEmbeddedPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, embedded)
		b := newBrowser(t, a)
		inFrame := []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site"}
		own := []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin"}
		cookies := func(what string, n int, resp *http.Response) {
			t.Helper()
			lines := resp.Header["Set-Cookie"]
			want(t, what+": cookies", len(lines), n)
			for _, line := range lines {
				for _, part := range []string{"__Host-embedded-", "; SameSite=None", "; Secure", "; Partitioned", "; HttpOnly", "; Path=/"} {
					if !strings.Contains(line, part) {
						t.Errorf("%s: no %q in %s", what, part, line)
					}
				}
			}
		}
		cookies("sign-in", 3, b.do("POST", "/login?user=u1", nil, own...))
		resp := b.do("GET", "/page", nil, inFrame...)
		want(t, "page", strings.HasPrefix(text(t, resp), "u1 fresh"), true)
		time.Sleep(16 * time.Minute)
		resp = b.do("GET", "/private", nil, inFrame...)
		cookies("refresh", 2, resp)
		want(t, "page", text(t, resp), "u1")
		want(t, "form of the frame", b.do("POST", "/private", nil, own...).StatusCode, 200)
		want(t, "form of the site around it", b.do("POST", "/private", nil, inFrame...).StatusCode, 403)
		want(t, "its request for the session", b.do("GET", "/api/auth/session", nil, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "empty").StatusCode, 403)
		want(t, "sign-in by the site around it", b.do("POST", "/login?user=u2", nil, inFrame...).StatusCode, 403)
		b.navigate("/page")
		resp = b.do("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+b.access)
		want(t, "sign-out", resp.StatusCode, 204)
		cookies("sign-out", 3, resp)
	})
}

// Cookies from before a change of Embedded have no effect.
func TestChangeOfEmbedded(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	before := newApp(t, func(c *middleware.Config[profile]) { c.Dev, c.Store = false, store })
	after := newApp(t, func(c *middleware.Config[profile]) { embedded(c); c.Store = store })
	b := newBrowser(t, before).signIn("u1")
	b.app = after
	want(t, "page", b.navigate("/page"), "anonymous")
	want(t, "page after signing in again", b.signIn("u2").navigate("/page"), "u2 fresh")
}

func TestEmbeddedExcludesDev(t *testing.T) {
	t.Parallel()
	config := middleware.Config[profile]{Secret: []byte(strings.Repeat("s", 32)), Store: memstore.New(), LoadUser: noUser, Dev: true, Embedded: true}
	if _, err := middleware.New(config); err == nil || !strings.Contains(err.Error(), "Embedded and Dev exclude each other") {
		t.Errorf("error %v", err)
	}
}
