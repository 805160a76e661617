package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/client"
)

func TestBodyIsSentAgain(t *testing.T) {
	t.Parallel()
	const text = "the body"
	stream := newBody(text)
	again := func() io.Reader { return strings.NewReader(text) }
	for name, c := range map[string]struct {
		body   io.Reader
		status int
		want   string
	}{
		"can be sent again":    {again(), http.StatusOK, text},
		"a stream cannot":      {stream, http.StatusUnauthorized, "AUTH_UNAUTHORIZED"},
		"none":                 {http.NoBody, http.StatusOK, ""},
		"nil":                  {nil, http.StatusOK, ""},
		"large and buffered":   {bytes.NewReader(bytes.Repeat([]byte("x"), 1<<20)), http.StatusOK, strings.Repeat("x", 1<<20)},
		"a stream, token good": {newBody(text), http.StatusOK, text},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				cl := w.signedIn(t)
				w.PassAccessTTL()
				delayExpiry(cl)
				if strings.Contains(name, "token good") {
					if _, err := cl.RefreshTokens(t.Context(), ""); err != nil {
						t.Fatal(err)
					}
				}
				resp, err := cl.HTTPClient().Post(baseURL+"/api/echo", "text/plain", c.body)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != c.status || !strings.Contains(string(got), c.want) {
					t.Errorf("%d, %d bytes, %v; want %d", resp.StatusCode, len(got), err, c.status)
				}
				// The next request succeeds in any case.
				checkMe(t, cl, "u1")
			})
		})
	}
}

func TestBodyIsClosedOnEveryPath(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	for name, c := range map[string]struct {
		prepare func(*world, *client.Client[profile])
		url     string
	}{
		"sent":                 {func(*world, *client.Client[profile]) {}, baseURL},
		"refused by the app":   {func(w *world, c *client.Client[profile]) { w.PassAccessTTL(); delayExpiry(c) }, baseURL},
		"refresh impossible":   {func(w *world, _ *client.Client[profile]) { w.PassAccessTTL(); w.breakNetwork(cut) }, baseURL},
		"session gone":         {func(w *world, _ *client.Client[profile]) { w.RemoveUser("u1"); w.PassAccessTTL() }, baseURL},
		"no network":           {func(w *world, _ *client.Client[profile]) { w.breakNetwork(cut) }, baseURL},
		"elsewhere":            {func(*world, *client.Client[profile]) {}, "https://elsewhere.example"},
		"elsewhere, no answer": {func(w *world, _ *client.Client[profile]) { w.breakNetwork(cut) }, "https://elsewhere.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				cl := w.signedIn(t)
				c.prepare(w, cl)
				b := newBody("text")
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/api/echo", b)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := (&client.Transport[profile]{Client: cl}).RoundTrip(req)
				if err == nil {
					resp.Body.Close()
				}
				if !b.closed.Load() {
					t.Error("the request's body was not closed")
				}
			})
		})
	}
}

func TestAnswersThatAreNotReturnedAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		w.PassAccessTTL()
		delayExpiry(c)
		var bodies []*body
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := w.RoundTrip(req)
			if err == nil {
				b := &body{Reader: resp.Body}
				bodies, resp.Body = append(bodies, b), b
			}
			return resp, err
		})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, baseURL+"/api/me", nil)
		resp, err := (&client.Transport[profile]{Client: c, Base: base}).RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", resp, err)
		}
		if len(bodies) != 2 || !bodies[0].closed.Load() || bodies[1].closed.Load() {
			t.Errorf("%d answers; the first must be closed, the second left to the caller", len(bodies))
		}
		for _, b := range bodies {
			b.Reader.(io.Closer).Close() // world counts the open bodies
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
