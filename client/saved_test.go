package client_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

// memoryTokenStore is a TokenStore in memory. A bubble of testing/synctest can wait for its lock.
type memoryTokenStore struct {
	lock chan struct{}

	mu       sync.Mutex
	data     []byte
	saves    int
	lockErr  error
	saveErr  error
	fullErr  error
	unlocked int // saves without the lock
}

func newMemoryTokenStore() *memoryTokenStore { return &memoryTokenStore{lock: make(chan struct{}, 1)} }

func (p *memoryTokenStore) Lock(ctx context.Context) (func(), error) {
	if err := p.err(func() error { return p.lockErr }); err != nil {
		return nil, err
	}
	select {
	case p.lock <- struct{}{}:
		return func() { <-p.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *memoryTokenStore) Load(context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.data), nil
}

func (p *memoryTokenStore) Save(ctx context.Context, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lock) == 0 {
		p.unlocked++
	}
	if p.saveErr != nil {
		return p.saveErr
	}
	if p.fullErr != nil && data != nil {
		return p.fullErr
	}
	p.saves++
	p.data = slices.Clone(data)
	return nil
}

// saved returns the saved data, the number of saves, and the number of saves without the lock.
func (p *memoryTokenStore) saved() (data []byte, saves, unlocked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.data, p.saves, p.unlocked
}

func (p *memoryTokenStore) empty() bool {
	data, _, _ := p.saved()
	return data == nil
}

func (p *memoryTokenStore) err(which func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return which()
}

// fail makes Lock and Save fail with these errors.
func (p *memoryTokenStore) fail(lock, save error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lockErr, p.saveErr = lock, save
}

// full makes Save fail with this error, unless it removes the data.
func (p *memoryTokenStore) full(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fullErr = err
}

func (p *memoryTokenStore) in(cfg *client.Config) { cfg.TokenStore = p }

func TestSessionSurvivesRestarts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*lucia.Config[profile]){"default": nil, "hardened": {hardened}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, change...)
				path := filepath.Join(t.TempDir(), "session")
				same := func(cfg *client.Config) { cfg.TokenStore = client.NewFileStore(path) }

				w.signedIn(t, same)
				for _, after := range []time.Duration{0, time.Minute, time.Hour, 30 * 24 * time.Hour} {
					time.Sleep(after)
					c := w.newClient(t, same)
					if s := c.GetSession().Get(); s == nil || s.User.Data.Username != "ada" {
						t.Fatalf("%v later: %v", after, s)
					}
					checkMe(t, c, "u1")
				}
				c := w.newClient(t, same)
				if err := c.SignOut(t.Context()); err != nil {
					t.Fatal(err)
				}
				checkSignedOut(t, w.newClient(t, same))
			})
		})
	}
}

// Two programs use one saved session for days. Neither uses a token that the other has replaced.
func TestTwoRunsShareASession(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*lucia.Config[profile]){"default": nil, "hardened": {hardened}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, p := newWorld(t, change...), newMemoryTokenStore()
				runs := []*client.Client[profile]{w.signedIn(t, p.in), w.newClient(t, p.in), w.newClient(t, p.in)}
				for hour := range 200 {
					time.Sleep(time.Hour)
					before := w.refreshes()
					var wg sync.WaitGroup
					for i, c := range runs {
						if (hour>>i)&1 == 0 { // each pauses at times
							wg.Go(func() { checkMe(t, c, "u1") })
						}
					}
					wg.Wait()
					if n := w.refreshes() - before; n > 1 {
						t.Fatalf("%d refreshes in one hour, want one for all", n)
					}
				}
				if _, _, unlocked := p.saved(); unlocked > 0 {
					t.Errorf("saved %d times without the lock", unlocked)
				}
			})
		})
	}
}

func TestOneRunSignsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newMemoryTokenStore()
		a := w.signedIn(t, p.in)
		b := w.newClient(t, p.in)
		if err := a.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !p.empty() {
			t.Error("the saved session was not removed")
		}
		time.Sleep(time.Minute)
		checkNobodyAfter(t, b)
		if !p.empty() {
			t.Error("the other run saved the ended session")
		}
	})
}

// If another run has signed in as another user, a run continues with its own session and does not
// touch the saved one.
func TestOneRunSignsInAsAnotherUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newMemoryTokenStore()
		a := w.signedIn(t, p.in)
		b := w.newClient(t, p.in)
		bob := map[string][]string{"username": {"u2"}, "password": {"secret"}}
		if _, err := b.SignIn(t.Context(), "/login", bob); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Hour)
			checkMe(t, a, "u1")
			checkMe(t, b, "u2")
			checkMe(t, w.newClient(t, p.in), "u2")
		}
		if err := a.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkMe(t, w.newClient(t, p.in), "u2")
	})
}

func TestGoneSessionIsRemoved(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newMemoryTokenStore()
	c := w.signedIn(t, p.in)
	if err := w.Auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, session.CodeUnauthorized) {
		t.Errorf("refresh: %v", err)
	}
	if !p.empty() {
		t.Error("the saved session was not removed")
	}
}

func TestSavingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		w, p := newWorld(t), newMemoryTokenStore()
		p.fail(nil, full)
		c := w.newClient(t, p.in)
		checkNotSaved := func(after string) {
			t.Helper()
			if err := c.SaveErr(); !errors.Is(err, client.ErrNotSaved) || !errors.Is(err, full) {
				t.Errorf("after the %s, SaveErr = %v", after, err)
			}
		}
		if s, err := c.SignIn(t.Context(), "/login", ada); s == nil || err != nil {
			t.Fatalf("sign-in: %v, %v", s, err)
		}
		checkNotSaved("sign-in")
		checkMe(t, c, "u1")
		if tokens, err := c.RefreshTokens(t.Context(), ""); tokens.AccessToken == "" || err != nil {
			t.Errorf("refresh: %v", err)
		}
		checkNotSaved("refresh")
		if s, err := c.FetchSession(t.Context()); s == nil || err != nil {
			t.Errorf("fetch: %v, %v", s, err)
		}
		checkNotSaved("fetch")
		// HandleSilentRefresh tries until the session is saved.
		withSilentRefresh(t, c, func(errs *reported) {
			time.Sleep(2 * time.Hour)
			if codes := errs.get(); len(codes) != 1 || codes[0] != session.CodeUnknown {
				t.Errorf("reported %v, want UNKNOWN once", codes)
			}
			p.fail(nil, nil)
			time.Sleep(2 * time.Minute)
			if _, saves, _ := p.saved(); saves != 1 {
				t.Errorf("saved %d times, want once", saves)
			}
			if err := c.SaveErr(); err != nil {
				t.Errorf("SaveErr after a successful save: %v", err)
			}
		})
		checkMe(t, w.newClient(t, p.in), "u1")

		p.fail(nil, full)
		if err := c.SignOut(t.Context()); err != nil {
			t.Errorf("sign-out: %v", err)
		}
		checkNotSaved("sign-out")
		checkSignedOut(t, c)
	})
}

// Without the lock the client must not refresh, because it could replace the token of another run.
// It must still sign out.
func TestLockingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no lock")
		w, p := newWorld(t), newMemoryTokenStore()
		c := w.signedIn(t, p.in)
		p.fail(broken, nil)
		if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, broken) || w.refreshes() != 0 {
			t.Errorf("refresh: %v, %d requests", err, w.refreshes())
		}
		checkMe(t, c, "u1")
		token := c.GetSession().Get().RefreshToken
		if err := c.SignOut(t.Context()); err != nil {
			t.Errorf("sign-out: %v", err)
		}
		if err := c.SaveErr(); !errors.Is(err, client.ErrNotSaved) || !errors.Is(err, broken) {
			t.Errorf("SaveErr = %v", err)
		}
		if _, err := c.RefreshTokens(t.Context(), token); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("the session has not ended: %v", err)
		}
	})
}

func TestForeignSavedSessionsAreRefused(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newMemoryTokenStore()
	w.signedIn(t, p.in)
	good := string(p.data)
	for name, c := range map[string]struct {
		data string
		cfg  client.Config
	}{
		"other host":    {good, client.Config{BaseURL: "https://evil.example"}},
		"other scheme":  {good, client.Config{BaseURL: "http://app.example"}},
		"other path":    {good, client.Config{BaseURL: baseURL, BasePath: "/auth"}},
		"newer version": {strings.Replace(good, `"version":1`, `"version":2`, 1), client.Config{BaseURL: baseURL}},
		"not JSON":      {"session", client.Config{BaseURL: baseURL}},
		"no session":    {`{"version":1,"origin":"https://app.example/api/auth"}`, client.Config{BaseURL: baseURL}},
		"malformed id":  {strings.Replace(good, `"session_id":"`, `"session_id":"!`, 1), client.Config{BaseURL: baseURL}},
		"truncated":     {good[:len(good)/2], client.Config{BaseURL: baseURL}},
	} {
		other := newMemoryTokenStore()
		other.data = []byte(c.data)
		c.cfg.TokenStore, c.cfg.Transport = other, w
		_, err := client.New[profile](t.Context(), c.cfg)
		if err == nil {
			t.Errorf("%s: the session was loaded", name)
		}
		// The session of another app is readable and must not be removed.
		if got, want := errors.Is(err, client.ErrSavedSession), !strings.HasPrefix(name, "other"); got != want {
			t.Errorf("%s: %v, is ErrSavedSession: %t, want %t", name, err, got, want)
		}
	}
}

// A run that starts while another one refreshes waits for the new tokens.
func TestNewRunWaitsForARefreshInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newMemoryTokenStore()
		a := w.signedIn(t, p.in)
		w.PassAccessTTL()
		w.delayAnswers("/refresh", 5*time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { checkMe(t, a, "u1") })
		synctest.Wait()
		b := w.newClient(t, p.in)
		wg.Wait()
		if a.GetSession().Get().AccessToken != b.GetSession().Get().AccessToken {
			t.Error("the new run has the old token")
		}
		p.fail(errors.New("no lock"), nil)
		if _, err := client.New[profile](t.Context(), client.Config{BaseURL: baseURL, Transport: w, TokenStore: p}); err == nil {
			t.Error("no error where the memoryTokenStore cannot be locked")
		}
	})
}

// The app's own sign-out route clears the cookies, which ends the session in the client, too.
func TestSignOutThroughTheAppRemovesWhatIsSaved(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newMemoryTokenStore()
	c := w.signedIn(t, p.in)
	app := w.handler
	w.handler = roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/bye" {
			return luciatest.Transport(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if err := w.Auth.SignOut(rw, r); err != nil {
					t.Error(err)
				}
			})).RoundTrip(req)
		}
		return app.RoundTrip(req)
	})
	post(t, c, "/bye", nil)
	if !p.empty() {
		t.Error("the saved session was not removed")
	}
	checkSignedOut(t, c)
	checkSignedOut(t, w.newClient(t, p.in))
}

// The client waits for a lock for at most Config.Timeout.
func TestWaitForTheLockTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newMemoryTokenStore()
		c := w.signedIn(t, p.in, func(cfg *client.Config) { cfg.Timeout = 3 * time.Second })
		unlock, err := p.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		start := time.Now()
		if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want a timeout", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("waited for %v", took)
		}
	})
}

// The client saves the answer even if the caller gives up after the server has answered.
func TestSavingContinuesAfterTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]struct {
		path string
		do   func(context.Context, *client.Client[profile]) error
		left bool // whether a session is saved afterwards
	}{
		"sign-out": {"/logout", func(ctx context.Context, c *client.Client[profile]) error { return c.SignOut(ctx) }, false},
		"fetch": {"/session", func(ctx context.Context, c *client.Client[profile]) error {
			_, err := c.FetchSession(ctx)
			return err
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t), newMemoryTokenStore()
			c := w.signedIn(t, p.in)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.onAnswer(func(req *http.Request) error {
				if strings.HasSuffix(req.URL.Path, call.path) {
					cancel()
				}
				return nil
			})
			if err := call.do(ctx, c); err != nil {
				t.Errorf("%v", err)
			}
			if p.empty() == call.left {
				t.Errorf("saved: %t, want %t", !p.empty(), call.left)
			}
		})
	}
}
