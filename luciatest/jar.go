package luciatest

import (
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// jar keeps cookies as browsers do (RFC 6265bis, section 5.7). Unlike net/http/cookiejar, it keeps
// a host-only cookie beside one with a Domain, enforces the requirements of the prefixes __Host-
// and __Secure-, and refuses Secure cookies from sites without TLS. It does not distinguish
// partitions.
type jar struct{ hostOnly, domain *cookiejar.Jar }

func newJar() *jar {
	hostOnly, _ := cookiejar.New(nil) // never fails
	domain, _ := cookiejar.New(nil)
	return &jar{hostOnly, domain}
}

// SetCookies implements [http.CookieJar].
func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		switch {
		case !accepts(u, c):
		case c.Domain == "":
			j.hostOnly.SetCookies(u, []*http.Cookie{c})
		default:
			j.domain.SetCookies(u, []*http.Cookie{c})
		}
	}
}

// Cookies implements [http.CookieJar].
func (j *jar) Cookies(u *url.URL) []*http.Cookie {
	return slices.Concat(j.hostOnly.Cookies(u), j.domain.Cookies(u))
}

// accepts reports whether a browser keeps a cookie that u sets.
func accepts(u *url.URL, c *http.Cookie) bool {
	if c.Secure && u.Scheme != "https" && !isLoopback(u.Hostname()) {
		return false
	}
	switch name := strings.ToLower(c.Name); {
	case strings.HasPrefix(name, "__host-"):
		return c.Secure && c.Domain == "" && c.Path == "/"
	case strings.HasPrefix(name, "__secure-"):
		return c.Secure
	}
	return true
}

// isLoopback reports whether a host is this machine, which browsers trust without TLS.
func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
