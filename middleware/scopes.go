package middleware

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// A browser stores cookies by name, domain and path, but sends only names and values. After a
// change of CookieDomain it may have cookies of this library in several scopes: this host only, the
// configured domain, a parent domain, and under the name with the other browser prefix. Other
// programs may also have set cookies with the same names in these scopes. A request shows whether a
// value is a token of this app, but not the scope of its cookie. Clearing therefore follows these
// rules:
//
//   - Every scope within the app's own domain is cleared.
//   - A scope above it is cleared only if every visible value of the name is a token of this app.
//     So a staging app below production's domain does not sign people out of production.
//   - In development names have no prefix, and all programs on localhost share them. A name is
//     left alone if all its visible values are of other programs.

// cookieClasses describes a request's cookies by name.
type cookieClasses [parts]valueClass

type valueClass struct {
	any     bool // there is a value
	several bool // there are several values, or one under the other name
	ours    bool // one is a token under a key of this app
	foreign bool // one is not a token under a key of this app
	unknown bool // one is a token of this library under an unknown key
}

// classify returns what a request's cookies are. A fingerprint is random and shows nothing by
// itself, so it is classified like the tokens that came with it. A parked cookie is classified like
// the refresh token in it.
func (a *Auth[U]) classify(set *cookieSet) (saw cookieClasses) {
	judge := func(p part, err error) {
		s := &saw[p]
		switch {
		case errors.Is(err, engine.ErrUnknownKey):
			s.unknown, s.foreign = true, true
		case errors.Is(err, engine.ErrMalformed):
			s.foreign = true
		default:
			s.ours = true
		}
	}
	for _, token := range set.access.all() {
		_, err := a.engine.Verify(session.AccessToken(token), "")
		judge(partAccess, err)
	}
	for _, sealed := range set.refresh.all() {
		_, err := a.engine.OpenSealed(engine.SealedToken(sealed))
		judge(partRefresh, err)
	}
	for _, value := range set.parked.all() {
		sealed, _ := cutParked(value)
		_, err := a.engine.OpenSealed(sealed)
		judge(partParked, err)
	}
	for p := range parts {
		v, s := set.of(p), &saw[p]
		s.any, s.several = v.n > 0, v.n > 1 || set.other[p]
		s.foreign = s.foreign || v.more
	}
	fp, access, refresh := &saw[partFingerprint], &saw[partAccess], &saw[partRefresh]
	fp.ours = access.ours || refresh.ours
	fp.foreign = fp.foreign || access.unknown || refresh.unknown
	return saw
}

// clear removes the cookies in every scope in which the browser may have them. It leaves out the
// parked cookie if the request has none.
func (a *Auth[U]) clear(h http.Header, r *http.Request, set *cookieSet) {
	saw := a.classify(set)
	for p := range parts {
		if p != partParked || saw[p].any {
			a.clearPart(h, r, p, saw, set.other[p])
		}
	}
}

// clearPart removes one cookie in every scope.
func (a *Auth[U]) clearPart(h http.Header, r *http.Request, p part, saw cookieClasses, other bool) {
	if a.config.Dev && saw[p].foreign && !saw[p].ours {
		return
	}
	a.cookies.remove(h, a.cookies.of(p), a.cookies.domain)
	a.clearElsewhere(h, r, p, saw, other)
}

// clearElsewhere removes one cookie in every scope except that in which it is set.
func (a *Auth[U]) clearElsewhere(h http.Header, r *http.Request, p part, saw cookieClasses, other bool) {
	c := &a.cookies
	for _, domain := range c.scopes(r.Host, saw[p], c.of(p)) {
		if domain != c.domain {
			c.remove(h, c.of(p), domain)
		}
	}
	if other {
		for _, domain := range c.scopes(r.Host, saw[p], c.other.of(p)) {
			c.remove(h, c.other.of(p), domain)
		}
	}
}

// clearStale removes access and refresh cookies of other scopes in a response that sets both, if
// the request shows that there are such cookies.
func (a *Auth[U]) clearStale(h http.Header, r *http.Request) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	if !set.several() {
		return
	}
	saw := a.classify(&set)
	for p := range partFingerprint {
		if saw[p].several {
			a.clearElsewhere(h, r, p, saw, set.other[p])
		}
	}
}

// several reports whether tokens may have come from more than one scope.
func (s *cookieSet) several() bool {
	return s.access.n > 1 || s.refresh.n > 1 || s.other[partAccess] || s.other[partRefresh]
}

// clearDead removes access and refresh cookies that can never be valid again. It keeps the
// fingerprint, which proves nothing by itself. If this response arrives after the response to a
// newer sign-in, the open page of the new session can still set the tokens again.
func (a *Auth[U]) clearDead(h http.Header, r *http.Request) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	saw := a.classify(&set)
	for p := range partFingerprint {
		switch s := saw[p]; {
		case !s.any, s.unknown && !s.ours:
		case s.several || a.cookies.domain != "":
			a.clearPart(h, r, p, saw, set.other[p])
		case !a.config.Dev || s.ours:
			a.cookies.remove(h, a.cookies.of(p), a.cookies.domain)
		}
	}
}

// clearFormer removes cookies of other scopes in the response to a sign-in. A set of cookies is
// useless without its fingerprint, so the fingerprint is removed wherever there may be one. This
// includes a post from another site, with which the browser sends no cookies. The cookies that it
// withholds may be another app's. Of the scopes above the app's own, only those that
// FormerCookieDomains names are cleared in that case. The parked cookie is removed in every
// scope. The caller sets the other cookies, and the parked one if someone begins to act.
func (a *Auth[U]) clearFormer(h http.Header, r *http.Request, set *cookieSet) {
	saw := a.classify(set)
	// A trusted origin makes no difference here.
	withheld := a.cookies.domain != "" && new(http.CrossOriginProtection).Check(r) != nil
	for p := range parts {
		unseen := withheld && !saw[p].any
		saw[p].foreign = saw[p].foreign || unseen
		switch {
		case p == partParked && saw[p].any:
			a.clearPart(h, r, p, saw, set.other[p])
		case saw[p].any, p == partFingerprint && unseen:
			a.clearElsewhere(h, r, p, saw, set.other[p] || unseen && a.cookies.adopts)
		}
	}
}

// maxScopes bounds the scopes that are cleared, and with them the size of a response.
const maxScopes = 6

// scopes returns the domains under which the browser may have a cookie of that name for a host.
// The domain "" is the host alone. If values of other programs are visible, scopes leaves out
// domains above the app's own, except those in FormerCookieDomains. Browsers ignore a domain that
// is a public suffix (RFC 6265bis, section 5.7).
func (c *cookieWriter) scopes(host string, saw valueClass, name string) (domains []string) {
	if strings.HasPrefix(name, prefixHost) {
		return []string{""}
	}
	// Otherwise the cookie had a domain.
	if !strings.HasPrefix(name, prefixSecure) || c.domain != "" {
		domains = append(domains, "")
	}
	host = hostName(host)
	parents := host
	if !c.secure && c.domain == "" && !saw.several { // the usual case in development
		parents = ""
	}
	for d := parents; strings.Contains(d, ".") && len(domains) < maxScopes; _, d, _ = strings.Cut(d, ".") {
		if !saw.foreign || c.isWithin(d, host) {
			domains = append(domains, d)
		}
	}
	for _, d := range c.former {
		if (host == d || strings.HasSuffix(host, "."+d)) && !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	return domains
}

// isWithin reports whether a domain is the app's own or below it. In development the app has no
// domain of its own.
func (c *cookieWriter) isWithin(domain, host string) bool {
	own := c.domain
	if own == "" {
		own = host
	}
	return c.secure && (domain == own || strings.HasSuffix(domain, "."+own))
}

// hostName returns the host of a Host header in the form of a Domain attribute. It returns "" for
// an IP address and for a value that is not a host name.
func hostName(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = domainOf(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return ""
		}
	}
	return host
}
