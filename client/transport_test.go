package client_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

const accessTTL = 15 * time.Minute

// With 64 goroutines and 20 expiries there is one refresh for each expiry, and no request fails.
func TestOneRefreshForAllGoroutines(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*lucia.Config[profile]){"default": nil, "hardened": {hardened}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { oneRefreshForAll(t, change) })
		})
	}
}

func oneRefreshForAll(t *testing.T, change []func(*lucia.Config[profile])) {
	const goroutines, expiries, requests = 64, 20, 3
	w := newWorld(t, change...)
	c := w.signedIn(t)
	web := c.HTTPClient()
	for range expiries {
		time.Sleep(accessTTL + time.Minute)
		before := w.refreshes()
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range requests {
					resp, err := web.Get(baseURL + "/api/me")
					if err != nil {
						t.Error(err)
						return
					}
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Errorf("status %d", resp.StatusCode)
					}
				}
			})
		}
		wg.Wait()
		if n := w.refreshes() - before; n != 1 {
			t.Errorf("%d refreshes at one expiry, want 1", n)
		}
	}
	if calls := w.Store.Calls(); calls.Refresh != expiries {
		t.Errorf("the store had %d refreshes, want %d", calls.Refresh, expiries)
	}
}

// If the client's clock is wrong or has stopped, only the server's challenge shows that the token
// has expired.
func TestChallengeIsAnsweredWithOneRefresh(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*lucia.Config[profile]){"default": nil, "hardened": {hardened}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, change...)
				c := w.signedIn(t)
				w.PassAccessTTL()
				delayExpiry(c)
				before := w.refreshes()
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() { checkMe(t, c, "u1") })
				}
				wg.Wait()
				if n := w.refreshes() - before; n != 1 {
					t.Errorf("%d refreshes, want 1", n)
				}
			})
		})
	}
}

// delayExpiry makes the client treat its access token as valid for another day.
func delayExpiry(c *client.Client[profile]) {
	c.GetSession().Update(func(s *session.Session[profile]) *session.Session[profile] {
		fooled := *s
		fooled.IssuedAt, fooled.ExpiresAt = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		return &fooled
	})
}

func TestCallersRequestIsNotChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.signedIn(t)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, baseURL+"/api/me", nil)
	resp, err := (&client.Transport[profile]{Client: c}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(req.Header) != 0 {
		t.Errorf("the caller's request got the headers %v", req.Header)
	}
}

// The client does not refresh after other 401s, which the app sends for its own reasons.
func TestOnlyOurChallengeStartsARefresh(t *testing.T) {
	t.Parallel()
	for challenge, want := range map[string]int{
		`Bearer realm="lucia", error="invalid_token"`: 1,
		`Bearer realm="lucia"`:                        1,
		``:                                            0,
		`Basic realm="lucia"`:                         0,
		`Bearer error="insufficient_user_authentication", error_description="A more recent sign-in is required", max_age="600"`: 0,
		`Bearer realm="other"`:  0,
		`Bearer realm="lucia2"`: 0,
		`Bearer realm="lucia"2`: 0,
	} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.signedIn(t)
				time.Sleep(time.Minute)
				answers := 0
				base := roundTripper(func(req *http.Request) (*http.Response, error) {
					answers++
					return &http.Response{
						StatusCode: http.StatusUnauthorized, Body: io.NopCloser(strings.NewReader("no")),
						Header: http.Header{"Www-Authenticate": {challenge}}, Request: req,
					}, nil
				})
				web := &http.Client{Transport: &client.Transport[profile]{Client: c, Base: base}}
				before := w.refreshes()
				resp, err := web.Get(baseURL + "/private")
				if err != nil {
					t.Fatal(err)
				}
				data, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if n := w.refreshes() - before; n != want || answers != 1+want {
					t.Errorf("%d refreshes, %d requests; want %d and %d", n, answers, want, 1+want)
				}
				if resp.StatusCode != http.StatusUnauthorized || string(data) != "no" {
					t.Errorf("the caller got %d %q", resp.StatusCode, data)
				}
				// An app that refuses every token must not cause a refresh for every request.
				for range 10 {
					if resp, err := web.Get(baseURL + "/private"); err == nil {
						resp.Body.Close()
					}
				}
				if n := w.refreshes() - before; n != want {
					t.Errorf("%d refreshes after ten more requests, want %d", n, want)
				}
			})
		})
	}
}
