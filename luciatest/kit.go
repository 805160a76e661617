package luciatest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Kit is session auth for one test: an Auth with a store in memory and a known set of users.
type Kit[U any] struct {
	// Auth is the Auth that the app under test uses.
	Auth *lucia.Auth[U]
	// Config is the configuration of Auth. An app that calls New itself can use it:
	// its Auth accepts the same sessions.
	Config lucia.Config[U]
	// Store is Config.Store. It counts calls and can be made unavailable. If a change passed to
	// New has set another store, Store wraps it.
	Store *Store

	t testing.TB

	mu    sync.Mutex
	users map[string]U
}

// New returns a Kit whose users have the given ids and data. Each change is applied to the
// configuration before it is used.
func New[U any](t testing.TB, users map[string]U, change ...func(*lucia.Config[U])) *Kit[U] {
	t.Helper()
	k := &Kit[U]{t: t, Store: NewStore(), users: maps.Clone(users)}
	if k.users == nil {
		k.users = map[string]U{}
	}
	k.Config = lucia.Config[U]{
		Secret:   []byte(rand.Text() + rand.Text()), // 52 bytes
		Store:    k.Store,
		LoadUser: k.loadUser,
		Logger:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, c := range change {
		c(&k.Config)
	}
	k.watchStore()
	k.markOwnCalls()
	auth, err := lucia.New(k.Config)
	if err != nil {
		t.Fatalf("luciatest: %v", err)
	}
	t.Cleanup(auth.Close)
	k.Auth = auth
	return k
}

// watchStore wraps a store that a change has set in the kit's Store.
func (k *Kit[U]) watchStore() {
	switch set := k.Config.Store.(type) {
	case nil: // New refuses it
	case *Store:
		k.Store = set
	default:
		k.Store = &Store{next: set}
		k.Config.Store = k.Store
	}
}

// markOwnCalls makes the store's calls of the kit's own requests known to the kit's Store.
func (k *Kit[U]) markOwnCalls() {
	set := k.Config.CallContext
	k.Config.CallContext = func(ctx, request context.Context) context.Context {
		if set != nil {
			ctx = set(ctx, request)
		}
		if request.Value(ownKey{}) != nil {
			ctx = context.WithValue(ctx, ownKey{}, true)
		}
		return ctx
	}
}

func (k *Kit[U]) loadUser(_ context.Context, id string) (U, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	u, ok := k.users[id]
	if !ok {
		return u, fmt.Errorf("luciatest: user %q: %w", id, session.ErrUserNotFound)
	}
	return u, nil
}

// SetUser adds a user or changes the user's data. Sessions get the new data when they are
// refreshed, as in production. SetUser may be called concurrently.
func (k *Kit[U]) SetUser(id string, data U) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[id] = data
}

// RemoveUser removes a user. The user's sessions end at their next refresh. RemoveUser may be
// called concurrently.
func (k *Kit[U]) RemoveUser(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.users, id)
}

// Cookies returns the cookies of a new session of the user.
func (k *Kit[U]) Cookies(userID string) []*http.Cookie {
	k.t.Helper()
	_, cookies := k.signIn(userID)
	return cookies
}

func (k *Kit[U]) signIn(userID string) (*session.Session[U], []*http.Cookie) {
	k.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.WithValue(context.Background(), ownKey{}, true), http.MethodPost, "/", nil)
	s, err := k.Auth.SignIn(w, r, userID)
	if err != nil {
		k.t.Fatalf("luciatest: sign in %q: %v", userID, err)
	}
	return s, w.Result().Cookies()
}

// Request returns a request to the app, as httptest.NewRequest makes it, with the cookies of a
// new session of the user. It looks like a request of a script. To test what a person sees, set
// Accept to text/html or use a [Browser].
func (k *Kit[U]) Request(userID, method, target string, body io.Reader) *http.Request {
	k.t.Helper()
	r := httptest.NewRequestWithContext(k.t.Context(), method, target, body)
	addCookies(r, k.Cookies(userID))
	return r
}

// addCookies adds the cookies of an answer to a request.
func addCookies(r *http.Request, cookies []*http.Cookie) {
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
}

// FormRequest is Request for a form: a POST as a browser sends it from the app's own page at
// target. It has the given fields and the hidden field _lucia that
// [middleware.Auth.ValidateFormSubmission] checks. In hardened mode it has the session's id, as on
// the app's pages. The given fields may contain another _lucia, as a forged form would. Nil
// means no other fields.
func (k *Kit[U]) FormRequest(userID, target string, fields url.Values) *http.Request {
	k.t.Helper()
	s, cookies := k.signIn(userID)
	values := url.Values{wire.FormField: {string(s.AccessToken)}}
	if k.Config.Hardened {
		values.Set(wire.FormField, s.ID.String())
	}
	maps.Copy(values, fields)
	r := httptest.NewRequestWithContext(k.t.Context(), http.MethodPost, target, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	addCookies(r, cookies)
	setNavigationHeaders(r)
	page := pageAt(r)
	r.Header.Set("Origin", originOf(page))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Referer", page.String())
	return r
}

// pageAt returns the complete URL of a server's request.
func pageAt(r *http.Request) *url.URL {
	page := *r.URL
	page.Scheme, page.Host = "http", r.Host
	if r.TLS != nil {
		page.Scheme = "https"
	}
	return &page
}

// BearerRequest is Request for APIs. It has the access token as a bearer token and, of the
// cookies, only the fingerprint cookie.
func (k *Kit[U]) BearerRequest(userID, method, target string, body io.Reader) *http.Request {
	k.t.Helper()
	r := httptest.NewRequestWithContext(k.t.Context(), method, target, body)
	s, cookies := k.signIn(userID)
	r.Header.Set("Authorization", "Bearer "+string(s.AccessToken))
	addCookies(r, slices.DeleteFunc(cookies, func(c *http.Cookie) bool { return !isFingerprint(c.Name) }))
	return r
}

// SignIn gives the browser a new session of the user without the app's login page. It returns the
// browser.
func (k *Kit[U]) SignIn(b *Browser, userID string) *Browser {
	k.t.Helper()
	b.jar.SetCookies(b.base, k.Cookies(userID))
	return b
}

// Jar returns a cookie jar with a new session of the user, for an http.Client whose app is at
// https://app.example, as with [NewBrowser].
func (k *Kit[U]) Jar(userID string) http.CookieJar {
	k.t.Helper()
	jar := newJar()
	jar.SetCookies(&url.URL{Scheme: "https", Host: originHost}, k.Cookies(userID))
	return jar
}

// StoreDown makes the store unavailable, as [Store.Down] does, until up is called or the test
// ends.
func (k *Kit[U]) StoreDown() (up func()) {
	k.t.Cleanup(k.Store.Up)
	k.Store.Down()
	return k.Store.Up
}

// NoStoreCall fails the test if the requests that fn makes use the store. Calls of
// [session.Store].Confirm, which the library makes outside of requests, do not count, and neither
// do the sign-ins of Request and the kit's other methods.
func (k *Kit[U]) NoStoreCall(fn func()) {
	k.t.Helper()
	before := k.Store.Calls()
	fn()
	if n := k.Store.Calls().onPath() - before.onPath(); n != 0 {
		k.t.Errorf("luciatest: %d store calls, want none", n)
	}
}

// leeway is the longest time that an access token is accepted after its expiry.
const leeway = 30 * time.Second

// PassAccessTTL lets time pass until no access token made so far is accepted any more. It works
// only in a bubble of testing/synctest, where it takes no time.
func (k *Kit[U]) PassAccessTTL() { pass(k.Config.AccessTTL, middleware.DefaultAccessTTL) }

// PassRefreshTTL lets time pass until every session that is not used in the meantime has expired.
// It works only in a bubble of testing/synctest, where it takes no time.
func (k *Kit[U]) PassRefreshTTL() { pass(k.Config.RefreshTTL, middleware.DefaultRefreshTTL) }

func pass(d, ifZero time.Duration) {
	if d == 0 {
		d = ifZero
	}
	// Outside of a bubble Wait panics, which is better than a sleep of a year. In a bubble it waits
	// until the library has finished its work outside of requests.
	synctest.Wait()
	time.Sleep(d + leeway + time.Second)
}
