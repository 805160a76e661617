package middleware_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// TestRequireWorksWithoutTheMiddlewareAroundTheApp uses Require alone, which runs the
// middleware's core for its requests.
func TestRequireWorksWithoutTheMiddlewareAroundTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		a.handler = a.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, a.auth.Session(r.Context()).User.ID+" "+a.auth.Outcome(r.Context()).String())
		}))
		want(t, "page", text(t, b.do("GET", "/", nil, "Sec-Fetch-Dest", "document")), "u1 fresh")
		time.Sleep(16 * time.Minute)
		resp := b.do("GET", "/", nil, "Sec-Fetch-Dest", "document")
		want(t, "page", text(t, resp), "u1 refreshed")
		want(t, "cookies", len(resp.Cookies()), 2)
		resp = newBrowser(t, a).do("GET", "/", nil, "Sec-Fetch-Dest", "document")
		want(t, "status", resp.StatusCode, 303)
		want(t, "Cache-Control", resp.Header.Get("Cache-Control"), "private, no-store")
	})
}

// TestRequireAsksTheStoreOnce nests several handlers that run the core.
func TestRequireAsksTheStoreOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		time.Sleep(16 * time.Minute)
		a.handler = a.auth.Handler(a.auth.Require(a.auth.Handler(a.auth.Require(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, a.auth.Outcome(r.Context()).String()) })))))
		before := a.store.calls.Load()
		resp := b.do("GET", "/", nil, "Sec-Fetch-Dest", "document")
		want(t, "outcome", text(t, resp), "refreshed")
		want(t, "store calls", a.store.calls.Load()-before, 1)
		want(t, "Set-Cookie lines", len(resp.Header["Set-Cookie"]), 2)
	})
}

// TestTheWayToTheLoginPageAndBack follows Require's redirect as a browser does, through the form
// of the login page.
func TestTheWayToTheLoginPageAndBack(t *testing.T) {
	for _, login := range []string{"/login", "/enter?lang=de"} {
		a := newApp(t, func(c *middleware.Config[profile]) { c.LoginPath = login })
		for _, target := range []string{"/private", "/private?a=1&b=%2F%2Fx&next=/other", "/private/%2e%2e/x%20y?q=%C3%A9"} {
			a.handler = a.auth.Require(http.NotFoundHandler())
			resp := newBrowser(t, a).do("GET", target, nil, "Sec-Fetch-Dest", "document")
			at, err := url.Parse(resp.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			path, _ := url.Parse(login)
			want(t, "login page", at.Path, path.Path)
			want(t, "its own parameter", at.Query().Get("lang"), path.Query().Get("lang"))
			r := httptest.NewRequest("POST", at.String(), nil)
			want(t, "way back", middleware.ReturnPath(r, "/fallback"), target)
		}
	}
}

func TestRequireOnTheLoginPageItselfIsNoLoop(t *testing.T) {
	a := newApp(t, nil)
	a.handler = a.auth.Require(http.NotFoundHandler())
	resp := newBrowser(t, a).do("GET", "/login", nil, "Sec-Fetch-Dest", "document")
	want(t, "status", resp.StatusCode, 401)
}

// TestRevokedUserIsRefusedAtOnce ends a user's sessions while the access token has not expired.
func TestRevokedUserIsRefusedAtOnce(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	if err := a.auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	resp := b.do("GET", "/private", nil, "Sec-Fetch-Dest", "empty")
	want(t, "status", resp.StatusCode, 401)
	want(t, "body", text(t, resp), `{"message":"`+string(session.CodeUnauthorized)+`"}`)
}
