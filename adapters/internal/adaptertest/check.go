package adaptertest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// checkHeader checks what is true of every response: it has no header that caches or browsers could
// read in two ways.
func checkHeader(t testing.TB, h http.Header) {
	t.Helper()
	for _, name := range []string{"Cache-Control", "Content-Type", "Location", "Allow", "Retry-After", "Www-Authenticate", "Etag"} {
		if n := len(h[name]); n > 1 {
			t.Errorf("%d lines of %s: %q", n, name, h[name])
		}
	}
	var vary, cookies []string
	for _, line := range h["Vary"] {
		for v := range strings.SplitSeq(line, ",") {
			vary = append(vary, strings.ToLower(strings.TrimSpace(v)))
		}
	}
	for _, line := range h["Set-Cookie"] {
		name, rest, _ := strings.Cut(line, "=") // a cookie is a name and a domain
		_, domain, _ := strings.Cut(rest, "; Domain=")
		domain, _, _ = strings.Cut(domain, ";")
		cookies = append(cookies, name+" of "+domain)
	}
	for what, list := range map[string][]string{"Vary": vary, "Set-Cookie": cookies} {
		slices.Sort(list)
		if len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("%s names something twice: %q", what, list)
		}
	}
}

// noApp is the harness of worlds that only issue tokens.
func noApp(App) http.Handler { return http.NotFoundHandler() }

// varies reports whether Vary names a header.
func varies(h http.Header, name string) bool {
	for _, line := range h["Vary"] {
		for v := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(v), name) {
				return true
			}
		}
	}
	return false
}

// trimLine cuts the line end that some frameworks put after JSON.
func trimLine(body string) string { return strings.TrimSuffix(body, "\n") }
