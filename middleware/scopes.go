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

// A browser holds cookies by name, domain and path, and sends only names and values.
// After a change of CookieDomain it may hold ours in several scopes: of this host
// alone, of the configured domain, of a parent domain, and under the name with the other
// browser prefix. Others may have set cookies under our names there, too. What a
// request carries says whether a value is ours, not which scope it is in. So clearing
// goes by these rules:
//
//   - What lies within the app's own domain is the app's to clear.
//   - A scope above it is cleared only if every value of the name in sight is ours: a
//     staging app below production's domain signs no one out of production.
//   - In development names have no prefix, and all programs on localhost share them. A
//     name under which only others' values are in sight is left alone.

// inSight is what a request's cookies are, name by name.
type inSight [parts]valuesSeen

type valuesSeen struct {
	any     bool // there are values
	several bool // there is more than one, or one under the other name
	ours    bool // one is a token under a key of ours
	foreign bool // one is not
	unknown bool // one is a token of this library under an unknown key
}

// look judges the cookies of a request. A fingerprint is random and shows nothing: it
// counts as what the tokens beside it are.
func (a *Auth[U]) look(set *cookieSet) (saw inSight) {
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
		_, err := a.manager.Verify(session.AccessToken(token), "")
		judge(partAccess, err)
	}
	for _, sealed := range set.refresh.all() {
		_, err := a.manager.OpenSealed(session.SealedToken(sealed))
		judge(partRefresh, err)
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

// clear removes all three cookies in every scope that the browser may hold them in.
func (a *Auth[U]) clear(h http.Header, r *http.Request) {
	var set cookieSet
	a.cookies.scanAll(r.Header, &set)
	saw := a.look(&set)
	for p := range parts {
		a.clearPart(h, r, p, saw, set.other[p])
	}
}

// clearPart removes one cookie in every scope.
func (a *Auth[U]) clearPart(h http.Header, r *http.Request, p part, saw inSight, other bool) {
	if a.config.Dev && saw[p].foreign && !saw[p].ours {
		return
	}
	a.cookies.remove(h, a.cookies.of(p), a.cookies.domain)
	a.clearElsewhere(h, r, p, saw, other)
}

// clearElsewhere removes one cookie in every scope but that in which it is set.
func (a *Auth[U]) clearElsewhere(h http.Header, r *http.Request, p part, saw inSight, other bool) {
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

// clearStale removes access and refresh cookies of other scopes beside an answer that
// sets both, if the request shows that there are such.
func (a *Auth[U]) clearStale(h http.Header, r *http.Request) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	if !set.several() {
		return
	}
	saw := a.look(&set)
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

// clearDead removes access and refresh cookies that are of no use any more. The
// fingerprint stays: it proves nothing by itself, and if this answer arrives after that
// to a newer sign-in, the open page of the new session can set the tokens again.
func (a *Auth[U]) clearDead(h http.Header, r *http.Request) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	saw := a.look(&set)
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

// clearFormer removes cookies of other scopes beside those of a sign-in. Without its
// fingerprint a set is worth nothing, so that is removed wherever one may be: also where
// the browser sends none of its cookies, with a post from another site. What cannot be seen
// may be another app's. So of the scopes above the app's own only those that
// FormerCookieDomains names are cleared then.
func (a *Auth[U]) clearFormer(h http.Header, r *http.Request, set *cookieSet) {
	saw := a.look(set)
	withheld := a.cookies.domain != "" && new(http.CrossOriginProtection).Check(r) != nil // trusted or not
	for p := range parts {
		unseen := withheld && !saw[p].any
		saw[p].foreign = saw[p].foreign || unseen
		if saw[p].any || p == partFingerprint && unseen {
			a.clearElsewhere(h, r, p, saw, set.other[p] || unseen && a.cookies.adopts)
		}
	}
}

// maxScopes bounds the scopes that are cleared, and with them the size of an answer.
const maxScopes = 6

// scopes returns the domains under which the browser may hold a cookie of that name
// for a host, "" for the host alone. If others' values are in sight, domains above the
// app's own are left out but those that FormerCookieDomains names. Browsers ignore
// what names a public suffix (RFC 6265bis, section 5.7).
func (c *cookieWriter) scopes(host string, saw valuesSeen, name string) (domains []string) {
	if strings.HasPrefix(name, prefixHost) {
		return []string{""}
	}
	if !strings.HasPrefix(name, prefixSecure) || c.domain != "" { // else it had a domain
		domains = append(domains, "")
	}
	host = hostName(host)
	parents := host
	if !c.secure && c.domain == "" && !saw.several { // development as it is as a rule
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

// isWithin reports whether a domain is the app's own or below that. In development no
// domain is the app's own.
func (c *cookieWriter) isWithin(domain, host string) bool {
	own := c.domain
	if own == "" {
		own = host
	}
	return c.secure && (domain == own || strings.HasSuffix(domain, "."+own))
}

// hostName returns the host of a Host header as a Domain attribute can name it; "" for
// an address and for what is no name.
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
