package middleware

import (
	"net/http"
	"strings"
)

// What a request is, as far as policy asks. Browsers say it in fetch metadata
// (W3C Fetch Metadata Request Headers); other clients in Accept or not at all.

// isNavigation reports whether the answer becomes a page in front of a person,
// who may come back to it at any time.
func isNavigation(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && IsPage(r)
}

// IsPage reports whether the answer becomes a page in front of a person, whatever
// the method: for an app that answers people with a page and scripts with an
// error in JSON. It goes by Sec-Fetch-Dest, without that by Accept, and counts what
// htmx boosts or restores from its history.
func IsPage(r *http.Request) bool {
	switch header(r, "Sec-Fetch-Dest") {
	case "document", "iframe", "frame", "fencedframe":
		return true
	case "empty":
		return isBoosted(r)
	case "":
		return !isHTMX(r) && strings.Contains(header(r, "Accept"), "text/html") || isBoosted(r)
	}
	return false
}

// isPassive reports whether a request is one of many that a page makes by
// itself, or made ahead of time: those never refresh a session.
func isPassive(r *http.Request) bool {
	switch header(r, "Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame", "fencedframe", "empty", "websocket", "webtransport":
		return isPrefetch(r)
	}
	return true // image, style, script, font, audio, video, track, worker, manifest, object, embed …
}

// isPrefetch reports whether a browser asks for a page that nobody has opened
// yet.
func isPrefetch(r *http.Request) bool {
	return strings.HasPrefix(header(r, "Sec-Purpose"), "prefetch") ||
		header(r, "Purpose") == "prefetch" || header(r, "X-Moz") == "prefetch"
}

// isHTMX reports whether htmx made the request for a part of a page.
func isHTMX(r *http.Request) bool { return header(r, "Hx-Request") == "true" && !isBoosted(r) }

// isBoosted reports whether htmx made the request in the place of a page
// navigation: for a boosted link or form, or for a page that the person goes back
// to, of which htmx heeds no HX-Redirect.
func isBoosted(r *http.Request) bool {
	return header(r, "Hx-Boosted") == "true" || header(r, "Hx-History-Restore-Request") == "true"
}

// isUpgrade reports whether a request asks for a WebSocket (RFC 6455, section
// 4.1), which is a GET but no safe request.
func isUpgrade(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 && strings.EqualFold(header(r, "Upgrade"), "websocket")
}

// bearer returns the bearer token of a request (RFC 6750, section 2.1), and
// whether one is presented at all. Several Authorization headers are presented
// and none.
func bearer(r *http.Request) (token string, presented bool) {
	lines := r.Header["Authorization"]
	if len(lines) == 0 {
		return "", false
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	if len(lines) > 1 {
		return "", true
	}
	return strings.TrimSpace(token), true
}

// header returns the first value of a header, whose name is in canonical form.
func header(r *http.Request, name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// crossOrigin reports whether a request that could change something comes from
// another origin. Requests that say nothing of their origin are not from a
// browser.
func (a *Auth[U]) crossOrigin(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if !isUpgrade(r) {
			return false
		}
		return a.foreign(r)
	}
	return a.origins.Check(r) != nil
}

// foreign judges a request by its origin as if its method were unsafe.
func (a *Auth[U]) foreign(r *http.Request) bool {
	unsafe := *r
	unsafe.Method = http.MethodPost
	return a.origins.Check(&unsafe) != nil
}
