package middleware_test

import (
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestNormalRequestsAskNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		before := a.store.calls.Load()
		want(t, "anonymous", newBrowser(t, a).navigate("/page"), "anonymous")
		for range 10 {
			want(t, "page", b.navigate("/page"), "u1 fresh")
		}
		want(t, "store calls", a.store.calls.Load()-before, 0)

		time.Sleep(16 * time.Minute)
		want(t, "page", b.navigate("/page"), "u1 refreshed")
		want(t, "store calls of a refresh", a.store.calls.Load()-before, 1)
		want(t, "confirms", a.store.confirms.Load(), 0)

		for range 5 {
			time.Sleep(2 * time.Minute)
			want(t, "page", b.navigate("/page"), "u1 fresh")
		}
		synctest.Wait()
		want(t, "confirms of a settled generation", a.store.confirms.Load(), 1)
		want(t, "store calls", a.store.calls.Load()-before, 1)
	})
}

func TestConcurrentRefreshesMakeOneGeneration(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	tokens := make([]string, 100)
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			tab := b.clone()
			if status, code := tab.refresh(); status != 200 {
				t.Errorf("refresh: %d %s", status, code)
			}
			tokens[i] = tab.bearer
		})
	}
	wg.Wait()
	for _, token := range tokens {
		want(t, "refresh token", token == tokens[0], true)
	}
	want(t, "a new generation", tokens[0] == b.bearer, false)
	b.bearer = tokens[0]
	status, _ := b.refresh()
	want(t, "alive", status, 200)
}

func TestLostAnswerRetriedAnHourLaterKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		b.clone().refresh() // the answer is lost
		time.Sleep(time.Hour)
		status, _ := b.refresh()
		want(t, "refresh", status, 200)
		want(t, "page", b.navigate("/page"), "u1 fresh")
	})
}

func TestStolenTokenIsDetectedAfterItsOwnerContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		phone := newBrowser(t, a).signIn("u1")
		other := newBrowser(t, a).signIn("u2")
		thief := b.clone()
		b.refresh()
		time.Sleep(2 * time.Minute)
		b.navigate("/page") // confirms the new generation
		synctest.Wait()
		time.Sleep(time.Minute)

		status, code := thief.refresh()
		want(t, "thief", status, 401)
		want(t, "code", code, "AUTH_UNAUTHORIZED")
		for _, victim := range []*browser{b, phone} {
			status, _ := victim.refresh()
			want(t, "sessions of the user", status, 401)
		}
		status, _ = other.refresh()
		want(t, "another user", status, 200)
		if n := strings.Count(a.log.String(), "reuse detected"); n != 1 {
			t.Errorf("%d log lines about the reuse:\n%s", n, a.log)
		}
		want(t, "page of the victim", b.navigate("/page"), "expired")
		want(t, "cookies left", strings.Join(slices.Collect(maps.Keys(b.cookies)), " "), "fingerprint_token")
	})
}

func TestStaleBearerBesideCurrentCookieIsNoTheft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		stale := b.bearer
		for range 4 {
			time.Sleep(20 * time.Minute)
			b.navigate("/page")
			time.Sleep(3 * time.Minute)
			b.navigate("/page")
			synctest.Wait()
		}
		b.bearer = stale // a tab that was asleep in the meantime
		status, _ := b.refresh()
		want(t, "refresh", status, 200)
		want(t, "page", b.navigate("/page"), "u1 fresh")
	})
}

func TestSignOutWhileAnotherTabRefreshesStaysSignedOut(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	late := b.send(b.request("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+b.bearer))
	resp := b.do("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+b.access)
	want(t, "logout", resp.StatusCode, 204)
	b.keep(late)
	if b.cookies["access_token"] == "" {
		t.Fatal("the late answer set no cookie, so the test shows nothing")
	}
	if got := b.navigate("/page"); strings.HasPrefix(got, "u1") {
		t.Errorf("page after sign-out: %s", got)
	}
	status, _ := b.refresh()
	want(t, "refresh", status, 401)
}

func TestStoreOutage(t *testing.T) {
	for _, mode := range []string{"failing", "hanging"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, func(c *middleware.Config[profile]) { c.Timeout = 50 * time.Millisecond })
			b := newBrowser(t, a).signIn("u1")
			a.store.set(errDown, mode == "hanging")
			want(t, "valid access token", b.navigate("/page"), "u1 fresh")

			resp := b.do("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+b.bearer)
			want(t, "refresh", resp.StatusCode, 503)
			want(t, "Retry-After", resp.Header.Get("Retry-After") != "", true)
			want(t, "body", text(t, resp), `{"message":"DATABASE_FETCH_FAILED"}`)
			resp = b.do("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+b.access)
			want(t, "logout", resp.StatusCode, 503)
			want(t, "body", text(t, resp), `{"message":"DATABASE_UPDATE_FAILED"}`)
			delete(b.cookies, "access_token") // it has expired
			resp = b.do("GET", "/private", nil, "Sec-Fetch-Dest", "document")
			want(t, "Require", resp.StatusCode, 503)
			want(t, "Retry-After", resp.Header.Get("Retry-After") != "", true)
			want(t, "cookies set", len(resp.Cookies()), 0)
			resp = newBrowser(t, a).do("POST", "/login?user=u2", nil)
			want(t, "sign-in", resp.StatusCode, 503)
			want(t, "cookies set", len(resp.Cookies()), 0)

			a.store.set(nil, false)
			want(t, "page when the store is back", b.navigate("/page"), "u1 refreshed")
		})
	}
}

func TestLoadUserErrors(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		code   string
		alive  bool
	}{
		{sql.ErrNoRows, 503, "DATABASE_FETCH_FAILED", true},
		{session.CodeUnauthorized, 503, "DATABASE_FETCH_FAILED", true},
		{fmt.Errorf("users: %w", session.ErrUserNotFound), 401, "AUTH_UNAUTHORIZED", false},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			t.Parallel()
			a := newApp(t, nil)
			b, phone := newBrowser(t, a).signIn("u1"), newBrowser(t, a).signIn("u1")
			load := a.loadUser
			a.loadUser = func(string) (profile, error) { return profile{}, test.err }
			status, code := b.refresh()
			want(t, "status", status, test.status)
			want(t, "code", code, test.code)
			a.loadUser = load
			status, _ = phone.refresh()
			want(t, "session alive", status == 200, test.alive)
		})
	}
}

func TestUserDataTooLargeFailsBeforeAnythingChanges(t *testing.T) {
	a := newApp(t, nil)
	b := newBrowser(t, a).signIn("u1")
	load := a.loadUser
	a.loadUser = func(string) (profile, error) { return profile{strings.Repeat("x", 3000)}, nil }
	status, code := b.refresh()
	want(t, "refresh", status, 503)
	want(t, "code", code, "DATABASE_FETCH_FAILED")
	resp := newBrowser(t, a).do("POST", "/login?user=u2", nil)
	want(t, "sign-in", resp.StatusCode, 503)
	a.loadUser = load
	b.refresh()
	want(t, "outcome", b.navigate("/page"), "u1 fresh")
}

func TestSetCookieLinesStayWithinTheirBound(t *testing.T) {
	for size := range 2500 {
		a := newApp(t, func(c *middleware.Config[profile]) { c.Dev = false })
		a.loadUser = func(string) (profile, error) { return profile{strings.Repeat("x", size)}, nil }
		resp := newBrowser(t, a).do("POST", "/login?user=u1", nil)
		if resp.StatusCode == 503 {
			if size < 500 {
				t.Errorf("user data of %d bytes does not fit", size)
			}
			return
		}
		total := 0
		for _, line := range resp.Header["Set-Cookie"] {
			total += len("Set-Cookie: ") + len(line) + len("\r\n")
		}
		if total > middleware.DefaultMaxCookieBytes {
			t.Fatalf("user data of %d bytes: %d bytes of Set-Cookie", size, total)
		}
	}
	t.Error("2,500 bytes of user data fit, so the limit was not checked")
}

func TestReloadShowsNewDataAndExtendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b := newBrowser(t, a).signIn("u1")
		handler := a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := a.auth.Reload(w, r); err != nil {
				t.Error(err)
			}
			if got := a.auth.Session(r.Context()).User.Data.Username; got != "renamed" {
				t.Errorf("username after Reload: %s", got)
			}
		}))
		a.loadUser = func(string) (profile, error) { return profile{"renamed"}, nil }
		time.Sleep(14 * time.Minute)
		before := a.store.calls.Load()
		reloading := newBrowser(t, &app{handler: handler})
		reloading.cookies = b.cookies
		resp := reloading.do("GET", "/", nil, "Sec-Fetch-Dest", "document")
		want(t, "store calls", a.store.calls.Load()-before, 0)
		want(t, "cookies", len(resp.Cookies()), 1)
		want(t, "Max-Age", resp.Cookies()[0].MaxAge, 60)
		time.Sleep(2 * time.Minute)
		want(t, "page", b.navigate("/page"), "u1 refreshed")
	})
}

func TestRevokeUserEndsEverySessionAtOnceHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, nil)
		b, phone, other := newBrowser(t, a).signIn("u1"), newBrowser(t, a).signIn("u1"), newBrowser(t, a).signIn("u2")
		if err := a.auth.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		want(t, "page", b.navigate("/page"), "expired")
		want(t, "page", phone.navigate("/page"), "expired")
		want(t, "another user", other.navigate("/page"), "u2 fresh")
		want(t, "signed in again at once", newBrowser(t, a).signIn("u1").navigate("/page"), "u1 fresh")
	})
}

func TestSignInRefusesOtherOrigins(t *testing.T) {
	a := newApp(t, nil)
	resp := newBrowser(t, a).do("POST", "/login?user=u1", nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	want(t, "status", resp.StatusCode, 403)
	want(t, "cookies", len(resp.Cookies()), 0)
}

func TestRefreshAnswersHaveAPositiveLifetime(t *testing.T) {
	a := newApp(t, func(c *middleware.Config[profile]) { c.AccessTTL = time.Second })
	b := newBrowser(t, a).signIn("u1")
	body := text(t, b.do("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+b.bearer))
	if !strings.Contains(body, `"expires_in":1`) {
		t.Errorf("answer: %s", body)
	}
}
