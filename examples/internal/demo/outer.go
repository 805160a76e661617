package demo

import (
	"net/http"
	"strings"
)

// Outer puts around a whole app what has to do with no framework: headers for
// safety, a bound for bodies.
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

// policy lets pages load what this site serves, and nothing that stands in a page
// itself be run or be a style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
}

// asPage lets a request for a page that does not say what it accepts, as those of
// curl and of most programs, count as what it is: without a session it is sent to
// the login page like a person, not answered in JSON.
func asPage(r *http.Request) *http.Request {
	accept := r.Header.Get("Accept")
	says := accept != "" && accept != "*/*" || r.Header.Get("Sec-Fetch-Dest") != "" || r.Header.Get("HX-Request") != ""
	if says || strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, StaticPath) {
		return r
	}
	r.Header.Set("Accept", "text/html")
	return r
}
