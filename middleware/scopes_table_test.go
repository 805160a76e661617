package middleware_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// The scopes that an app can give its cookies.
const thisHost, ownDomain, parentDomain = "", "app.example.com", "example.com"

// leftover puts cookies under the library's names into a browser, beside or in place of those that
// the app sets now. It returns the refresh token of an open page of theirs.
type leftover func(v *visitor, now func(*middleware.Config[profile])) session.RefreshToken

// formerScope is the set of u0 from a time when CookieDomain was different.
func formerScope(domain string) leftover {
	return func(v *visitor, _ func(*middleware.Config[profile])) session.RefreshToken {
		return v.receive("u0", func(c *middleware.Config[profile]) { c.CookieDomain = domain })
	}
}

// formerSecret is the set of u0 from a time when the app had another secret, for the host only or
// in the scope that the app has now.
func formerSecret(hostOnly bool) leftover {
	return func(v *visitor, now func(*middleware.Config[profile])) session.RefreshToken {
		return v.receive("u0", func(c *middleware.Config[profile]) {
			now(c)
			c.Secret, c.PreviousSecrets = oldSecret, nil
			if hostOnly {
				c.CookieDomain = thisHost
			}
		})
	}
}

var oldSecret = bytes.Repeat([]byte("o"), 32)

// siblingsSession is a set of the attacker's own session that blog.example.com sets for the parent
// domain. Browsers refuse the prefix __Host- there.
func siblingsSession(v *visitor, now func(*middleware.Config[profile])) session.RefreshToken {
	attacker := newVisitor(v.t)
	attacker.store = v.store
	token := attacker.receive("attacker", now)
	here, _ := url.Parse(host)
	v.toss(attacker.jar.Cookies(here))
	return token
}

var siblingsValue = strings.Repeat("9f86d081", 8)

// siblingsOwn are cookies of another program at blog.example.com that happen to have the same
// names.
func siblingsOwn(v *visitor, _ func(*middleware.Config[profile])) session.RefreshToken {
	var cookies []*http.Cookie
	for _, name := range []string{"access_token", "encrypt_refresh_token", "fingerprint_token"} {
		cookies = append(cookies, &http.Cookie{Name: "__Secure-" + name, Value: siblingsValue})
	}
	v.toss(cookies)
	return "x"
}

// receive gives the browser the cookies of a sign-in to which it sent none, so that the answer
// clears nothing.
func (v *visitor) receive(user string, config func(*middleware.Config[profile])) session.RefreshToken {
	v.t.Helper()
	a := newApp(v.t, func(c *middleware.Config[profile]) {
		c.Dev, c.Store = false, v.store
		config(c)
	})
	w := httptest.NewRecorder()
	s, err := a.auth.SignIn(w, httptest.NewRequest("POST", host+"/login", nil), user)
	if err != nil {
		v.t.Fatal(err)
	}
	here, _ := url.Parse(host)
	v.jar.SetCookies(here, w.Result().Cookies())
	return s.RefreshToken
}

// toss sets cookies for the parent domain, as a host below it can.
func (v *visitor) toss(cookies []*http.Cookie) {
	sibling, _ := url.Parse("https://blog.example.com")
	for _, c := range cookies {
		v.jar.SetCookies(sibling, []*http.Cookie{{
			Name: strings.Replace(c.Name, "__Host-", "__Secure-", 1), Value: c.Value,
			Domain: parentDomain, Path: "/", Secure: true, MaxAge: 1 << 24,
		}})
	}
}

func withOldSecret(c *middleware.Config[profile]) { c.PreviousSecrets = [][]byte{oldSecret} }

func withFormerDomain(c *middleware.Config[profile]) {
	c.FormerCookieDomains = []string{parentDomain}
}

// scopeRows state who is signed in, for an app whose cookies are for this host, for its own domain
// and for the parent domain: with the leftover alone, and with a genuine set of u1 in the scope of
// the app beside it. A cell is the user of the page, both at once and after the access token has
// expired. "-" is a signed-out visitor, whose refresh is refused. "-/u1" is a signed-out visitor
// whose open page is of u1, and whose refresh signs the browser in again.
//
// An app of this host accepts only cookies that no other host can set. Under a CookieDomain the app
// accepts every host below the domain: a set of a former scope continues, and a planted set looks
// the same. Two genuine sets of different sessions give no session (the parts of the table with
// "-/u1"). Every other cell with a genuine set is signed in. If a leftover's scope is the app's
// own, the newer set has replaced it.
var scopeRows = []struct {
	name          string
	put           leftover
	config        func(*middleware.Config[profile]) // of the app now; nil is no change
	alone, beside [3]string
}{
	{"nothing", nil, nil, [3]string{"-", "-", "-"}, [3]string{"u1", "u1", "u1"}},
	{"host only", formerScope(thisHost), nil, [3]string{"u0", "u0", "u0"}, [3]string{"u1", "-/u1", "-/u1"}},
	{"own domain", formerScope(ownDomain), nil, [3]string{"-", "u0", "u0"}, [3]string{"u1", "u1", "-/u1"}},
	{"parent domain", formerScope(parentDomain), nil, [3]string{"-", "u0", "u0"}, [3]string{"u1", "-/u1", "u1"}},
	{"former domain", formerScope(parentDomain), withFormerDomain, [3]string{"-", "u0", "u0"}, [3]string{"u1", "-/u1", "u1"}},
	{"sibling's cookies", siblingsOwn, nil, [3]string{"-", "-", "-"}, [3]string{"u1", "u1", "u1"}},
	{"sibling's session", siblingsSession, nil, [3]string{"-", "attacker", "attacker"}, [3]string{"u1", "-/u1", "u1"}},
	{"former secret", formerSecret(false), withOldSecret, [3]string{"u0", "u0", "u0"}, [3]string{"u1", "u1", "u1"}},
	{"former secret, host only", formerSecret(true), withOldSecret, [3]string{"u0", "u0", "u0"}, [3]string{"u1", "-/u1", "-/u1"}},
	{"lost secret", formerSecret(false), nil, [3]string{"-", "-", "-"}, [3]string{"u1", "u1", "u1"}},
	{"lost secret, host only", formerSecret(true), nil, [3]string{"-", "-", "-"}, [3]string{"u1", "u1", "u1"}},
}

// Each leftover, with and without a genuine set, meets an app of each scope: a page, a refresh, a
// sign-in and a sign-out. A sign-in always works at once and stays valid. A sign-out always leaves
// the visitor signed out, and leaves only the cookies of other programs.
func TestScopesTable(t *testing.T) {
	for _, row := range scopeRows {
		for i, scope := range []string{thisHost, ownDomain, parentDomain} {
			for _, genuine := range []bool{false, true} {
				c := scopeCell{scope, row.put, row.config, genuine}
				wanted := row.alone[i]
				if genuine {
					wanted = row.beside[i]
				}
				t.Run(fmt.Sprintf("%s, app of %q, genuine set %t", row.name, scope, genuine), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						want(t, "page and refresh", c.reads(t), wanted)
						c.signsIn(t)
						c.signsOut(t)
					})
				})
			}
		}
	}
}

// scopeCell is one browser and one app.
type scopeCell struct {
	scope   string
	put     leftover
	config  func(*middleware.Config[profile])
	genuine bool // the browser has a set of u1 as well, in the scope of the app now
}

// browser returns a browser and the refresh token of its open page.
func (c scopeCell) browser(t *testing.T) (v *visitor, token session.RefreshToken) {
	now := func(config *middleware.Config[profile]) {
		config.CookieDomain = c.scope
		if c.config != nil {
			c.config(config)
		}
	}
	v = newVisitor(t)
	if c.put != nil {
		token = c.put(v, now)
	}
	if c.genuine {
		token = v.receive("u1", now)
	}
	v.deploy(now)
	return v, token
}

// reads returns who is on a page, now and later, and after a refresh by the open page.
func (c scopeCell) reads(t *testing.T) string {
	t.Helper()
	v, _ := c.browser(t)
	page := v.who()
	time.Sleep(20 * time.Minute)
	want(t, "page after the access token has expired", v.who(), page)

	v, token := c.browser(t)
	_, resp := v.ask("POST", host+"/api/auth/refresh", "Origin", host, "Sec-Fetch-Site", "same-origin", "Authorization", "Bearer "+string(token))
	after := v.who()
	switch {
	case resp.StatusCode == http.StatusOK && after == page && page != "-":
		return page
	case resp.StatusCode == http.StatusUnauthorized && after == "-" && page == "-":
		return page
	case resp.StatusCode == http.StatusOK && page == "-":
		return page + "/" + after
	}
	return fmt.Sprintf("page of %s, refresh %d, page of %s", page, resp.StatusCode, after)
}

func (c scopeCell) signsIn(t *testing.T) {
	t.Helper()
	v, _ := c.browser(t)
	v.signIn("u2")
	want(t, "page after a sign-in", v.who(), "u2")
	time.Sleep(20 * time.Minute)
	want(t, "page later", v.who(), "u2")
}

func (c scopeCell) signsOut(t *testing.T) {
	t.Helper()
	v, _ := c.browser(t)
	_, resp := v.ask("POST", host+"/api/auth/logout", "Origin", host, "Sec-Fetch-Site", "same-origin",
		"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Content-Type", "application/x-www-form-urlencoded")
	want(t, "sign-out", resp.StatusCode, http.StatusSeeOther)
	want(t, "page after the sign-out", v.who(), "-")
	time.Sleep(20 * time.Minute)
	want(t, "page later", v.who(), "-")
	here, _ := url.Parse(host)
	for _, cookie := range v.jar.Cookies(here) {
		if cookie.Value != siblingsValue {
			t.Errorf("after the sign-out the browser has %s", cookie)
		}
	}
}

// who returns the user of the page; "-" is a signed-out visitor.
func (p *visitor) who() string {
	p.t.Helper()
	user, outcome, signedIn := strings.Cut(p.page(), " ")
	if !signedIn || outcome == "key" { // the outcome "unknown key" has two words
		return "-"
	}
	return user
}
