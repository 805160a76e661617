package luciatest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/luciatest"
)

// Whether a browser keeps a cookie depends on the origin that sets it.
func TestBrowserKeepsCookiesAsBrowsersDo(t *testing.T) {
	t.Parallel()
	const https, plain, local = "https://app.example.com", "http://app.example.com", "http://localhost:8080"
	for _, c := range []struct {
		name, origin string
		lines        []string
		want         string // of the Cookie header to the same origin
	}{
		{"host only", https, []string{"a=1; Path=/"}, "a=1"},
		{"__Host-", https, []string{"__Host-a=1; Path=/; Secure"}, "__Host-a=1"},
		{"__Host- without Secure", https, []string{"__Host-a=1; Path=/"}, ""},
		{"__Host- with Domain", https, []string{"__Host-a=1; Path=/; Secure; Domain=app.example.com"}, ""},
		{"__Host- without Path", https, []string{"__Host-a=1; Secure"}, ""},
		{"__Host- below another Path", https, []string{"__Host-a=1; Path=/page; Secure"}, ""},
		{"__host- in lower case", https, []string{"__host-a=1; Path=/"}, ""},
		{"__Secure-", https, []string{"__Secure-a=1; Path=/; Secure; Domain=example.com"}, "__Secure-a=1"},
		{"__Secure- without Secure", https, []string{"__Secure-a=1; Path=/"}, ""},
		{"Secure over http", plain, []string{"a=1; Path=/; Secure"}, ""},
		{"over http", plain, []string{"a=1; Path=/"}, "a=1"},
		{"Secure over http on this machine", local, []string{"__Host-a=1; Path=/; Secure"}, "__Host-a=1"},
		{"host only beside the domain", https, []string{"a=1; Path=/", "a=2; Path=/; Domain=app.example.com"}, "a=1; a=2"},
		{"domain replaced by domain", https, []string{"a=1; Path=/; Domain=example.com", "a=2; Path=/; Domain=example.com"}, "a=2"},
		{"host only cleared beside the domain", https, []string{"a=1; Path=/", "a=2; Path=/; Domain=app.example.com", "a=; Path=/; Max-Age=0"}, "a=2"},
		{"another site's domain", https, []string{"a=1; Path=/; Domain=example.org"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got string
			app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/set" {
					w.Header()["Set-Cookie"] = c.lines
					return
				}
				got = strings.Join(r.Header["Cookie"], "; ")
			})
			browser := luciatest.NewBrowserAt(t, c.origin, luciatest.Transport(app))
			browser.Open("/set").Get("/page")
			if got != c.want {
				t.Errorf("the browser sends %q, want %q", got, c.want)
			}
		})
	}
}
