package middleware

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// cookieWriter is the one place where cookies are named, set and cleared.
type cookieWriter struct {
	access, refresh, fingerprint string
	domain                       string
	secure                       bool
	embedded                     bool // for pages in the frames of other sites
	// What net/http writes after the value, before and after the seconds of
	// Max-Age: the same in every line, so it is asked once.
	before, after string
}

// newCookieWriter names the cookies: with the __Host- prefix, which keeps every
// other host from setting them (RFC 6265bis, section 4.1.3.2), unless that needs
// what the app does not have.
//
// Cookies of an embedded app have names of their own: a browser that still has those of
// before sends both, and two sessions at once are none.
func newCookieWriter(prefix, domain string, dev, embedded bool) cookieWriter {
	if embedded {
		prefix = "embedded-" + prefix
	}
	if !dev && domain == "" {
		prefix = "__Host-" + prefix
	}
	c := cookieWriter{
		access:      prefix + wire.CookieAccess,
		refresh:     prefix + wire.CookieRefresh,
		fingerprint: prefix + wire.CookieFingerprint,
		domain:      domain,
		secure:      !dev,
		embedded:    embedded,
	}
	const name, seconds = "n=", "Max-Age=1"
	c.before, c.after, _ = strings.Cut(strings.TrimPrefix(c.sample().String(), name), seconds)
	return c
}

// sample is a cookie n with an empty value that lives for a second.
func (c cookieWriter) sample() *http.Cookie {
	cookie := &http.Cookie{
		Name:     "n",
		Path:     "/",
		Domain:   c.domain,
		MaxAge:   1,
		Secure:   c.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	if c.embedded {
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	return cookie
}

// line returns the value of a Set-Cookie header. The values are tokens, which
// need no quoting.
func (c cookieWriter) line(name, value string, maxAge int) string {
	return name + "=" + value + c.before + "Max-Age=" + strconv.Itoa(maxAge) + c.after
}

// set sets a cookie for d, in whole seconds and at least one.
func (c cookieWriter) set(h http.Header, name, value string, d time.Duration) {
	c.write(h, name, value, max(1, int(d/time.Second)))
}

// write writes a Set-Cookie line in the place of an earlier one of the name: a
// request that is refreshed and then signs in or out sets each cookie once.
func (c cookieWriter) write(h http.Header, name, value string, maxAge int) {
	if lines := h["Set-Cookie"]; len(lines) > 0 {
		h["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
			_, ours := cutName(line, name)
			return ours
		})
	}
	h.Add("Set-Cookie", c.line(name, value, maxAge))
}

// clear deletes all three cookies.
func (c cookieWriter) clear(h http.Header) {
	for _, name := range [...]string{c.access, c.refresh, c.fingerprint} {
		c.write(h, name, "", 0) // at once
	}
}

// overhead is what the three Set-Cookie lines take beside their values.
func (c cookieWriter) overhead() (n int) {
	const longest = 400 * 24 * 60 * 60
	for _, name := range [...]string{c.access, c.refresh, c.fingerprint} {
		n += len("Set-Cookie: ") + len(c.line(name, "", longest)) + len("\r\n")
	}
	return n
}

// maxValues is how many cookies of one name are looked at. A browser sends
// several only where another host or path has set one of them.
const maxValues = 4

// values are the distinct values of one cookie name.
type values struct {
	list [maxValues]string
	n    int
	more bool // than are looked at
}

func (v *values) add(s string) {
	for _, known := range v.list[:v.n] {
		if known == s {
			return
		}
	}
	switch {
	case s == "":
	case v.n == maxValues:
		v.more = true
	default:
		v.list[v.n] = s
		v.n++
	}
}

func (v *values) all() []string { return v.list[:v.n] }

// cookieSet is what a request carries of our cookies.
type cookieSet struct {
	access, refresh, fingerprint values
}

// present reports whether there is anything to look at. A fingerprint alone
// proves nothing.
func (s *cookieSet) present() bool { return s.access.n+s.refresh.n > 0 }

// crowded reports whether there is more than is looked at: among the rest may be
// another session's.
func (s *cookieSet) crowded() bool { return s.access.more || s.refresh.more || s.fingerprint.more }

// scan reads our cookies in one pass over the header. Names are compared
// exactly; values are ours only if they are unquoted.
func (c *cookieWriter) scan(h http.Header, set *cookieSet) {
	for _, line := range h["Cookie"] {
		c.scanLine(line, set)
	}
}

// scanLine is scan for one line of a Cookie header.
func (c *cookieWriter) scanLine(line string, set *cookieSet) {
	for line != "" {
		pair, rest := line, ""
		if i := strings.IndexByte(line, ';'); i >= 0 {
			pair, rest = line[:i], line[i+1:]
		}
		line = rest
		c.take(textproto.TrimString(pair), set)
	}
}

// take adds a cookie to the set if it is ours.
func (c *cookieWriter) take(pair string, set *cookieSet) {
	if value, ok := cutName(pair, c.access); ok {
		set.access.add(value)
	} else if value, ok := cutName(pair, c.refresh); ok {
		set.refresh.add(value)
	} else if value, ok := cutName(pair, c.fingerprint); ok {
		set.fingerprint.add(value)
	}
}

// cutName returns the value of a cookie, and whether that is its name.
func cutName(pair, name string) (value string, ok bool) {
	if n := len(name); len(pair) > n && pair[n] == '=' && pair[:n] == name {
		return pair[n+1:], true
	}
	return "", false
}

// setRefreshed sets the cookies of a refresh: never the fingerprint's, so that
// an answer that arrives after a sign-out is useless.
func (a *Auth[U]) setRefreshed(h http.Header, r *engine.Refreshed[U]) {
	a.setAccess(h, &r.Session)
	if r.RefreshCookie != "" {
		a.cookies.set(h, a.cookies.refresh, string(r.RefreshCookie), r.ExpiresIn)
	}
}

func (a *Auth[U]) setAccess(h http.Header, s *session.Session[U]) {
	a.cookies.set(h, a.cookies.access, string(s.AccessToken), s.ExpiresIn(time.Now()))
}

func (a *Auth[U]) setSignedIn(h http.Header, s *engine.SignedIn[U]) {
	a.setAccess(h, &s.Session)
	a.cookies.set(h, a.cookies.refresh, string(s.RefreshCookie), s.ExpiresIn)
	a.cookies.set(h, a.cookies.fingerprint, string(s.Fingerprint), s.Lifetime)
}
