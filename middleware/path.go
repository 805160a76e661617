package middleware

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
)

// isLocalPath reports whether p is a path of this site that no browser, proxy or
// router reads as another site's. "//host" and "/\host" are such, browsers drop tabs
// and line ends before they look, and what resolves dot segments or decodes the path
// makes "//host" of "/.//host", "/%2e//host" and "/%2fhost".
func isLocalPath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") {
		return false
	}
	for i := range len(p) {
		if p[i] <= ' ' || p[i] == '\\' || p[i] == 0x7f {
			return false
		}
	}
	u, err := url.Parse(p)
	return err == nil && u.Scheme == "" && u.Host == "" && u.Opaque == "" && !leadsAway(u.Path)
}

// leadsAway reports whether a decoded path begins with two slashes once its dot
// segments are resolved (RFC 3986, section 5.2.4).
func leadsAway(path string) bool {
	if strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..") {
		path += "/"
	}
	var kept []string
	for segment := range strings.SplitSeq(strings.ReplaceAll(path, `\`, "/")[1:], "/") {
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	return len(kept) > 1 && kept[0] == ""
}

// nextField is the query parameter that carries the return path to the login
// page.
const nextField = "next"

// ReturnPath returns where a person who has signed in wanted to go: the path
// that [Auth.Require] gave the login page, from the query or the body of r, if
// it is a path of this site, else fallback. It parses r's form.
func ReturnPath(r *http.Request, fallback string) string {
	if next := r.FormValue(nextField); isLocalPath(next) {
		return next
	}
	return fallback
}

// maxNext bounds the return path: it stands in a header of this answer and in
// the line of the next request, for both of which proxies have 4 KB or so.
const maxNext = 1024

// loginURL is the login page with the way back.
func (a *Auth[U]) loginURL(back string) string {
	if !isLocalPath(back) || back == "/" || a.isLogin(back) {
		return a.config.LoginPath
	}
	sep := "?"
	if strings.Contains(a.config.LoginPath, "?") {
		sep = "&"
	}
	next := url.QueryEscape(back)
	if len(next) > maxNext {
		return a.config.LoginPath
	}
	return a.config.LoginPath + sep + nextField + "=" + next
}

// isLogin reports whether a path is that of the login page itself.
func (a *Auth[U]) isLogin(path string) bool {
	login, _, _ := strings.Cut(a.config.LoginPath, "?")
	at, _, _ := strings.Cut(path, "?")
	return strings.TrimSuffix(at, "/") == strings.TrimSuffix(login, "/")
}

// pathOf returns path and query of a request, as it arrived.
func pathOf(r *http.Request) string {
	if isLocalPath(r.RequestURI) { // what StripPrefix and rewriting leave alone
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// currentURL returns path and query of the page that a request comes from, as htmx
// says or else the browser, if that page is of the host that the request is for.
// Behind a proxy that rewrites Host no page is, and people come back to the start
// page.
func currentURL(r *http.Request) string {
	u, err := url.Parse(cmp.Or(header(r, "Hx-Current-Url"), header(r, "Referer")))
	if err != nil || u.Host != r.Host {
		return "/"
	}
	return u.RequestURI()
}

// addVary adds a name to Vary unless it is there.
func addVary(h http.Header, name string) {
	for _, line := range h["Vary"] {
		for v := range strings.SplitSeq(line, ",") {
			if v = strings.TrimSpace(v); v == "*" || strings.EqualFold(v, name) {
				return
			}
		}
	}
	h.Add("Vary", name)
}
