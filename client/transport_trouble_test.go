package client_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

func TestExpiredTokenThatCannotBeRefreshed(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	for name, c := range map[string]struct {
		trouble func(*world)
		code    session.Code
		gone    bool
	}{
		"store down": {func(w *world) { w.Store.Down() }, session.CodeDatabaseFetchFailed, false},
		"no network": {func(w *world) { w.breakNetwork(cut) }, session.CodeUnknown, false},
		"revoked":    {func(w *world) { w.RemoveUser("u1") }, session.CodeUnauthorized, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				cl := w.signedIn(t)
				w.PassAccessTTL()
				c.trouble(w)
				before := w.count("/api/me")
				_, err := cl.HTTPClient().Get(baseURL + "/api/me")
				if !errors.Is(err, c.code) {
					t.Errorf("%v, want %s", err, c.code)
				}
				if w.count("/api/me") != before {
					t.Error("the request was sent without a session")
				}
				if gone := cl.GetSession().Get() == nil; gone != c.gone {
					t.Errorf("store empty: %t, want %t", gone, c.gone)
				}
				w.Store.Up()
				w.breakNetwork(nil)
				time.Sleep(time.Minute)
				if !c.gone {
					checkMe(t, cl, "u1")
				} else {
					checkSignedOut(t, cl)
				}
			})
		})
	}
}

// The client uses a token that is still valid, and does not ask an unavailable server with every
// request. A second outage is like the first.
func TestValidTokenIsUsedAfterAFailedRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		for range 2 {
			w.Store.Down()
			time.Sleep(time.Until(c.GetSession().Get().ExpiresAt) - 8*time.Second)
			before := w.refreshes()
			for range 20 {
				checkMe(t, c, "u1")
			}
			if n := w.refreshes() - before; n != 1 {
				t.Errorf("%d refreshes tried within a moment, want 1", n)
			}
			time.Sleep(3 * time.Second)
			checkMe(t, c, "u1")
			if n := w.refreshes() - before; n != 2 {
				t.Errorf("%d refreshes tried, want another after a pause", n)
			}
			w.Store.Up()
			time.Sleep(4 * time.Second)
			checkMe(t, c, "u1")
			if left := time.Until(c.GetSession().Get().ExpiresAt); left < accessTTL-time.Minute {
				t.Errorf("not renewed: expires in %v", left)
			}
		}
	})
}

// If another request has already renewed the tokens, a refused request uses the new ones.
func TestLateChallengeStartsNoSecondRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		w.PassAccessTTL()
		delayExpiry(c)
		first := true
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			if first {
				first = false
				defer time.Sleep(time.Minute) // the answer is late
			}
			return w.RoundTrip(req)
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			resp, err := (&http.Client{Transport: &client.Transport[profile]{Client: c, Base: base}}).Get(baseURL + "/api/me")
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%v, %v", resp, err)
				return
			}
			resp.Body.Close()
		})
		synctest.Wait()
		checkMe(t, c, "u1")
		wg.Wait()
		if n := w.refreshes(); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestCanceledCallerDoesNotCancelTheRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		w.PassAccessTTL()
		w.onRequest(func(req *http.Request) error { // a slow server
			if strings.HasSuffix(req.URL.Path, "/refresh") {
				time.Sleep(5 * time.Second)
			}
			return req.Context().Err()
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, baseURL+"/api/me", nil)
			web := c.HTTPClient()
			web.Timeout = time.Second
			if _, err := web.Do(req); err == nil {
				t.Error("the canceled caller got an answer")
			}
		})
		synctest.Wait() // its refresh is in progress
		checkMe(t, c, "u1")
		wg.Wait()
		if n := w.refreshes(); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// A request that waits for new tokens is not sent unauthenticated if the program signs out.
func TestSignOutWhileARequestWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		w.PassAccessTTL()
		w.delayAnswers("/refresh", 5*time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.HTTPClient().Get(baseURL + "/whoami"); !errors.Is(err, session.CodeUnauthorized) {
				t.Errorf("%v, want AUTH_UNAUTHORIZED", err)
			}
		})
		synctest.Wait()
		if err := c.SignOut(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if n := w.count("/whoami"); n != 0 {
			t.Error("the request was sent without a session")
		}
	})
}

func TestRevokedSessionEndsOnChallenge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		time.Sleep(time.Minute)
		if err := w.Auth.RevokeUser(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		checkNobodyAfter(t, c)
	})
}

// checkNobodyAfter makes a request that is refused and checks that the client is signed out
// afterwards.
func checkNobodyAfter(t *testing.T, c *client.Client[profile]) {
	t.Helper()
	resp, err := c.HTTPClient().Get(baseURL + "/api/me")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", resp.StatusCode)
	}
	checkSignedOut(t, c)
	if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, session.CodeUnauthorized) {
		t.Errorf("refresh: %v", err)
	}
}

// A server that sends Retry-After is not asked until that time, however many requests wait for
// new tokens.
func TestExpiredAndToldToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		w.PassAccessTTL()
		w.Store.Down()
		var wait time.Duration
		for i := range 50 {
			_, err := c.HTTPClient().Get(baseURL + "/api/me")
			e, ok := errors.AsType[*client.Error](err)
			if !ok || e.Code != session.CodeDatabaseFetchFailed || e.RetryAfter <= 0 {
				t.Fatalf("%v, want DATABASE_FETCH_FAILED that says how long", err)
			}
			if i == 0 {
				wait = e.RetryAfter
			}
		}
		if n := w.refreshes(); n != 1 {
			t.Errorf("%d refreshes for 50 requests in no time, want 1", n)
		}
		w.Store.Up()
		time.Sleep(wait - time.Millisecond)
		if _, err := c.HTTPClient().Get(baseURL + "/api/me"); err == nil {
			t.Error("asked before the time")
		}
		time.Sleep(time.Millisecond)
		checkMe(t, c, "u1")
	})
}
