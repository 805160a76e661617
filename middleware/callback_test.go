package middleware_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

const provider = "https://idp.example"

// callback signs in by a provider's POST from another site. Browsers send no SameSite=Lax cookies
// with it, so the answer sees none of those that it has to clear.
func (p *visitor) callback(user string) {
	p.t.Helper()
	r := httptest.NewRequest("POST", host+"/callback", nil)
	r.Header.Set("Origin", provider)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	if _, err := p.app.auth.SignIn(w, r, user, middleware.FromCallback()); err != nil {
		p.t.Fatal(err)
	}
	here, _ := url.Parse(host)
	p.jar.SetCookies(here, w.Result().Cookies())
}

// After a change of CookieDomain a callback signs in at once if FormerCookieDomains names the
// former domain, whether or not the provider is a trusted origin.
func TestCallbackAfterCookieDomainHasChanged(t *testing.T) {
	for _, change := range changes {
		for _, trusted := range [][]string{nil, {provider}} {
			t.Run(fmt.Sprintf("%q to %q, trusted %q", change.from, change.to, trusted), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newVisitor(t)
					p.domain(change.from)
					p.signIn("u1")
					p.deploy(func(c *middleware.Config[profile]) {
						c.CookieDomain, c.TrustedOrigins = change.to, trusted
						if change.from != "" {
							c.FormerCookieDomains = []string{change.from}
						}
					})
					p.callback("u2")
					want(t, "signed in", p.who(), "u2")
					time.Sleep(20 * time.Minute)
					want(t, "refreshed", p.who(), "u2")
				})
			})
		}
	}
}

// A callback of a staging app below production's domain leaves production's session alone.
func TestCallbackOfStagingLeavesProductionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newVisitor(t)
		p.domain("example.com")
		p.signIn("u1")
		p.deploy(func(c *middleware.Config[profile]) {
			c.Secret, c.CookieDomain = bytes.Repeat([]byte("t"), 32), "app.example.com"
		})
		p.callback("u2")
		want(t, "staging", p.who(), "u2")
		p.domain("example.com")
		want(t, "production", p.who(), "u1")
	})
}
