package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/luciatest"
)

// directives returns the directives that a cache finds in all lines of a header (RFC 9110,
// section 5.3).
func directives(h http.Header, name string) string {
	var all []string
	for key, lines := range h {
		if http.CanonicalHeaderKey(key) == name {
			all = append(all, lines...)
		}
	}
	return strings.Join(all, ", ")
}

// Whatever a handler does to the caching headers, no cache may store a response that sets cookies
// of this library.
func TestAnswersThatSetCookiesAreNeverCached(t *testing.T) {
	handlers := map[string]func(w http.ResponseWriter, r *http.Request){
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"public": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=600, must-understand")
			w.Header().Set("Cdn-Cache-Control", "public, max-age=600")
		},
		"deleted": func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("Cache-Control"); w.Header().Del("Vary") },
		"error":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) },
		"file": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			http.ServeContent(w, r, "x.html", time.Time{}, strings.NewReader("x"))
		},
	}
	for name, handler := range handlers {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, nil)
			b := newBrowser(t, a).signIn("u1")
			a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/in":
					a.auth.SignIn(w, r, "u1")
				case "/reload":
					a.auth.Reload(w, r)
				case "/out":
					a.auth.SignOut(w, r)
				}
				handler(w, r)
			}))
			check := func(what string, resp *http.Response) {
				t.Helper()
				if len(resp.Cookies()) == 0 {
					t.Errorf("%s, %s: no cookies", what, name)
				}
				for _, header := range []string{"Cache-Control", "Cdn-Cache-Control"} {
					if said := directives(resp.Header, header); !strings.Contains(said, "no-store") || !strings.Contains(said, "private") {
						t.Errorf("%s, %s: %s: %q", what, name, header, said)
					}
				}
			}
			time.Sleep(16 * time.Minute)
			check("refresh", b.do("GET", "/", nil, "Sec-Fetch-Dest", "document"))
			for _, path := range []string{"/reload", "/in"} {
				check(path, b.do("POST", path, nil))
			}
			r := b.request("POST", "https://example.com/out", nil)
			r.RequestURI = ""
			resp, err := luciatest.Transport(a.handler).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			check("/out", resp)
		})
	}
}

// Both spellings reach a client as one header.
func TestBothCacheLinesReachTheClient(t *testing.T) {
	a := newApp(t, nil)
	server := httptest.NewServer(a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.auth.SignIn(w, r, "u1")
		w.Header().Set("Cache-Control", "public, max-age=600")
	})))
	defer server.Close()
	resp, err := http.Post(server.URL, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want(t, "Cache-Control", strings.Join(resp.Header["Cache-Control"], ", "), "public, max-age=600, private, no-store")
}
