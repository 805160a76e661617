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

// cookieWriter names, sets and clears the cookies. No other code does.
type cookieWriter struct {
	cookieNames
	// other are the names of the cookies with the other browser prefix, which they had before
	// CookieDomain was added or removed. It is empty in development.
	other cookieNames
	// adopts makes cookies under the other names count as well. It is set if those names have the
	// prefix __Host-, under which no other host can set a cookie.
	adopts bool
	// sealed is the name that refresh tokens are sealed for. It has no browser prefix, so that a
	// change of CookieDomain does not invalidate them.
	sealed string
	domain string   // in lower case, without a leading dot
	former []string // earlier domains, in the same form
	secure bool
	// embedded is set if the cookies are for pages in the frames of other sites.
	embedded bool
	// before and after are what net/http writes after the value, before and after the seconds of
	// Max-Age. They are the same in every line and are computed once.
	before, after string
}

// cookieNames are the names of the cookies: of the three that every session has, and of the one
// that keeps an actor's own session.
type cookieNames struct{ access, refresh, fingerprint, parked string }

func namesWith(prefix string) cookieNames {
	return cookieNames{prefix + wire.CookieAccess, prefix + wire.CookieRefresh, prefix + wire.CookieFingerprint, prefix + parkedName}
}

// part is one of the cookies.
type part uint8

const (
	partAccess part = iota
	partRefresh
	partFingerprint
	partParked
	parts
)

func (n *cookieNames) of(p part) string {
	return [...]string{n.access, n.refresh, n.fingerprint, n.parked}[p]
}

// Prefixes with which browsers bind a cookie to HTTPS and to this host (RFC 6265bis, section
// 4.1.3).
const (
	prefixHost   = "__Host-"
	prefixSecure = "__Secure-"
)

// newCookieWriter names the cookies. They have the prefix __Host-, which prevents every other
// host from setting them. With CookieDomain, which excludes that prefix, they have __Secure-,
// which prevents setting them over plain HTTP (OWASP ASVS 5.0, 3.3.1 and 3.3.3). Both need HTTPS.
//
// Cookies of an embedded app have names of their own. A browser that still has the earlier
// cookies sends both, and a request with two sessions has none.
func newCookieWriter[U any](config Config[U]) cookieWriter {
	prefix := config.CookiePrefix
	if config.Embedded {
		prefix = "embedded-" + prefix
	}
	c := cookieWriter{
		sealed:   namesWith(prefix).refresh,
		domain:   domainOf(config.CookieDomain),
		secure:   !config.Dev,
		embedded: config.Embedded,
	}
	for _, d := range config.FormerCookieDomains {
		c.former = append(c.former, domainOf(d))
	}
	switch {
	case config.Dev:
		c.cookieNames = namesWith(prefix)
	case c.domain == "":
		c.cookieNames, c.other = namesWith(prefixHost+prefix), namesWith(prefixSecure+prefix)
	default:
		c.cookieNames, c.other, c.adopts = namesWith(prefixSecure+prefix), namesWith(prefixHost+prefix), true
	}
	const name, seconds = "n=", "Max-Age=1"
	c.before, c.after, _ = strings.Cut(strings.TrimPrefix(c.sample(c.domain).String(), name), seconds)
	return c
}

// domainOf returns a Domain attribute in the form in which browsers compare it.
func domainOf(s string) string { return strings.ToLower(strings.TrimPrefix(s, ".")) }

// sample returns a cookie named n with an empty value and a lifetime of one second.
func (c *cookieWriter) sample(domain string) *http.Cookie {
	cookie := &http.Cookie{
		Name:     "n",
		Path:     "/",
		Domain:   domain,
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

// line returns the value of a Set-Cookie header. Cookie values are tokens, which need no quoting.
func (c *cookieWriter) line(name, value string, maxAge int) string {
	const attribute = "Max-Age="
	var digits [20]byte
	seconds := strconv.AppendInt(digits[:0], int64(maxAge), 10)
	var b strings.Builder // so that the only allocation is the line
	b.Grow(len(name) + 1 + len(value) + len(c.before) + len(attribute) + len(seconds) + len(c.after))
	b.WriteString(name)
	b.WriteByte('=')
	b.WriteString(value)
	b.WriteString(c.before)
	b.WriteString(attribute)
	b.Write(seconds)
	b.WriteString(c.after)
	return b.String()
}

// set sets a cookie with a lifetime of d, in whole seconds and at least one.
func (c *cookieWriter) set(h http.Header, name, value string, d time.Duration) {
	c.write(h, name, c.domain, c.line(name, value, max(1, int(d/time.Second))))
}

// setShort sets a cookie that the browser forgets when it closes.
func (c *cookieWriter) setShort(h http.Header, name, value string) {
	c.write(h, name, c.domain, name+"="+value+strings.TrimSuffix(c.before, "; ")+c.after)
}

// setFor sets a cookie of a session for d, or until the browser closes if the session is short.
func (c *cookieWriter) setFor(t *session.Terms, h http.Header, name, value string, d time.Duration) {
	if t.Short {
		c.setShort(h, name, value)
	} else {
		c.set(h, name, value, d)
	}
}

// remove removes a cookie in the scope of a domain. The domain "" is this host only.
func (c *cookieWriter) remove(h http.Header, name, domain string) {
	line := c.sample(domain)
	line.Name, line.MaxAge = name, -1 // removes it at once
	c.write(h, name, domain, line.String())
}

// write writes a Set-Cookie line and replaces an earlier line for the same cookie, so that a
// request that is refreshed and then signs in or out sets each cookie once.
func (c *cookieWriter) write(h http.Header, name, domain, line string) {
	lines := h["Set-Cookie"]
	if lines == nil {
		lines = make([]string, 0, 2) // a refresh sets two
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		_, same := cutName(line, name)
		return same && lineDomain(line) == domain
	})
	h["Set-Cookie"] = append(lines, line)
	keepOutOfCaches(h)
}

// lineDomain returns the domain of a Set-Cookie line that write wrote.
func lineDomain(line string) string {
	_, rest, _ := strings.Cut(line, "; Domain=")
	domain, _, _ := strings.Cut(rest, ";")
	return domain
}

// keepOutOfCaches prevents caches from storing a response that sets cookies, whatever caching
// headers the handler sets afterwards. It writes the lines under another spelling of their names,
// which the methods of http.Header do not modify. Recipients combine both lines (RFC 9110,
// section 5.3), and "private" and "no-store" apply together with any other directive (RFC 9111,
// section 5.2.2; RFC 9213 for the second name). See ADR 15.
func keepOutOfCaches(h http.Header) {
	h["cache-control"] = neverCache[:]
	h["cdn-cache-control"] = neverCache[:]
}

// neverCache is shared by all responses. Appending to it makes a copy.
var neverCache = [1]string{"private, no-store"}

// overhead returns the size of the three Set-Cookie lines without their values.
func (c *cookieWriter) overhead() (n int) {
	const longest = 400 * 24 * 60 * 60
	for _, name := range [...]string{c.access, c.refresh, c.fingerprint} {
		n += len("Set-Cookie: ") + len(c.line(name, "", longest)) + len("\r\n")
	}
	return n
}

// maxValues is how many cookies of one name are examined. A browser sends several only if another
// host or path has set one of them.
const maxValues = 4

// values are the distinct values of one cookie name.
type values struct {
	list [maxValues]string
	n    int
	more bool // whether there are more than maxValues
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

// cookieSet holds the cookies of this library in a request.
type cookieSet struct {
	access, refresh, fingerprint, parked values
	other                                [parts]bool // whether a value came under the other name
}

func (s *cookieSet) of(p part) *values {
	return [...]*values{&s.access, &s.refresh, &s.fingerprint, &s.parked}[p]
}

// present reports whether there is a token to examine. A fingerprint by itself proves nothing.
func (s *cookieSet) present() bool { return s.access.n+s.refresh.n > 0 }

// crowded reports whether there are values that were not examined. One of them may belong to
// another session.
func (s *cookieSet) crowded() bool { return s.access.more || s.refresh.more || s.fingerprint.more }

// scan reads the cookies of this library in one pass over the header. Names are compared exactly.
// Quoted values are not accepted.
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

// take adds a cookie to the set if it is one of this library.
func (c *cookieWriter) take(pair string, set *cookieSet) {
	if _, found := c.cookieNames.take(pair, set); found || !c.adopts {
		return
	}
	if p, found := c.other.take(pair, set); found {
		set.other[p] = true
	}
}

func (n *cookieNames) take(pair string, set *cookieSet) (p part, found bool) {
	if value, ok := cutName(pair, n.access); ok {
		set.access.add(value)
		return partAccess, true
	} else if value, ok := cutName(pair, n.refresh); ok {
		set.refresh.add(value)
		return partRefresh, true
	} else if value, ok := cutName(pair, n.fingerprint); ok {
		set.fingerprint.add(value)
		return partFingerprint, true
	} else if value, ok := cutName(pair, n.parked); ok {
		set.parked.add(value)
		return partParked, true
	}
	return 0, false
}

// scanAll reads all cookies of this library that the browser may have, including those that no
// longer count. It is for beginning and ending sessions.
func (c *cookieWriter) scanAll(h http.Header, set *cookieSet) {
	all := *c
	all.adopts = c.secure
	all.scan(h, set)
}

// cutName returns the value of a cookie and reports whether the cookie has the given name.
func cutName(pair, name string) (value string, ok bool) {
	if n := len(name); len(pair) > n && pair[n] == '=' && pair[:n] == name {
		return pair[n+1:], true
	}
	return "", false
}

// setRefreshed sets the cookies of a refresh. It never sets the fingerprint cookie, so that a
// response that arrives after a sign-out is useless. If it sets both cookies, it clears those of
// other scopes, because an old refresh token that remains would later count as reuse.
func (a *Auth[U]) setRefreshed(h http.Header, r *http.Request, refreshed *engine.Refreshed[U]) {
	if refreshed.RefreshCookie != "" {
		a.clearStale(h, r)
		a.cookies.setFor(&refreshed.Session.Terms, h, a.cookies.refresh, string(refreshed.RefreshCookie), refreshed.ExpiresIn)
	}
	a.setAccess(h, &refreshed.Session)
}

func (a *Auth[U]) setAccess(h http.Header, s *session.Session[U]) {
	if s.Bound() { // the browser refreshes the cookie when its Max-Age has passed
		a.cookies.set(h, a.cookies.access, string(s.AccessToken), s.ExpiresIn(time.Now()))
		return
	}
	a.cookies.setFor(&s.Terms, h, a.cookies.access, string(s.AccessToken), s.ExpiresIn(time.Now()))
}

func (a *Auth[U]) setSignedIn(h http.Header, s *engine.SignedIn[U]) {
	a.setAccess(h, &s.Session)
	a.cookies.setFor(&s.Session.Terms, h, a.cookies.refresh, string(s.RefreshCookie), s.ExpiresIn)
	a.cookies.setFor(&s.Session.Terms, h, a.cookies.fingerprint, string(s.Fingerprint), s.Lifetime)
}
