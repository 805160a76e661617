package adaptertest

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// testHandlers checks what handlers see and do, and requests without a handler.
func testHandlers(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"accessor": testAccessor, "framework's own Get": testGet,
		"panic": testPanic, "not found": testNotFound, "sign-in and sign-out": testSignInAndOut,
		"deleted user": testDeletedUser, "WebSocket that comes back": testSockets,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, h) })
		})
	}
}

// testAccessor checks that the adapter's accessor and the request's context return the same
// session.
func testAccessor(t *testing.T, h Harness) {
	var calls int
	var w *world
	w = buildWorld(t, h, App{Routes: []Route{{Path: "/both", Handler: func(c Call) {
		calls++
		want(t, "accessor", c.Session(), w.auth.Session(c.R.Context()))
		want(t, "username", c.Session().User.Data.Username, "name of u1")
	}}}})
	b := w.browser().signIn("u1")
	b.do("GET", "/both", "", script...)
	b.do("POST", "/both", "", script...)
	want(t, "calls", calls, 2)
}

// testGet checks the result of the framework's c.Get, if it has one.
func testGet(t *testing.T, h Harness) {
	var got []any
	probe := func(c Call) {
		if c.Get == nil {
			return
		}
		got = append(got, c.Get())
		c.Session()
		got = append(got, c.Get())
	}
	w := buildWorld(t, h, App{Routes: []Route{{Path: "/get", Handler: probe}, {Path: "/get-required", Handler: probe, Require: true}}})
	b := w.browser().signIn("u1")
	b.do("GET", "/get", "", script...)
	b.do("GET", "/get-required", "", script...)
	w.browser().do("GET", "/get", "", script...)
	if len(got) == 0 {
		t.Skip("the framework has no c.Get")
	}
	for i, present := range []bool{false, false, true, true, false, false} {
		s, _ := got[i].(*session.Session[Profile])
		if want(t, "c.Get has a session", s != nil, present); s != nil {
			want(t, "user", s.User.ID, "u1")
		}
	}
}

// testPanic checks that a refresh is not lost with the response of a handler that panics, and that
// the next request is served.
func testPanic(t *testing.T, h Harness) {
	w := buildWorld(t, h, App{Recover: true, Routes: []Route{{Path: "/panic", Handler: func(c Call) {
		if c.Session() == nil {
			t.Error("no session before the panic")
		}
		panic("a panic of the handler")
	}}}})
	b := w.browser()
	expired(b)
	resp, body := b.do("GET", "/panic", "", navigation...)
	want(t, "status", resp.StatusCode, 500)
	want(t, "cookies", effect(resp), renewed)
	want(t, "private", isPrivate(resp.Header), true)
	if strings.Contains(body, "ey") {
		t.Errorf("body of a panic: %q", body)
	}
	_, body = b.do("GET", "/who", "", navigation...)
	want(t, "next request", body, "u1 fresh")
}

// testNotFound checks that paths without a route pass through the middleware, because their page
// may greet the person.
func testNotFound(t *testing.T, h Harness) {
	b := newWorld(t, h).browser()
	expired(b)
	resp, _ := b.do("GET", "/nowhere", "", navigation...)
	want(t, "status", resp.StatusCode, 404)
	want(t, "cookies", effect(resp), renewed)
	resp, _ = b.do("GET", "/api/auth/nothing", "", navigation...)
	want(t, "status below the base path", resp.StatusCode, 404)
	resp, _ = b.do("GET", "/api/auth", "", navigation...)
	want(t, "status of the base path", resp.StatusCode, 404)
}

// testSignInAndOut signs in and out in handlers. The rest of the request reflects it.
func testSignInAndOut(t *testing.T, h Harness) {
	var w *world
	seen := func(c Call) string {
		if s := c.Session(); s != nil {
			return s.User.ID
		}
		return ""
	}
	out := func(c Call) {
		before := seen(c)
		if err := w.auth.SignOut(c.W, c.R); err != nil {
			t.Error(err)
		}
		want(t, "before sign-out", before, "u1")
		want(t, "after sign-out", seen(c), "")
		http.Redirect(c.W, c.R, "/", http.StatusSeeOther)
	}
	in := func(c Call) {
		if _, err := w.auth.SignIn(c.W, c.R, "u2"); err != nil {
			t.Error(err)
		}
		want(t, "after sign-in", seen(c), "u2")
		want(t, "outcome after sign-in", w.auth.Outcome(c.R.Context()), middleware.OutcomeSignedIn)
		want(t, "page data after sign-in", strings.Contains(string(middleware.PageData.HTML(c.R.Context())), `"user_id":"u2"`), true)
	}
	w = buildWorld(t, h, App{Routes: []Route{{Path: "/out", Handler: out}, {Path: "/in", Handler: in}}})
	b := w.browser().signIn("u1")
	resp, _ := b.do("POST", "/in", "", script...)
	want(t, "cookies set", len(resp.Cookies()), 3)
	// Without a session, in any kind of request.
	for _, kind := range []headers{script, navigation, htmx, turbo, image, nil} {
		resp, _ = w.browser().do("POST", "/in", "", kind...)
		want(t, "cookies set without a session", len(resp.Cookies()), 3)
		want(t, "private", isPrivate(resp.Header), true)
		want(t, "Clear-Site-Data of a sign-in", resp.Header.Get("Clear-Site-Data"), ahead)
	}
	b.signIn("u1")
	resp, _ = b.do("POST", "/out", "", script...)
	want(t, "status", resp.StatusCode, 303)
	want(t, "cookies", effect(resp), cleared3)
	want(t, "Clear-Site-Data", resp.Header.Get("Clear-Site-Data"), ahead)
}
