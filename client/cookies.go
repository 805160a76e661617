package client

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
)

// cookie is one of the library's cookies as the client keeps it.
type cookie struct {
	Name    string    `json:"name"`
	Value   string    `json:"value"`
	Expires time.Time `json:"expires,omitzero"`
}

func (c cookie) live(now time.Time) bool {
	return c.Value != "" && (c.Expires.IsZero() || now.Before(c.Expires))
}

// cookieSet is the library's three cookies of one session. Copies share nothing.
type cookieSet struct {
	Access      cookie `json:"access,omitzero"`
	Refresh     cookie `json:"refresh,omitzero"`
	Fingerprint cookie `json:"fingerprint,omitzero"`
}

// cookieNames distinguishes the library's cookies from the app's.
type cookieNames struct {
	prefix string // Config.CookiePrefix
	secure bool   // the origin is https
}

// slot returns the field of set for the cookie with the given name. It returns nil if the cookie
// is not the library's.
func (n cookieNames) slot(set *cookieSet, name string) *cookie {
	name = strings.TrimPrefix(name, "__Host-")
	name = strings.TrimPrefix(name, "__Secure-")
	name, ok := strings.CutPrefix(name, n.prefix)
	if !ok {
		return nil
	}
	switch name {
	case wire.CookieAccess:
		return &set.Access
	case wire.CookieRefresh:
		return &set.Refresh
	case wire.CookieFingerprint:
		return &set.Fingerprint
	}
	return nil
}

// ours reports whether the library uses a cookie with that name.
func (n cookieNames) ours(name string) bool { return n.slot(new(cookieSet), name) != nil }

// own reports whether every cookie of set is the library's, in its own place, and can be sent.
func (n cookieNames) own(set cookieSet) bool {
	for _, c := range [...]*cookie{&set.Access, &set.Refresh, &set.Fingerprint} {
		if *c == (cookie{}) {
			continue
		}
		if n.slot(&set, c.Name) != c || (&http.Cookie{Name: c.Name, Value: c.Value}).Valid() != nil {
			return false
		}
	}
	return true
}

// with returns set as the Set-Cookie lines of an answer change it. As in a browser, Secure cookies
// are refused over http, and expired cookies are removed.
func (n cookieNames) with(set cookieSet, lines []*http.Cookie) cookieSet {
	now := time.Now()
	for _, line := range lines {
		slot := n.slot(&set, line.Name)
		if slot == nil || line.Secure && !n.secure {
			continue
		}
		c := cookie{Name: line.Name, Value: line.Value}
		switch {
		case line.MaxAge < 0:
			c = cookie{}
		case line.MaxAge > 0:
			c.Expires = now.Add(time.Duration(min(line.MaxAge, wire.MaxExpiresIn)) * time.Second)
		case !line.Expires.IsZero():
			c.Expires = line.Expires
		}
		if !c.live(now) {
			c = cookie{}
		}
		*slot = c
	}
	return set
}

// put gives req the given cookies, unless they have expired, and removes all other cookies of the
// library. It keeps the app's own.
func (n cookieNames) put(req *http.Request, cookies ...cookie) {
	others := req.Cookies()
	req.Header.Del("Cookie")
	for _, other := range others {
		if !n.ours(other.Name) {
			req.AddCookie(other)
		}
	}
	now := time.Now()
	for _, c := range cookies {
		if c.live(now) {
			req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
}

// jar holds the cookies of the current session.
type jar struct {
	mu  sync.Mutex
	set cookieSet
}

func (j *jar) get() cookieSet {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.set
}

// replace sets the cookies to next if they still belong to the session of before. Otherwise it does
// nothing and reports false.
func (j *jar) replace(before, next cookieSet) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.set.Fingerprint.Value != before.Fingerprint.Value {
		return false
	}
	j.set = next
	return true
}

// appCookies is the app's jar without the library's cookies, which are kept apart: they belong to
// one origin, including its port, and change together with the session. Cookies of other hosts
// pass through, whatever their names.
type appCookies struct {
	http.CookieJar
	names cookieNames
	host  string // of the origin, without the port, which cookies ignore
}

func (c *Client[U]) appCookies() appCookies {
	return appCookies{c.cfg.Jar, c.names, c.origin.Hostname()}
}

// SetCookies implements [http.CookieJar].
func (a appCookies) SetCookies(u *url.URL, cookies []*http.Cookie) {
	if others := a.others(u, cookies); len(others) > 0 {
		a.CookieJar.SetCookies(u, others)
	}
}

// Cookies implements [http.CookieJar]. It also filters what it reads, because the program may
// have put the library's cookies into its jar.
func (a appCookies) Cookies(u *url.URL) []*http.Cookie {
	return a.others(u, a.CookieJar.Cookies(u))
}

func (a appCookies) others(u *url.URL, cookies []*http.Cookie) []*http.Cookie {
	if !strings.EqualFold(u.Hostname(), a.host) {
		return cookies
	}
	return slices.DeleteFunc(slices.Clone(cookies), func(c *http.Cookie) bool { return a.names.ours(c.Name) })
}

// reset sets the cookies unconditionally.
func (j *jar) reset(set cookieSet) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.set = set
}
