package adaptertest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// ErrorCall is one request as a handler that returns an error gets it.
type ErrorCall struct {
	W     http.ResponseWriter
	R     *http.Request
	Error func(error) error // the adapter's
}

// ErrorRoute is a path of an app whose handlers return errors.
type ErrorRoute struct {
	Path    string
	Require bool // behind the adapter's Require
	Handler func(ErrorCall) error
}

// ErrorApp is an app of a framework that has one handler for all errors.
type ErrorApp struct {
	Auth   *middleware.Auth[Profile]
	Routes []ErrorRoute
	// OnError is the app's error handler. It gets the status that the framework finds in the error,
	// or 0. If it is nil, the framework's own handler handles errors.
	OnError func(w http.ResponseWriter, err error, status int)
}

// ErrorHandlers is a framework that has one handler for all errors.
type ErrorHandlers struct {
	// Build builds an app with the adapter's middleware around it.
	Build func(ErrorApp) http.Handler
	// New returns an error of the framework that wraps cause.
	New func(status int, message string, cause error) error
	// NotFound is the framework's error for a path that has no route.
	NotFound error
}

// Run runs every case of errors on the framework.
func (f ErrorHandlers) Run(t *testing.T) {
	t.Run("errors reach the app's handler", f.testReach)
	t.Run("the framework's own handler", f.testOwnHandler)
	t.Run("people get a page", f.testPage)
	t.Run("Config.Deny", f.testDeny)
}

// world builds an app around routes.
func (f ErrorHandlers) world(t *testing.T, app ErrorApp, changes ...change) *world {
	return newWorld(t, func(a App) http.Handler {
		app.Auth = a.Auth
		return f.Build(app)
	}, changes...)
}

// get requests a path as the visitor with these cookies. accept is the Accept header.
func (w *world) get(path, accept string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return answer
}

// testReach has an app with an error handler that writes pages. Refusals of Require, errors of
// handlers and errors that Error made all reach it. Responses of the middleware's routes do not.
func (f ErrorHandlers) testReach(t *testing.T) {
	own := errors.New("an error of the handler")
	fails := func(err error) func(ErrorCall) error {
		return func(c ErrorCall) error { return c.Error(err) }
	}
	returns := func(ErrorCall) error { return own }
	const html = "text/html; charset=UTF-8"
	var seen []error
	w := f.world(t, ErrorApp{
		OnError: func(w http.ResponseWriter, err error, status int) {
			seen = append(seen, err)
			if status == 0 {
				status = http.StatusInternalServerError
			}
			if got := w.Header().Get("Content-Type"); got != "" {
				t.Errorf("the handler of %v gets Content-Type %q", err, got)
			}
			w.Header().Set("Content-Type", html)
			w.WriteHeader(status)
			fmt.Fprintf(w, "<h1>%d</h1>", status)
		},
		Routes: []ErrorRoute{
			{Path: "/own", Handler: returns},
			{Path: "/private", Require: true, Handler: returns},
			{Path: "/coded", Handler: fails(fmt.Errorf("store: %w", session.CodeDatabaseUpdateFailed))},
			{Path: "/uncoded", Handler: fails(own)},
			{Path: "/none", Handler: fails(nil)},
		},
	})
	in := httptest.NewRecorder()
	if _, err := w.auth.SignIn(in, httptest.NewRequest("POST", "/", nil), "u1"); err != nil {
		t.Fatal(err)
	}
	cookies := in.Result().Cookies()
	for _, test := range []struct {
		path    string
		cookies []*http.Cookie
		status  int
		body    string
		cause   error // nil: the handler sees nothing
	}{
		{"/own", nil, 500, "<h1>500</h1>", own},
		{"/private", cookies, 500, "<h1>500</h1>", own},
		{"/private", nil, 401, "<h1>401</h1>", session.CodeUnauthorized},
		{"/coded", nil, 503, "<h1>503</h1>", session.CodeDatabaseUpdateFailed},
		{"/uncoded", nil, 500, "<h1>500</h1>", own},
		{"/none", nil, 200, "", nil},
		{"/nowhere", nil, 404, "<h1>404</h1>", f.NotFound},
		{"/api/auth/refresh", nil, 405, `{"message":"AUTH_INVALID_REQUEST_METHOD"}`, nil},
	} {
		seen = nil
		got := w.get(test.path, "", test.cookies...)
		if got.Code != test.status || got.Body.String() != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.path, got.Code, got.Body, test.status, test.body)
		}
		switch {
		case test.cause == nil && len(seen) != 0:
			t.Errorf("%s: the error handler saw %v", test.path, seen)
		case test.cause != nil && (len(seen) != 1 || !errors.Is(seen[0], test.cause)):
			t.Errorf("%s: the error handler saw %v, want %v", test.path, seen, test.cause)
		}
	}
}

// failing is a route whose handler fails with an error of the store.
var failing = []ErrorRoute{{Path: "/coded", Handler: func(c ErrorCall) error {
	return c.Error(fmt.Errorf("dial tcp 10.0.0.1: %w", session.CodeDatabaseUpdateFailed))
}}}

// testOwnHandler checks what the framework's own handler writes for errors.
func (f ErrorHandlers) testOwnHandler(t *testing.T) {
	got := f.world(t, ErrorApp{Routes: failing}).get("/coded", "")
	if got.Code != 503 || got.Body.String() != `{"message":"DATABASE_UPDATE_FAILED"}`+"\n" {
		t.Errorf("%d %q", got.Code, got.Body)
	}
	if h := got.Header(); h.Get("Retry-After") == "" || h.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", h)
	}
}

// testPage checks that a person gets a page and not the JSON that the framework's own handler
// writes.
func (f ErrorHandlers) testPage(t *testing.T) {
	got := f.world(t, ErrorApp{Routes: failing}).get("/coded", "text/html")
	if got.Code != 503 || !strings.Contains(got.Body.String(), "<h1>Back in a moment</h1>") || got.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v %s", got.Code, got.Header(), got.Body)
	}
}

// testDeny has a Config.Deny that returns errors of the framework. The app's handler writes them
// for people and for scripts. If Deny returns the denial itself, the response is the same as
// without Deny.
func (f ErrorHandlers) testDeny(t *testing.T) {
	never := func(ErrorCall) error { t.Error("the handler ran"); return nil }
	w := f.world(t, ErrorApp{
		OnError: func(w http.ResponseWriter, err error, status int) {
			if !errors.Is(err, session.CodeUnauthorized) {
				t.Errorf("the error handler got %v", err)
			}
			w.WriteHeader(status)
			io.WriteString(w, "<h1>the app's page</h1>")
		},
		Routes: []ErrorRoute{{"/own", true, never}, {"/plain", true, never}},
	}, func(c *middleware.Config[Profile]) {
		c.Deny = func(_ http.ResponseWriter, r *http.Request, denial *middleware.Denial) error {
			if r.URL.Path == "/own" {
				return f.New(http.StatusForbidden, "members only", denial)
			}
			return denial
		}
	})
	for _, test := range []struct {
		path, accept string
		status       int
		body         string
	}{
		{"/own", "text/html", 403, "<h1>the app's page</h1>"},
		{"/own", "*/*", 403, "<h1>the app's page</h1>"},
		{"/plain", "text/html", 303, ""},
		{"/plain", "*/*", 401, "<h1>the app's page</h1>"},
	} {
		got := w.get(test.path, test.accept)
		if got.Code != test.status || got.Body.String() != test.body {
			t.Errorf("%s as %s: %d %q, want %d %q", test.path, test.accept, got.Code, got.Body, test.status, test.body)
		}
		if cc := got.Header().Get("Cache-Control"); cc != "private, no-store" {
			t.Errorf("%s as %s: Cache-Control %q", test.path, test.accept, cc)
		}
	}
}
