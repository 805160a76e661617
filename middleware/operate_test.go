package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// OnRequest sees each request once, including those for the routes that may refresh.
func TestOnRequestSeesTheOutcomeOfEachRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.OnRequest = func(r *http.Request, o middleware.Outcome, took time.Duration) {
				seen = append(seen, fmt.Sprintf("%s: %v in %v", r.URL.Path, o, took))
			}
			c.Skip = func(r *http.Request) bool { return r.URL.Path == "/health" }
		})
		b := newBrowser(t, a)
		b.do("GET", "/health", nil)
		b.do("GET", "/api/auth/client.js", nil)
		b.signIn("u1") // and opens /page
		time.Sleep(time.Hour)
		a.loadUser = func(string) (profile, error) { time.Sleep(time.Second); return profile{}, nil }
		b.navigate("/page")
		if code, body := b.refresh(); code != http.StatusOK {
			t.Error(code, body)
		}
		b.do("GET", "/api/auth/session", nil)
		a.store.set(errDown, false)
		time.Sleep(time.Hour)
		bearer := b.bearer
		b.navigate("/page")
		b.bearer = bearer
		if code, _ := b.refresh(); code != http.StatusServiceUnavailable {
			t.Error(code)
		}
		want := []string{
			"/login: anonymous in 0s",
			"/page: fresh in 0s",
			"/page: refreshed in 1s",
			"/api/auth/refresh: current in 1s",
			"/api/auth/session: fresh in 0s",
			"/page: unavailable in 1s",
			"/api/auth/refresh: unavailable in 1s",
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("seen (-want +got):\n%s", diff)
		}
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events []session.Event
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.OnEvent = func(e session.Event) { events = append(events, e) }
		})
		b := newBrowser(t, a).signIn("u1")
		if err := a.auth.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		a.store.set(errDown, false)
		if err := a.auth.Ready(t.Context()); session.CodeOf(err) != session.CodeDatabaseFetchFailed || !errors.Is(err, errDown) {
			t.Errorf("a store that is down: %v", err)
		}
		a.store.set(nil, false)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.auth.Ready(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that has left: %v", err)
		}
		if err := a.auth.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(events); n != 2 || events[1].Kind != session.EventUnavailable {
			t.Errorf("events %+v, want the sign-in and the failure", events)
		}
		if got := b.navigate("/page"); got != "u1 fresh" {
			t.Errorf("the session afterwards: %s", got)
		}
	})
}

type traceKey struct{}

// CallContext passes a value of the request that starts a call to LoadUser and the store, and
// nothing else of the request.
func TestCallContextPassesATraceOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type otherKey struct{}
		var seen []any
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.CallContext = func(call, request context.Context) context.Context {
				return context.WithValue(call, traceKey{}, request.Value(traceKey{}))
			}
			c.LoadUser = func(ctx context.Context, id string) (profile, error) {
				seen = append(seen, ctx.Value(traceKey{}), ctx.Value(otherKey{}))
				return profile{}, ctx.Err()
			}
		})
		b := newBrowser(t, a)
		trace := ""
		handler := a.handler
		a.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := context.WithValue(r.Context(), traceKey{}, trace)
			handler.ServeHTTP(w, r.WithContext(context.WithValue(ctx, otherKey{}, "other")))
		})
		trace = "sign-in"
		b.signIn("u1")
		time.Sleep(time.Hour)
		trace = "page"
		b.navigate("/page")
		time.Sleep(time.Hour)
		trace = "socket"
		b.do("GET", "/page", nil, "Upgrade", "websocket", "Connection", "Upgrade")
		if diff := cmp.Diff([]any{"sign-in", nil, "page", nil, "socket", nil}, seen); diff != "" {
			t.Errorf("seen (-want +got):\n%s", diff)
		}
	})
}
