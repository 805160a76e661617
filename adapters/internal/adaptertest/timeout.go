package adaptertest

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// testTimeoutHandler puts http.TimeoutHandler around the app, where it passes on the cookies of a
// refresh, and around a handler inside, where it drops them if the handler sets a cookie of its
// own. That is logged.
func testTimeoutHandler(t *testing.T, h Harness) {
	cookie := func(w http.ResponseWriter) { http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"}) }
	for _, test := range []struct {
		name    string
		handler func(c Call)
		around  bool
		lost    bool
	}{
		{"around", func(c Call) { cookie(c.W) }, true, false},
		{"none", func(c Call) { cookie(c.W) }, false, false},
		{"inside, no cookie", func(c Call) {
			http.TimeoutHandler(http.NotFoundHandler(), time.Second, "").ServeHTTP(c.W, c.R)
		}, false, false},
		{"inside, a cookie", func(c Call) {
			inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { cookie(w) })
			http.TimeoutHandler(inner, time.Second, "").ServeHTTP(c.W, c.R)
		}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := new(bytes.Buffer)
				w := buildWorld(t, h, App{Routes: []Route{{Path: "/dark", Handler: test.handler}}}, func(c *middleware.Config[Profile]) {
					c.Logger = slog.New(slog.NewTextHandler(log, nil))
				})
				if test.around {
					w.handler = http.TimeoutHandler(w.handler, time.Second, "")
				}
				b := w.browser()
				expired(b)
				resp, _ := b.do("GET", "/dark", "", navigation...)
				want(t, "the cookies of the refresh are kept", hasSet(resp, "access_token") && hasSet(resp, "encrypt_refresh_token"), !test.lost)
				want(t, "the log names TimeoutHandler", strings.Contains(log.String(), "TimeoutHandler"), test.lost)
				_, body := b.do("GET", "/who", "", navigation...)
				want(t, "the next page", strings.HasPrefix(body, "u1 "), true)
				expired(w.browser())
				b.do("GET", "/dark", "", navigation...)
				want(t, "lines of the log", strings.Count(log.String(), "TimeoutHandler") <= 1, true)
			})
		})
	}
}

// hasSet reports whether a response sets a cookie of that name.
func hasSet(resp *http.Response, name string) bool {
	for _, c := range resp.Cookies() {
		if c.Name == name && c.MaxAge > 0 {
			return true
		}
	}
	return false
}
