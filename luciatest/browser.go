package luciatest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lucia-go/lucia/internal/htmlform"
	"github.com/lucia-go/lucia/internal/wire"
)

// Browser is a person's browser: one cookie jar for all its tabs. The jar distinguishes host-only
// cookies from those with a Domain. It refuses what browsers refuse: cookies whose names begin with
// __Host- or __Secure- and that do not meet the requirements of these prefixes, and Secure cookies
// over http. Unlike a browser, it sends cookies with SameSite=Lax and Strict with requests from
// other sites, and it has no partitions. The requests have the headers that browsers add: Origin,
// Referer and fetch metadata.
type Browser struct {
	// BasePath is the path of the library's routes. Default: "/api/auth".
	BasePath string

	t    testing.TB
	base *url.URL
	jar  *jar
	net  http.RoundTripper
	lose atomic.Int32
	// device binds sessions. It is nil if the browser does not bind them.
	device *device
}

// origin is the address of a handler without a network. It is https, so that cookies are as in
// production.
const (
	originHost = "app.example"
	origin     = "https://" + originHost
)

// NewBrowser returns a browser for the app at https://app.example, which it reaches by
// [Transport]. The handler also gets the requests to other hosts. To simulate other sites, use an
// http.ServeMux whose patterns have hosts, such as "idp.example/" for an identity provider.
func NewBrowser(t testing.TB, app http.Handler) *Browser {
	t.Helper()
	return NewBrowserAt(t, origin, Transport(app))
}

// NewBrowserAt returns a browser for the app at baseURL, such as an httptest.Server's. A nil
// transport means http.DefaultTransport. Over http, the app must be in dev mode, because this
// browser does not send Secure cookies over http. It makes an exception for this machine
// (localhost, names that end in .localhost, 127.0.0.0/8 and ::1), as net/http/cookiejar and some
// browsers do. So a test at such an address passes even if dev mode is missing.
func NewBrowserAt(t testing.TB, baseURL string, transport http.RoundTripper) *Browser {
	t.Helper()
	base, err := url.Parse(baseURL)
	if err != nil {
		t.Fatalf("luciatest: %v", err)
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	return &Browser{BasePath: wire.DefaultBasePath, t: t, base: base, jar: newJar(), net: transport}
}

// Open opens a tab and loads a page in it.
func (b *Browser) Open(path string) *Tab {
	b.t.Helper()
	tab := &Tab{b: b, at: b.base, page: &Page{URL: b.base, Header: http.Header{}}, forms: new(htmlform.Page)}
	tab.Get(path)
	return tab
}

// TwoTabs opens the same page in two tabs.
func (b *Browser) TwoTabs(path string) (*Tab, *Tab) {
	b.t.Helper()
	return b.Open(path), b.Open(path)
}

// ErrLost is the error of a request whose answer was lost.
var ErrLost = errors.New("luciatest: answer lost")

// LoseNextResponse loses the answer to the browser's next request after the app has done its
// work: the cookies are not set, and the caller gets [ErrLost]. Called twice, it loses the next
// two. It may be called concurrently.
func (b *Browser) LoseNextResponse() { b.lose.Add(1) }

// Cookies returns the cookies that the browser would send to the app.
func (b *Browser) Cookies() []*http.Cookie {
	b.BoundSessions() // does the work that is due first
	return b.jar.Cookies(b.base)
}

// Client returns an http.Client with the browser's cookies, for requests that the other methods do
// not make. Unlike a browser's requests, its requests have no Origin and no fetch metadata.
func (b *Browser) Client() *http.Client {
	return &http.Client{Transport: lossy{b}, Jar: b.jar}
}

// lossy is the transport of a browser, which can lose answers.
type lossy struct{ b *Browser }

// RoundTrip implements [http.RoundTripper].
func (l lossy) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.b.device != nil {
		req = req.Clone(req.Context())
		l.b.device.before(req)
	}
	resp, err := l.b.net.RoundTrip(req)
	if err == nil && l.b.loses() {
		resp.Body.Close()
		return nil, ErrLost
	}
	if err == nil && l.b.device != nil {
		l.b.device.after(req, resp)
	}
	return resp, err
}

func (b *Browser) loses() bool {
	for {
		n := b.lose.Load()
		if n == 0 {
			return false
		}
		if b.lose.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

func isFingerprint(cookie string) bool { return strings.HasSuffix(cookie, wire.CookieFingerprint) }

// steal returns another browser with copies of all cookies.
func (b *Browser) steal() *Browser {
	thief := &Browser{BasePath: b.BasePath, t: b.t, base: b.base, jar: newJar(), net: b.net}
	secure := b.base.Scheme == "https"
	var cookies []*http.Cookie
	for _, c := range b.Cookies() {
		cookies = append(cookies, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: secure, HttpOnly: true})
	}
	thief.jar.SetCookies(b.base, cookies)
	return thief
}
