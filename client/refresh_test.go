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

func TestConcurrentRefreshesShareOneRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		slow(w, "/refresh", time.Second)
		var wg sync.WaitGroup
		tokens := make([]client.Tokens, 64)
		for i := range tokens {
			wg.Go(func() {
				var err error
				if tokens[i], err = c.RefreshTokens(t.Context(), ""); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, got := range tokens {
			if got != tokens[0] || got.AccessToken == "" {
				t.Fatal("callers got different tokens")
			}
		}
		if n := w.refreshes(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		s := c.GetSession().Get()
		if s.AccessToken != tokens[0].AccessToken || s.RefreshToken != tokens[0].RefreshToken {
			t.Error("the store does not have the new tokens")
		}
	})
}

// slow delays requests to paths with this suffix.
func slow(w *world, path string, d time.Duration) {
	w.onRequest(func(req *http.Request) error {
		if strings.HasSuffix(req.URL.Path, path) {
			time.Sleep(d)
		}
		return req.Context().Err()
	})
}

func TestRefreshAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"at once": 0, "in a minute": time.Minute, "in a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.signedIn(t)
				w.PassAccessTTL()
				lost := errors.New("lost")
				w.onAnswer(func(*http.Request) error { return lost })
				if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, lost) || !errors.Is(err, session.CodeUnknown) {
					t.Fatalf("%v, want UNKNOWN and the cause", err)
				}
				w.onAnswer(nil)
				time.Sleep(after)
				if _, err := c.RefreshTokens(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				checkMe(t, c, "u1")
			})
		})
	}
}

// The result of a refresh in progress is ignored after a sign-out or a sign-in as another user.
func TestRefreshInProgressDoesNotRestoreTheSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *client.Client[profile])
		user      string
	}{
		"signed out": {func(t *testing.T, c *client.Client[profile]) {
			if err := c.SignOut(t.Context()); err != nil {
				t.Error(err)
			}
		}, ""},
		"signed in again": {func(t *testing.T, c *client.Client[profile]) {
			bob := map[string][]string{"username": {"u2"}, "password": {"secret"}}
			if _, err := c.SignIn(t.Context(), "/login", bob); err != nil {
				t.Error(err)
			}
		}, "u2"},
		"store emptied by the program": {func(_ *testing.T, c *client.Client[profile]) { c.GetSession().Set(nil) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				cl := w.signedIn(t)
				w.delayAnswers("/refresh", 5*time.Second) // the app has already refreshed the session
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := cl.RefreshTokens(t.Context(), ""); !errors.Is(err, session.CodeUnauthorized) {
						t.Errorf("refresh: %v, want AUTH_UNAUTHORIZED", err)
					}
				})
				synctest.Wait()
				c.meanwhile(t, cl)
				wg.Wait()
				if got := cl.GetSession().Get(); idOf(got) != c.user {
					t.Errorf("the store has %q, want %q", idOf(got), c.user)
				}
				if c.user != "" {
					checkMe(t, cl, c.user)
				}
			})
		})
	}
}

func TestSignOutFailsSafely(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	w := newWorld(t)
	c := w.signedIn(t)
	w.Store.Down()
	if err := c.SignOut(t.Context()); !errors.Is(err, session.CodeDatabaseUpdateFailed) {
		t.Errorf("store down: %v", err)
	}
	w.Store.Up()
	w.breakNetwork(cut)
	if err := c.SignOut(t.Context()); !errors.Is(err, session.CodeUnknown) || !errors.Is(err, cut) {
		t.Errorf("no network: %v", err)
	}
	w.breakNetwork(nil)
	checkMe(t, c, "u1")
	if err := c.SignOut(t.Context()); err != nil {
		t.Errorf("sign-out after the outage: %v", err)
	}
	checkSignedOut(t, c)
	if err := c.SignOut(t.Context()); !errors.Is(err, session.CodeNotAuthenticated) {
		t.Errorf("second sign-out: %v", err)
	}
}

func TestSignOutWithAnExpiredToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		token := c.GetSession().Get().RefreshToken
		time.Sleep(24 * time.Hour)
		if err := c.SignOut(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.RefreshTokens(t.Context(), token); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("the session has not ended: %v", err)
		}
	})
}

func TestRefreshTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		w.onRequest(func(req *http.Request) error {
			<-req.Context().Done()
			return req.Context().Err()
		})
		start := time.Now()
		if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, session.CodeUnknown) {
			t.Errorf("%v, want UNKNOWN", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
		w.breakNetwork(nil)
		checkMe(t, c, "u1")
	})
}

func TestEndlessAnswersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.signedIn(t)
	w.handler = roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: newEndless(t), Request: req}, nil
	})
	if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, session.CodeUnknown) {
		t.Errorf("%v, want UNKNOWN", err)
	}
	if c.GetSession().Get() == nil {
		t.Error("the client has forgotten the session")
	}
}

// endless is a body that never ends. It fails the test if too much of it is read.
type endless struct {
	t    *testing.T
	read int
}

func newEndless(t *testing.T) *endless { return &endless{t: t} }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '{'
	}
	if e.read += len(p); e.read > 64<<20 {
		e.t.Fatal("read 64 MiB of an answer")
	}
	return len(p), nil
}

func (e *endless) Close() error { return nil }

func TestErrorsContainNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.signedIn(t)
	s := c.GetSession().Get()
	w.breakNetwork(errors.New("cut"))
	_, refreshErr := c.RefreshTokens(t.Context(), "")
	for _, err := range []error{refreshErr, c.SignOut(t.Context())} {
		for _, secret := range []string{string(s.AccessToken), string(s.RefreshToken)} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error contains a token: %.60q……", err)
			}
		}
		if !strings.Contains(err.Error(), "UNKNOWN") || !strings.Contains(err.Error(), "cut") {
			t.Errorf("%q has neither the code nor the cause", err)
		}
	}
}
