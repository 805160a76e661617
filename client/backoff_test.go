package client_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// attempts returns the pauses between attempts of a silent refresh. The server answers with this
// Retry-After. If it is empty, the network fails.
func attempts(t *testing.T, retryAfter string, n int) (gaps []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		app := w.handler
		var last time.Time
		w.handler = roundTripper(func(req *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(req.URL.Path, "/refresh") {
				return app.RoundTrip(req)
			}
			if now := time.Now(); !last.IsZero() {
				gaps, last = append(gaps, now.Sub(last)), now
			} else {
				last = now
			}
			if retryAfter == "" {
				return nil, errors.New("cut")
			}
			h := http.Header{"Retry-After": {retryAfter}}
			return &http.Response{StatusCode: 503, Header: h, Body: http.NoBody, Request: req}, nil
		})
		withSilentRefresh(t, c, func(*reported) { time.Sleep(time.Duration(n) * 20 * time.Minute) })
	})
	if len(gaps) < n {
		t.Fatalf("%d attempts, want more than %d", len(gaps), n)
	}
	return gaps[:n]
}

// The pauses double from a second to a minute. A random part shortens each by up to half.
func TestBackoffGrowsAndVaries(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 5 {
		for i, gap := range attempts(t, "", 10) {
			most := min(time.Second<<min(i, 6), time.Minute)
			if gap < most/2 || gap > most {
				t.Errorf("wait %d is %v, want between %v and %v", i+1, gap, most/2, most)
			}
			seen[gap] = true
		}
	}
	if len(seen) < 25 {
		t.Errorf("%d different pauses of 50: clients that failed together would retry together", len(seen))
	}
}

// The pause is at least the server's Retry-After, up to ten minutes, plus a random part.
func TestBackoffFollowsRetryAfter(t *testing.T) {
	t.Parallel()
	for asked, least := range map[int]time.Duration{
		120:    2 * time.Minute,
		600:    10 * time.Minute,
		86_400: 10 * time.Minute,
	} {
		for _, gap := range attempts(t, strconv.Itoa(asked), 3) {
			if gap < least || gap > least+30*time.Second {
				t.Errorf("Retry-After %d s: pauses %v, want at least %v and a random part", asked, gap, least)
			}
		}
	}
}
