package middleware_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// An access token is accepted for a tenth of its lifetime after its expiry, and for at most 30 s:
// as a bearer token, in a form, and in the cookie of a page.
func TestAccessTokenExpiresATenthOfItsLifeLate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ ttl, good, bad time.Duration }{
		{2 * time.Second, 2200 * time.Millisecond, 2201 * time.Millisecond},
		{time.Minute, 66 * time.Second, 67 * time.Second},
		{5 * time.Minute, 5*time.Minute + 30*time.Second, 5*time.Minute + 31*time.Second},
		{15 * time.Minute, 15*time.Minute + 30*time.Second, 15*time.Minute + 31*time.Second},
	} {
		t.Run(test.ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, func(c *middleware.Config[profile]) { c.AccessTTL = test.ttl })
				signedIn := newBrowser(t, a).signIn("u1")
				time.Sleep(test.good)
				bearer, form, page := signedIn.present()
				want(t, "bearer in time", bearer, true)
				want(t, "form in time", form, true)
				want(t, "page in time", page, "u1 fresh")
				time.Sleep(test.bad - test.good)
				bearer, form, page = signedIn.present()
				want(t, "bearer too late", bearer, false)
				want(t, "form too late", form, false)
				want(t, "page too late", page, "u1 refreshed")
			})
		})
	}
}

// present returns what the browser's access token still proves: as a bearer token, in a form of a
// browser that has lost its refresh cookie, and by its cookie.
func (b *browser) present() (bearer, form bool, page string) {
	r := b.request("GET", "/", nil, "Authorization", "Bearer "+b.access)
	_, err := b.app.auth.ValidateRequest(r)
	bearer = err == nil

	body := strings.NewReader(url.Values{"_lucia": {b.access}}.Encode())
	r = b.request("POST", "/", body, "Content-Type", "application/x-www-form-urlencoded")
	_, err = b.app.auth.ValidateFormSubmission(r)
	form = err == nil

	return bearer, form, b.clone().navigate("/page")
}

// The clock of another process may be ahead by 30 s, however short the lifetime of tokens is.
func TestAccessTokenOfAFastClockIsGood(t *testing.T) {
	t.Parallel()
	for ahead, good := range map[time.Duration]bool{30 * time.Second: true, 31 * time.Second: false} {
		t.Run(ahead.String(), func(t *testing.T) {
			var cookies []*http.Cookie
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(ahead)
				a := newApp(t, func(c *middleware.Config[profile]) { c.AccessTTL = 2 * time.Second })
				cookies = newBrowser(t, a).do("POST", "/login?user=u1", nil).Cookies()
			})
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, func(c *middleware.Config[profile]) { c.AccessTTL = 2 * time.Second })
				b := newBrowser(t, a)
				for _, c := range cookies {
					b.cookies[c.Name] = c.Value
				}
				want(t, "accepted", b.navigate("/page") == "u1 fresh", good)
			})
		})
	}
}
