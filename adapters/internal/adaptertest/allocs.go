package adaptertest

import (
	"net/http"
	"testing"

	"github.com/lucia-go/lucia/middleware"
)

// Allocs checks the allocations of the middleware beyond those of the bare handler in the same
// framework: one for a request, two more behind Require in frameworks whose own context keeps the
// session, and one more for the HTML of page data. bare builds the same app with middleware that
// does nothing.
func Allocs(t *testing.T, h, bare Harness) {
	if raceEnabled {
		t.Skip("under the race detector pools drop values")
	}
	app := App{Routes: []Route{
		{Path: "/read", Handler: func(c Call) { c.Session(); c.W.WriteHeader(http.StatusNoContent) }},
		{Path: "/required", Require: true, Handler: func(c Call) { c.W.WriteHeader(http.StatusNoContent) }},
		{Path: "/print", Handler: func(c Call) {
			if c.Session() != nil { // the bare handler prints nothing
				middleware.PageData.HTML(c.R.Context())
				middleware.FormField.HTML(c.R.Context())
			}
			c.W.WriteHeader(http.StatusNoContent)
		}},
		{Path: "/ignore", Handler: func(c Call) { c.W.WriteHeader(http.StatusNoContent) }},
	}}
	w, plain := buildWorld(t, h, app), buildWorld(t, bare, app)
	b, anonymous := w.browser().signIn("u1"), w.browser()
	for _, c := range []struct {
		name string
		r    *http.Request
		max  float64
	}{
		{"page", b.request("GET", "/read", "", navigation...), 1},
		{"page data and form field", b.request("GET", "/print", "", navigation...), 2},
		{"data", b.request("GET", "/read", "", script...), 1},
		{"page behind Require", b.request("GET", "/required", "", navigation...), 3},
		{"data that needs no session", b.request("GET", "/ignore", "", script...), 1},
		{"bearer", b.request("GET", "/read", "", script.and("Authorization", "Bearer "+string(b.bearer))...), 1},
		{"anonymous call of an API", anonymous.request("GET", "/read", "", "Accept", "application/json"), 1},
		{"anonymous image", anonymous.request("GET", "/ignore", "", image...), 1},
		{"anonymous POST", anonymous.request("POST", "/read", "", script...), 1},
	} {
		cost := measure(w.handler, c.r) - measure(plain.handler, c.r)
		t.Logf("%s: %v allocations over the bare handler", c.name, cost)
		if cost > c.max {
			t.Errorf("%s: %v allocations over the bare handler, want at most %v", c.name, cost, c.max)
		}
	}
}

// measure counts the allocations of one request, without those of the ResponseWriter.
func measure(h http.Handler, r *http.Request) float64 {
	w := &sink{header: make(http.Header, 8)}
	return testing.AllocsPerRun(200, func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	})
}

// sink is a ResponseWriter that allocates nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
