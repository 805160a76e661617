//go:build !race

package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestRefreshAllocations counts the allocations of the refresh route with memstore. (Under the race
// detector pools drop values.) It is not parallel, because allocations are counted for the process.
func TestRefreshAllocations(t *testing.T) {
	const runs, most = 100, 88
	auth := benchAuth(t, nil)
	var requests []*http.Request // a session rotates again only after some time
	for i := range runs + 1 {    // AllocsPerRun makes one run more
		w := httptest.NewRecorder()
		s, err := auth.SignIn(w, httptest.NewRequest("POST", "/login", nil), fmt.Sprintf("user-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/api/auth/refresh", nil)
		r.Header.Set("Authorization", "Bearer "+string(s.RefreshToken))
		for _, c := range w.Result().Cookies() {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		requests = append(requests, r)
	}
	handler, w, next := auth.RoutesHandler(), newSink(), 0
	n := testing.AllocsPerRun(runs, func() {
		w.reset()
		handler.ServeHTTP(w, requests[next])
		next++
		if w.status != http.StatusOK || len(w.header["Set-Cookie"]) != 2 {
			t.Fatalf("not refreshed: status %d, %d cookies set", w.status, len(w.header["Set-Cookie"]))
		}
	})
	t.Logf("%v allocations", n)
	if n > most {
		t.Errorf("%v allocations, want at most %d", n, most)
	}
}
