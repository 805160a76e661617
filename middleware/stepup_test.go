package middleware_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// TestStepUpBeginsANewSessionOfTheSameUser checks what the rest of the request sees, what remains
// of the old session, and that auth_time survives a refresh.
func TestStepUpBeginsANewSessionOfTheSameUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		old := b.clone()
		began := time.Now()
		time.Sleep(time.Hour)
		var before, after, seen *session.Session[profile]
		a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			before = a.auth.Session(r.Context())
			var err error
			if after, err = a.auth.StepUp(w, r); err != nil {
				t.Error(err)
			}
			seen = a.auth.Session(r.Context())
		}))
		resp := b.do("POST", "/again", nil, "Sec-Fetch-Site", "same-origin")
		want(t, "Clear-Site-Data", resp.Header.Get("Clear-Site-Data"), `"prefetchCache", "prerenderCache"`)
		want(t, "caching", resp.Header.Get("Cache-Control"), "private, no-store")
		want(t, "user", after.User.ID, before.User.ID)
		want(t, "the same id", after.ID == before.ID, false)
		want(t, "the request sees it", seen.ID, after.ID)
		want(t, "AuthTime before", before.AuthTime.Equal(began), true)
		want(t, "AuthTime after", after.AuthTime.Equal(time.Now()), true)
		a.handler = a.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = a.auth.Session(r.Context()) }))
		old.do("GET", "/", nil, "Sec-Fetch-Dest", "document")
		want(t, "the old session is over", seen == nil, true)
		time.Sleep(time.Hour)
		b.do("GET", "/", nil, "Sec-Fetch-Dest", "document")
		want(t, "refreshed", seen.Generation > after.Generation, true)
		want(t, "AuthTime after a refresh", seen.AuthTime.Equal(after.AuthTime), true)
	})
}

// TestStepUpIsAnEvent checks the audit trail of a step-up.
func TestStepUpIsAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events []session.Event
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.OnEvent = func(e session.Event) { events = append(events, e) }
		})
		b := newBrowser(t, a).signIn("u1")
		synctest.Wait()
		events = nil
		var before, after *session.Session[profile]
		a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			before = a.auth.Session(r.Context())
			after, _ = a.auth.StepUp(w, r)
		})).ServeHTTP(httptest.NewRecorder(), b.request("POST", "/again", nil))
		synctest.Wait()
		var got []string
		for _, e := range events {
			if e.UserID != "u1" {
				t.Errorf("%s: user %q", e.Kind, e.UserID)
			}
			switch e.SessionID {
			case before.ID:
				got = append(got, string(e.Kind)+" of the old session")
			case after.ID:
				got = append(got, string(e.Kind)+" of the new session")
			}
		}
		slices.Sort(got)
		want(t, "events", strings.Join(got, "\n"), strings.Join([]string{
			string(session.EventBegan) + " of the new session",
			string(session.EventEnded) + " of the old session",
			string(session.EventSteppedUp) + " of the new session",
		}, "\n"))
	})
}

// TestStepUpFailsAndLeavesTheSession checks that a failure sets no cookie and ends nothing.
func TestStepUpFailsAndLeavesTheSession(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	step := func(b *browser, header ...string) (err error) {
		a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err = a.auth.StepUp(w, r)
			want(t, "cookies", len(w.Header()["Set-Cookie"]), 0)
		})).ServeHTTP(httptest.NewRecorder(), b.request("POST", "/again", nil, header...))
		return err
	}
	for name, c := range map[string]struct {
		err  error
		want session.Code
	}{
		"another origin": {step(b, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), session.CodeInvalidRequest},
		"no session":     {step(newBrowser(t, a)), session.CodeNotAuthenticated},
		"no middleware": {func() error {
			_, err := a.auth.StepUp(httptest.NewRecorder(), b.request("POST", "/again", nil))
			return err
		}(), session.CodeNotAuthenticated},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	a.store.set(errDown, false)
	if err := step(b); !errors.Is(err, session.CodeDatabaseUpdateFailed) {
		t.Errorf("store down: %v", err)
	}
	a.store.set(nil, false)
	want(t, "the session goes on", b.navigate("/page"), "u1 fresh")
}

// TestRequireRecentAllowsForTheWayBack checks that an age that no person could meet does not send
// them to the step-up page again and again.
func TestRequireRecentAllowsForTheWayBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		for _, maxAge := range []time.Duration{-time.Hour, 0, time.Second, time.Minute} {
			b := newBrowser(t, a).signIn("u1")
			a := *a
			a.handler = a.auth.RequireRecent(maxAge)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			b.app = &a
			time.Sleep(time.Minute)
			want(t, maxAge.String()+", after a minute", b.do("GET", "/", nil).StatusCode, 200)
			time.Sleep(time.Second)
			resp := b.do("GET", "/", nil)
			want(t, maxAge.String()+", a second later", resp.StatusCode, 401)
			want(t, "max_age", strings.HasSuffix(resp.Header.Get("WWW-Authenticate"), `, max_age="60"`), true)
		}
	})
}

func TestNewChecksStepUpPath(t *testing.T) {
	t.Parallel()
	for path, ok := range map[string]bool{
		"": true, "/again": true, "/again?why=age": true, "/api/auth/step-up": true, "/api/authors": true,
		"again": false, "//evil.example": false, "https://evil.example": false, "/again#form": false,
		"/api/auth": false, "/api/auth/again": false,
	} {
		_, err := middleware.New(middleware.Config[profile]{Secret: []byte(strings.Repeat("s", 32)), Store: &fakeStore{}, LoadUser: noUser, StepUpPath: path})
		if ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "StepUpPath") {
			t.Errorf("%q: %v", path, err)
		}
	}
}
