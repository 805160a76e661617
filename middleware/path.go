package middleware

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
)

// isLocalPath reports whether p is a path of this site that no browser, proxy or router interprets
// as a URL of another site. "//host" and "/\host" name another site. Browsers remove tabs and line
// ends before they parse a URL. Software that resolves dot segments or decodes the path turns
// "/.//host", "/%2e//host" and "/%2fhost" into "//host".
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

// leadsAway reports whether a decoded path begins with two slashes after its dot segments are
// resolved (RFC 3986, section 5.2.4).
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

// nextField is the query parameter that carries the return path to the login page.
const nextField = "next"

// ReturnPath returns the path to redirect to after a sign-in. It is the path that [Auth.Require]
// added to the login page's URL, from the query or the body of r, or fallback if that is missing
// or not a path of this site. ReturnPath parses r's form.
func ReturnPath(r *http.Request, fallback string) string {
	if next := r.FormValue(nextField); isLocalPath(next) {
		return next
	}
	return fallback
}

// maxNext is the maximum length of the return path. The path is part of a header of this response
// and of the request line of the next request, for which proxies have about 4 KB each.
const maxNext = 1024

// withReturn returns the URL of a page at which people sign in, with the return path.
func (a *Auth[U]) withReturn(page, back string) string {
	if !isLocalPath(back) || back == "/" || isAt(back, a.config.LoginPath) || isAt(back, a.config.StepUpPath) {
		return page
	}
	next := url.QueryEscape(back)
	if len(next) > maxNext {
		return page
	}
	return addQuery(page, nextField+"="+next)
}

// addQuery adds a parameter to a URL.
func addQuery(page, parameter string) string {
	if strings.Contains(page, "?") {
		return page + "&" + parameter
	}
	return page + "?" + parameter
}

// isAt reports whether a path is that of a page, whatever their queries are.
func isAt(path, page string) bool {
	page, _, _ = strings.Cut(page, "?")
	path, _, _ = strings.Cut(path, "?")
	return strings.TrimSuffix(path, "/") == strings.TrimSuffix(page, "/")
}

// pathOf returns path and query of a request as they arrived.
func pathOf(r *http.Request) string {
	if isLocalPath(r.RequestURI) { // unchanged by StripPrefix and rewriting
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// currentURL returns path and query of the page that sent the request, according to htmx or the
// browser, if that page is of the request's host. Behind a proxy that rewrites Host, no page is of
// that host, and people return to the start page.
func currentURL(r *http.Request) string {
	u, err := url.Parse(cmp.Or(header(r, "Hx-Current-Url"), header(r, "Referer")))
	if err != nil || u.Host != r.Host {
		return "/"
	}
	return u.RequestURI()
}

// addVary adds a name to Vary unless it is already there.
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
