package middleware_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/middleware"
)

// post asks the app to sign in with options, to stop acting or to sign out, as a form does.
func (p *visitor) post(user string, options ...middleware.SignInOption) int {
	p.t.Helper()
	handler := p.app.handler
	defer func() { p.app.handler = handler }()
	p.app.handler = p.app.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if user == "" {
			err = p.app.auth.StopActing(w, r)
		} else {
			_, err = p.app.auth.SignIn(w, r, user, options...)
		}
		if err != nil {
			middleware.WriteError(w, err)
		}
	}))
	_, resp := p.ask("POST", host+"/", "Origin", host, "Sec-Fetch-Site", "same-origin")
	return resp.StatusCode
}

// actsAcross returns a browser in which root acts as u1 since before a change of CookieDomain.
func actsAcross(t *testing.T, from, to string) *visitor {
	t.Helper()
	p := newVisitor(t)
	p.domain(from)
	want(t, "root signs in", p.post("root"), 200)
	want(t, "root acts as u1", p.post("u1", middleware.Actor("root", "ticket 12")), 200)
	want(t, "page", p.in("u1"), true)
	p.domain(to)
	return p
}

// sessions returns how many sessions a user has.
func (p *visitor) sessions(user string) int {
	p.t.Helper()
	list, err := p.store.List(p.t.Context(), user)
	if err != nil {
		p.t.Fatal(err)
	}
	return len(list)
}

// The actor's own session ends, and its cookie is removed, in whatever scope a former CookieDomain
// has left it.
func TestActorsOwnSessionInScopesOfFormerDomains(t *testing.T) {
	t.Parallel()
	logout := func(p *visitor) {
		_, resp := p.ask("POST", host+"/api/auth/logout", "Origin", host, "Sec-Fetch-Site", "same-origin",
			"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Content-Type", "application/x-www-form-urlencoded")
		want(p.t, "sign-out", resp.StatusCode, http.StatusSeeOther)
	}
	for _, change := range changes {
		for name, signOut := range map[string]func(*visitor){"SignOut": (*visitor).signOut, "the logout route": logout} {
			t.Run(fmt.Sprintf("%q to %q, %s", change.from, change.to, name), func(t *testing.T) {
				p := actsAcross(t, change.from, change.to)
				signOut(p)
				want(t, "cookies left", strings.Join(p.names(host), " "), "")
				want(t, "sessions of root and u1", fmt.Sprint(p.sessions("root"), p.sessions("u1")), "0 0")
			})
		}
		t.Run(fmt.Sprintf("%q to %q, a sign-in", change.from, change.to), func(t *testing.T) {
			p := actsAcross(t, change.from, change.to)
			p.signIn("u2")
			want(t, "page", p.in("u2"), true)
			want(t, "cookies", len(p.names(host)), 3)
			want(t, "sessions of root, u1 and u2", fmt.Sprint(p.sessions("root"), p.sessions("u1"), p.sessions("u2")), "0 0 1")
		})
		t.Run(fmt.Sprintf("%q to %q, stopping", change.from, change.to), func(t *testing.T) {
			p := actsAcross(t, change.from, change.to)
			if !change.adopts { // the acting session does not continue, so there is nothing to stop
				want(t, "stop", p.post(""), http.StatusUnauthorized)
				return
			}
			want(t, "stop", p.post(""), 200)
			want(t, "cookies", len(p.names(host)), 3)
			want(t, "page", p.in("root"), true)
			want(t, "sessions of root and u1", fmt.Sprint(p.sessions("root"), p.sessions("u1")), "1 0")
		})
	}
}

// A browser has the actor's own session in two scopes: an older one that has ended, and the
// present one. Stopping returns to the present one and removes both.
func TestStopActingFindsTheActorsOwnSessionAmongSeveral(t *testing.T) {
	t.Parallel()
	p := actsAcross(t, "app.example.com", "example.com")
	u, _ := url.Parse(host)
	var older string
	for _, c := range p.jar.Cookies(u) {
		if c.Name == "__Secure-actor_session" {
			older = c.Value
		}
	}
	p.signIn("root")
	p.plant("__Secure-actor_session", older, "app.example.com")
	want(t, "root acts as u1 again", p.post("u1", middleware.Actor("root", "ticket 13")), 200)
	p.plant("__Secure-actor_session", older, "app.example.com")
	want(t, "stop", p.post(""), 200)
	want(t, "page", p.in("root"), true)
	want(t, "cookies", len(p.names(host)), 3)
}

// Another app with other secrets keeps its own actor's session above the app's domain.
func TestActorsSessionOfAnotherAppStays(t *testing.T) {
	t.Parallel()
	p := actsAcross(t, "example.com", "example.com")
	p.deploy(func(c *middleware.Config[profile]) {
		c.Secret, c.CookieDomain = bytes.Repeat([]byte("t"), 32), "app.example.com"
	})
	p.signIn("u2")
	p.signOut()
	p.domain("example.com")
	want(t, "production while acting", p.in("u1"), true)
	want(t, "production stops", p.post(""), 200)
	want(t, "production", p.in("root"), true)
}
