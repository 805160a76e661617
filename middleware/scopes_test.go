package middleware_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// visitor is a person with a browser's cookie jar who visits several apps.
type visitor struct {
	t     testing.TB
	jar   *cookiejar.Jar
	store session.Store
	app   *app
}

func newVisitor(t testing.TB) *visitor {
	jar, _ := cookiejar.New(nil) // never fails
	return &visitor{t: t, jar: jar, store: memstore.New()}
}

// deploy replaces the app, which is served over HTTPS. Sessions stay in the store.
func (p *visitor) deploy(change func(*middleware.Config[profile])) {
	p.app = newApp(p.t, func(c *middleware.Config[profile]) {
		c.Dev, c.Store = false, p.store
		change(c)
	})
}

// domain deploys an app with a CookieDomain.
func (p *visitor) domain(d string) {
	p.deploy(func(c *middleware.Config[profile]) { c.CookieDomain = d })
}

// ask makes a request as a page does and returns the response's text.
func (p *visitor) ask(method, address string, headers ...string) (string, *http.Response) {
	p.t.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	web := &http.Client{Jar: p.jar, Transport: luciatest.Transport(p.app.handler), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := web.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	said, _, _ := strings.Cut(string(body), "<script")
	return said, resp
}

const host = "https://app.example.com"

func (p *visitor) page() string {
	p.t.Helper()
	said, _ := p.ask("GET", host+"/page", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin")
	return said
}

func (p *visitor) signIn(user string) {
	p.t.Helper()
	_, resp := p.ask("POST", host+"/login?user="+user, "Origin", host, "Sec-Fetch-Site", "same-origin")
	want(p.t, "sign-in", resp.StatusCode, 200)
}

func (p *visitor) signOut() {
	p.t.Helper()
	handler := p.app.handler
	p.app.handler = p.app.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.app.auth.SignOut(w, r) }))
	p.ask("POST", host+"/out", "Origin", host, "Sec-Fetch-Site", "same-origin")
	p.app.handler = handler
}

// in reports whether the page is that of the user.
func (p *visitor) in(user string) bool {
	p.t.Helper()
	return strings.HasPrefix(p.page(), user+" ")
}

// plant sets a cookie as another program does.
func (p *visitor) plant(name, value, domain string) {
	u, _ := url.Parse(host)
	p.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Domain: domain, Path: "/", Secure: true, MaxAge: 1 << 24}})
}

// names returns the cookies that the browser sends to an address.
func (p *visitor) names(address string) (names []string) {
	u, _ := url.Parse(address)
	for _, c := range p.jar.Cookies(u) {
		names = append(names, c.Name)
	}
	return names
}

// changes are changes of CookieDomain. "" is this host only.
var changes = []struct {
	from, to string
	adopts   bool // the session continues; otherwise one sign-in is needed
}{
	{"", "app.example.com", true},
	{"", "example.com", true},
	{"app.example.com", "example.com", true},
	{"example.com", "app.example.com", true},
	{"app.example.com", "", false},
	{"example.com", "", false},
}

// A change of CookieDomain ends no session, or requires one sign-in that works at once.
func TestChangeOfCookieDomain(t *testing.T) {
	for _, change := range changes {
		for _, wait := range []time.Duration{time.Minute, 20 * time.Minute, 30 * 24 * time.Hour} {
			t.Run(fmt.Sprintf("%q to %q after %v", change.from, change.to, wait), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newVisitor(t)
					p.domain(change.from)
					p.signIn("u1")
					want(t, "before", p.in("u1"), true)
					p.domain(change.to)
					time.Sleep(wait)
					want(t, "after the change", p.in("u1"), change.adopts)
					for range 6 { // refreshes, with confirmations between them
						time.Sleep(10 * time.Minute)
						want(t, "later", p.in("u1"), change.adopts)
					}
					p.signIn("u2")
					want(t, "signs in as another user", p.in("u2"), true)
					time.Sleep(20 * time.Minute)
					want(t, "refreshed", p.in("u2"), true)
					p.signOut()
					want(t, "signed out", p.page(), "anonymous")
					want(t, "cookies left", strings.Join(p.names(host), " "), "")
					if strings.Contains(p.app.log.String(), "reuse") {
						t.Errorf("log: %s", p.app.log)
					}
				})
			})
		}
		t.Run(fmt.Sprintf("%q to %q and back", change.from, change.to), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newVisitor(t)
				p.domain(change.from)
				p.signIn("u1")
				for i := range 4 {
					p.domain([]string{change.to, change.from}[i%2])
					for range 3 {
						time.Sleep(10 * time.Minute)
						p.page()
					}
					p.signIn("u1")
					want(t, "signed in on the next page", p.in("u1"), true)
				}
				if strings.Contains(p.app.log.String(), "reuse") {
					t.Errorf("log: %s", p.app.log)
				}
			})
		})
	}
}

// A staging app is below production's domain and has another secret. Neither affects the other,
// whichever signs in or out.
func TestStagingBelowProductionsDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newVisitor(t)
		staging := func(c *middleware.Config[profile]) {
			c.Secret, c.CookieDomain = bytes.Repeat([]byte("t"), 32), "app.example.com"
		}
		p.domain("example.com")
		p.signIn("u1")
		p.deploy(staging)
		want(t, "staging accepts a session of production", strings.HasPrefix(p.page(), "u1 "), false)
		p.signIn("u2")
		for range 8 {
			time.Sleep(10 * time.Minute)
			want(t, "staging", p.in("u2"), true)
		}
		p.signOut()
		want(t, "staging, signed out", p.in("u2"), false)
		p.domain("example.com")
		want(t, "production", p.in("u1"), true)
	})
}

// An identity provider sends the person back to staging with a form post from another site. The
// browser then withholds the cookies that show that production is there.
func TestCallbackToStagingLeavesProductionAlone(t *testing.T) {
	for _, former := range []bool{false, true} {
		p := newVisitor(t)
		p.domain("example.com")
		p.signIn("u1")
		p.deploy(func(c *middleware.Config[profile]) {
			c.Secret, c.CookieDomain = bytes.Repeat([]byte("t"), 32), "app.example.com"
			if former {
				c.FormerCookieDomains = []string{"example.com"}
			}
		})
		r := httptest.NewRequest("POST", host+"/callback", nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		if _, err := p.app.auth.SignIn(w, r, "u2", middleware.FromCallback()); err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(host)
		p.jar.SetCookies(u, w.Result().Cookies())
		p.domain("example.com")
		for name := range strings.SplitSeq("access_token encrypt_refresh_token", " ") { // remove staging's to see only production's
			p.jar.SetCookies(u, []*http.Cookie{{Name: "__Secure-" + name, Domain: "app.example.com", Path: "/", MaxAge: -1}})
		}
		want(t, fmt.Sprintf("production, whose domain is a former one of staging: %v", former), p.in("u1"), !former)
	}
}

// Another program has cookies under the library's names, on this host or on a parent domain.
func TestForeignCookiesUnderOurNames(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.XbPfbIHMI6arZ3Y922BhjWgQzWXcXNrz0ogtVhfEd2o"
	for _, domain := range []string{"", "app.example.com", "example.com"} {
		for _, name := range []string{"access_token", "encrypt_refresh_token", "fingerprint_token"} {
			for kind, value := range map[string]string{"opaque": "9f86d081884c7d65", "jwt": jwt} {
				t.Run(domain+"/"+name+"/"+kind, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := newVisitor(t)
						p.domain(domain)
						prefix := "__Secure-"
						if domain == "" {
							prefix = "__Host-"
						}
						for _, scope := range []string{"", "example.com"} {
							p.plant(prefix+name, value, scope)
						}
						want(t, "before", p.in("u1"), false)
						p.signIn("u1")
						for range 5 {
							want(t, "signed in", p.in("u1"), true)
							time.Sleep(16 * time.Minute)
						}
						p.signOut()
						want(t, "signed out", p.in("u1"), false)
					})
				})
			}
		}
	}
}

// Another program on localhost has replaced the access cookie when it expired. The session
// continues, and the other program's cookies do not change.
func TestAnotherProgramsCookieOnLocalhost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		time.Sleep(16 * time.Minute)
		b.cookies["access_token"] = "other-project"
		want(t, "page", b.navigate("/page"), "u1 refreshed")

		stranger := newBrowser(t, a)
		stranger.cookies["access_token"], stranger.cookies["fingerprint_token"] = "other-project", strings.Repeat("x", 64)
		want(t, "a stranger's page", stranger.navigate("/page"), "invalid")
		want(t, "cookies left", stranger.cookies["access_token"], "other-project")
	})
}

// A host below the domain has planted one of two genuine sets of cookies. The visitor is not signed
// in as another user, and a sign-in resolves the conflict.
func TestTossedSetEndsWithASignIn(t *testing.T) {
	for _, attackersDomain := range []string{"app.example.com", "example.com", ""} {
		t.Run(attackersDomain, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newVisitor(t)
				p.domain("example.com")
				attacker := newVisitor(t)
				attacker.store = p.store
				attacker.domain("example.com")
				attacker.signIn("attacker")
				p.signIn("victim")
				u, _ := url.Parse(host)
				if attackersDomain != "example.com" {
					for _, c := range attacker.jar.Cookies(u) {
						p.plant(c.Name, c.Value, attackersDomain)
					}
					want(t, "with both sets", p.page(), "ambiguous")
				}
				for range 3 {
					time.Sleep(20 * time.Minute)
					want(t, "as the attacker", p.in("attacker"), false)
				}
				p.signIn("victim")
				want(t, "after a sign-in", p.in("victim"), true)
				time.Sleep(20 * time.Minute)
				want(t, "refreshed", p.in("victim"), true)
			})
		})
	}
}

// A host-only app does not accept cookies that a host below a former domain can set.
func TestFormerDomainIsNeverTrusted(t *testing.T) {
	p, attacker := newVisitor(t), newVisitor(t)
	attacker.store = p.store
	attacker.domain("example.com")
	attacker.signIn("attacker")
	p.deploy(func(c *middleware.Config[profile]) { c.FormerCookieDomains = []string{"example.com"} })
	u, _ := url.Parse(host)
	for _, c := range attacker.jar.Cookies(u) {
		p.plant(c.Name, c.Value, "example.com")
	}
	want(t, "page", p.page(), "anonymous")
	p.signIn("victim")
	want(t, "after a sign-in", p.in("victim"), true)
	want(t, "cookies under the former names", strings.Contains(strings.Join(p.names(host), " "), "__Secure-"), false)
}

// The response to a request of a session that has ended arrives after the response to a newer
// sign-in. The open page of the new session sets its tokens again.
func TestLateAnswersLeaveTheNewSessionsFingerprint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, newApp(t, nil)).signIn("u1")
		old := b.clone()
		time.Sleep(16 * time.Minute)
		late := old.send(old.request("GET", "/page", nil, "Sec-Fetch-Dest", "document")) // refreshed
		b.signIn("u2")
		dead := old.send(old.request("GET", "/page", nil, "Sec-Fetch-Dest", "document")) // the session has ended by now
		for name, answer := range map[string]*http.Response{"a refresh": late, "the end of the session": dead} {
			b.keep(answer)
			status, code := b.refresh()
			want(t, name+" that comes late: refresh by the open page: "+code, status, 200)
			want(t, name+" that comes late: the next page", strings.HasPrefix(b.navigate("/page"), "u2 "), true)
		}
	})
}
