package middleware_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// answering is a store whose Refresh always has the same outcome.
type answering struct {
	session.Store
	outcome session.Outcome
}

func (s answering) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	done, err := s.Store.Refresh(ctx, r)
	done.Outcome = s.outcome
	return done, err
}

func TestEveryOutcomeOfARefreshIsReported(t *testing.T) {
	for outcome, said := range map[session.Outcome]string{
		session.Rotated:  "u1 refreshed",
		session.Current:  "u1 current",
		session.Repeated: "u1 repeated",
		session.Adopted:  "u1 adopted",
		session.Reused:   "reused",
		session.Missing:  "expired",
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, nil)
			b := newBrowser(t, a).signIn("u1")
			a.store.Store = answering{a.store.Store, outcome}
			time.Sleep(16 * time.Minute)
			want(t, outcome.String(), b.navigate("/page"), said)
		})
	}
}

func TestReloadInAnAnswerToAScriptIsPrivate(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.auth.Reload(w, r); err != nil {
			t.Error(err)
		}
	}))
	resp := b.do("POST", "/rename", nil, "Sec-Fetch-Dest", "empty")
	want(t, "cookies", len(resp.Cookies()), 1)
	want(t, "Cache-Control", resp.Header.Get("Cache-Control"), "private, no-store")
}

// A page whose access cookie is missing may still have a valid token.
func TestValidFormTokenNeedsNoAccessCookie(t *testing.T) {
	b := validator(t, nil, (*middleware.Auth[profile]).ValidateFormSubmission)
	alone := newBrowser(t, b.app)
	alone.cookies["fingerprint_token"] = b.cookies["fingerprint_token"]
	post := func() *http.Response {
		return alone.do("POST", "/check", form("_lucia", b.access), "Content-Type", urlencoded)
	}
	want(t, "good", text(t, post()), "u1")
	if err := b.app.auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	want(t, "of a session that has ended", text(t, post()), `{"message":"AUTH_INVALID_ACCESS_TOKEN"}`)
}
