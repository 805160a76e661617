package demo

import (
	"net/http"
	"strings"
)

// Outer wraps a whole app in what does not depend on the framework: security headers and a limit
// for bodies.
func (s *Site) Outer(app http.Handler) http.Handler {
	inner := http.MaxBytesHandler(app, maxBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if !strings.HasPrefix(r.URL.Path, StaticPath) {
			s.calls.requests.Add(1)
		}
		inner.ServeHTTP(w, asPage(r))
	})
}

// policy lets pages load only what this site serves. It forbids inline scripts and styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
}

// asPage marks a request without an Accept header, such as curl's, as a request for a page.
// Without a session it is then redirected to the login page, instead of being answered in JSON.
func asPage(r *http.Request) *http.Request {
	accept := r.Header.Get("Accept")
	says := accept != "" && accept != "*/*" || r.Header.Get("Sec-Fetch-Dest") != "" || r.Header.Get("HX-Request") != ""
	if says || strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, StaticPath) {
		return r
	}
	r.Header.Set("Accept", "text/html")
	return r
}
