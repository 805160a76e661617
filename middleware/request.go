package middleware

import (
	"net/http"
	"strconv"
	"strings"
)

// What a request is, as far as policy asks. Browsers say it in fetch metadata
// (W3C Fetch Metadata Request Headers), libraries that fetch pages in headers of
// their own, other clients in Accept or not at all.

// view is how the answer to a request is shown.
type view uint8

const (
	viewNone  view = iota // a script or a program reads it
	viewPage              // as a page: by the browser itself, or by a library in its place
	viewHTMX              // as a part of a page that htmx puts there
	viewFrame             // as the content of a Turbo frame
)

// deciding are the headers that viewOf and isPrefetch go by, for Vary.
var deciding = [...]string{
	"Accept", "HX-Request", "HX-Boosted", "HX-History-Restore-Request", "Turbo-Frame", "X-Up-Version",
	"X-Requested-With", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Purpose",
}

// viewOf finds out who looks at the answer. It goes by what the browser says; a
// request that a script makes (Sec-Fetch-Dest: empty) is judged by its mode, since a
// service worker that passes a navigation on makes it "empty" and leaves the mode;
// then by the headers of htmx, Turbo and Unpoly; then by Accept, which is all that
// Turbo sends for a page. jQuery asks for HTML to put it somewhere, so what names
// itself an XMLHttpRequest is a script.
func viewOf(r *http.Request) view {
	switch header(r, "Sec-Fetch-Dest") {
	case "document", "iframe", "frame", "fencedframe":
		return viewPage
	case "", "empty":
	default:
		if isNavigate(r) { // object, embed
			return viewPage
		}
		return viewNone
	}
	switch {
	case isNavigate(r), isBoosted(r):
		return viewPage
	case header(r, "Hx-Request") == "true":
		return viewHTMX
	case header(r, "Turbo-Frame") != "":
		return viewFrame
	case isUnpoly(r):
		return viewPage
	case header(r, "X-Requested-With") == "XMLHttpRequest":
		return viewNone
	case prefersHTML(header(r, "Accept")):
		return viewPage
	}
	return viewNone
}

// IsPage reports whether a person looks at the answer, whatever the method: for an
// app that answers people with a page and scripts with an error in JSON. It goes by
// Sec-Fetch-Dest and Sec-Fetch-Mode, by the headers with which htmx, Turbo and Unpoly
// say that they fetch a page or a part of one, and otherwise by whether Accept prefers
// HTML.
func IsPage(r *http.Request) bool { return viewOf(r) != viewNone }

// isNavigation reports whether the answer becomes a page in front of a person,
// who may come back to it at any time.
func isNavigation(r *http.Request) bool { return isRead(r) && viewOf(r) == viewPage }

// isRead reports whether the method asks for something and changes nothing.
func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

func isNavigate(r *http.Request) bool { return header(r, "Sec-Fetch-Mode") == "navigate" }

// isPassive reports whether a request is for one of the many parts that a page loads
// by itself: image, style, script, font, audio, video, track, worker, manifest. They
// never refresh a session, and keep the caching that the app gives them. What a
// service worker passes on says "empty" and keeps the mode, which for most of them
// is no-cors.
func isPassive(r *http.Request) bool {
	switch header(r, "Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame", "fencedframe", "websocket", "webtransport":
		return false
	case "empty":
		return r.Method == http.MethodGet && header(r, "Sec-Fetch-Mode") == "no-cors" && !isPrefetch(r)
	}
	return !isNavigate(r)
}

// isPrefetch reports whether a browser asks for something ahead of time: a prefetch,
// or a prerender ("prefetch;prerender"). What a library fetches ahead, by a script,
// is a request like any other.
func isPrefetch(r *http.Request) bool {
	return strings.HasPrefix(header(r, "Sec-Purpose"), "prefetch") ||
		header(r, "Purpose") == "prefetch" || header(r, "X-Moz") == "prefetch"
}

// isBoosted reports whether htmx made the request in the place of a page
// navigation: for a boosted link or form, or for a page that the person goes back
// to, of which htmx 1 and 2 heed no HX-Redirect.
func isBoosted(r *http.Request) bool {
	return header(r, "Hx-Boosted") == "true" || header(r, "Hx-History-Restore-Request") == "true"
}

// isUnpoly reports whether Unpoly made the request, which it says in every one.
func isUnpoly(r *http.Request) bool { return header(r, "X-Up-Version") != "" }

// prefersHTML reports whether an Accept header names HTML, and JSON not before it
// (RFC 9110, section 12.5.1). "*/*" names neither.
func prefersHTML(accept string) bool {
	if !strings.Contains(accept, "html") { // as with most scripts
		return false
	}
	var html, json float64
	for part := range strings.SplitSeq(accept, ",") {
		media, params, _ := strings.Cut(part, ";")
		switch media = strings.TrimSpace(media); {
		case media == "text/html", media == "application/xhtml+xml":
			html = max(html, quality(params))
		case strings.HasSuffix(media, "json"):
			if q := quality(params); html == 0 || q > html { // the first of two equals wins
				json = max(json, q)
			}
		}
	}
	return html > json || html > 0 && json == 0
}

// quality returns the weight among the parameters of a media range, 1 by default.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
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
	if isRead(r) {
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
