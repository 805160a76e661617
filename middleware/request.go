package middleware

import (
	"net/http"
	"strconv"
	"strings"
)

// This file classifies requests. Browsers describe a request in fetch metadata (W3C Fetch Metadata
// Request Headers), libraries that fetch pages in headers of their own, and other clients in Accept
// or not at all.

// view is how the response to a request is shown.
type view uint8

const (
	viewNone  view = iota // a script or a program reads it
	viewPage              // as a page: by the browser itself, or by a library in its place
	viewHTMX              // as a part of a page that htmx puts there
	viewFrame             // as the content of a Turbo frame
)

// varyHeaders are the headers that viewOf and isPrefetch depend on, for Vary.
var varyHeaders = [...]string{
	"Accept", "HX-Request", "HX-Boosted", "HX-History-Restore-Request", "Turbo-Frame", "X-Up-Version",
	"X-Requested-With", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Purpose",
}

// viewOf determines how the response is shown. It uses the browser's Sec-Fetch-Dest first. A
// script's request (Sec-Fetch-Dest: empty) is judged by its mode, because a service worker that
// passes on a navigation changes the destination to "empty" and keeps the mode. Next are the
// headers of htmx, Turbo and Unpoly, and last Accept, the only header that Turbo sends for a
// page. jQuery requests HTML in order to insert it somewhere, so a request that calls itself an
// XMLHttpRequest is a script's.
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

// IsPage reports whether the response is shown to a person, whatever the method. It is for apps
// that send a page to people and an error in JSON to scripts. It uses Sec-Fetch-Dest and
// Sec-Fetch-Mode, the headers with which htmx, Turbo and Unpoly request a page or a part of one,
// and otherwise whether Accept prefers HTML.
func IsPage(r *http.Request) bool { return viewOf(r) != viewNone }

// isNavigation reports whether the response becomes a page that a person may return to at any
// time.
func isNavigation(r *http.Request) bool { return isRead(r) && viewOf(r) == viewPage }

// isRead reports whether the method only reads.
func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

func isNavigate(r *http.Request) bool { return header(r, "Sec-Fetch-Mode") == "navigate" }

// isPassive reports whether a request is for one of the parts that a page loads by itself: image,
// style, script, font, audio, video, track, worker, manifest. Such requests never refresh a
// session, and the app's caching of their responses is unchanged. A request that a service worker
// passes on has the destination "empty" and keeps its mode, which is no-cors for most of these
// parts.
func isPassive(r *http.Request) bool {
	switch header(r, "Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame", "fencedframe", "websocket", "webtransport":
		return false
	case "empty":
		return r.Method == http.MethodGet && header(r, "Sec-Fetch-Mode") == "no-cors" && !isPrefetch(r)
	}
	return !isNavigate(r)
}

// isPrefetch reports whether a browser loads something ahead of time: a prefetch or a prerender
// ("prefetch;prerender"). A library's script that fetches ahead sends an ordinary request.
func isPrefetch(r *http.Request) bool {
	return strings.HasPrefix(header(r, "Sec-Purpose"), "prefetch") ||
		header(r, "Purpose") == "prefetch" || header(r, "X-Moz") == "prefetch"
}

// isBoosted reports whether htmx sends the request instead of a page navigation: for a boosted
// link or form, or for a page that the person goes back to, for which htmx 1 and 2 ignore
// HX-Redirect.
func isBoosted(r *http.Request) bool {
	return header(r, "Hx-Boosted") == "true" || header(r, "Hx-History-Restore-Request") == "true"
}

// isUnpoly reports whether Unpoly sent the request. Unpoly sets this header in every request.
func isUnpoly(r *http.Request) bool { return header(r, "X-Up-Version") != "" }

// prefersHTML reports whether an Accept header names HTML and does not prefer JSON (RFC 9110,
// section 12.5.1), in any case. "*/*" names neither.
func prefersHTML(accept string) bool {
	accept = strings.ToLower(accept)
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
			if q := quality(params); html == 0 || q > html { // the first of two equal weights wins
				json = max(json, q)
			}
		}
	}
	return html > json || html > 0 && json == 0
}

// quality returns the weight in the parameters of a media range, in lower case. It is 1 if there is
// none, and 0 if it is not a number from 0 to 1.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(0 <= q && q <= 1) { // or not a number
				return 0
			}
			return q
		}
	}
	return 1
}

// isUpgrade reports whether a request asks for a WebSocket (RFC 6455, section 4.1). Such a
// request is a GET but not safe.
func isUpgrade(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 && strings.EqualFold(header(r, "Upgrade"), "websocket")
}

// bearer returns the bearer token of a request (RFC 6750, section 2.1), and whether one is
// presented. If there are several Authorization headers, it returns an empty token that is
// presented.
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

// header returns the first value of a header whose name is in canonical form.
func header(r *http.Request, name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// crossOrigin reports whether a request that could change something comes from another origin. A
// request without any origin headers does not come from a browser.
func (a *Auth[U]) crossOrigin(r *http.Request) bool {
	if isRead(r) {
		if !isUpgrade(r) {
			return false
		}
		return a.foreign(r)
	}
	return a.origins.Check(r) != nil
}

// foreign checks the origin of a request as if its method were unsafe.
func (a *Auth[U]) foreign(r *http.Request) bool {
	unsafe := *r
	unsafe.Method = http.MethodPost
	return a.origins.Check(&unsafe) != nil
}
