package browser_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// speculate serves a page whose speculation rules make the browser request another one ahead of
// time.
func (s *site) speculate(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Speculation-Rules", `"/rules?do=`+r.FormValue("do")+`"`)
	fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><a href="/?ahead">there</a>`)
}

func (s *site) rules(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/speculationrules+json")
	fmt.Fprintf(w, `{"%s":[{"source":"list","urls":["/?ahead"],"eagerness":"immediate"}]}`, r.FormValue("do"))
}

// noteAhead reports that a page was requested ahead of time and answered.
func (s *site) noteAhead(r *http.Request) {
	if r.URL.RawQuery == "ahead" && strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch") {
		select {
		case s.ahead <- true:
		default:
		}
	}
}

// testAhead makes a browser request a page ahead of time, by prefetch or prerender. The session
// then changes, and the person opens the page. They must see a page of their current session.
func testAhead(t *testing.T, b *chrometest.Browser) {
	for name, c := range map[string]struct {
		ttl    time.Duration
		happen func(t *testing.T, s *site, p *chrometest.Person)
		who    string
	}{
		"nothing": {time.Minute, func(*testing.T, *site, *chrometest.Person) {}, "u1"},
		// This case needs real time.
		"expiry":      {2 * time.Second, func(*testing.T, *site, *chrometest.Person) { time.Sleep(3 * time.Second) }, "u1"},
		"sign-out":    {time.Minute, func(t *testing.T, s *site, p *chrometest.Person) { another(t, s, p).Eval("lucia.signOut()", nil) }, "no session"},
		"user switch": {time.Minute, func(t *testing.T, s *site, p *chrometest.Person) { signIn(t, s, p, "u2") }, "u2"},
		"revoked": {time.Minute, func(t *testing.T, s *site, _ *chrometest.Person) {
			if err := s.auth.RevokeUser(t.Context(), "u1"); err != nil {
				t.Fatal(err)
			}
		}, "no session"},
	} {
		for _, how := range []string{"prefetch", "prerender"} {
			t.Run(how+", "+name, func(t *testing.T) {
				s := newSite(t, c.ttl)
				person := b.Person(t)
				tab := signIn(t, s, person, "u1")
				tab.Open(s.URL + "/speculate?do=" + how)
				select {
				case <-s.ahead:
				case <-time.After(time.Minute):
					t.Fatal("the browser did not request the page ahead of time")
				}
				before := s.lookups.Load() + s.refreshes.Load() // on a slow machine the first page may still send some
				c.happen(t, s, person)
				if n := s.lookups.Load() + s.refreshes.Load() - before; name == "expiry" && n > 0 {
					t.Errorf("%d requests of a page that is not shown yet", n)
				}
				tab.Click("a")
				tab.Until("location.search === '?ahead' && window.ready && (session?.user.user_id ?? 'no session') === '" + c.who + "' && " + who + " === '" + c.who + "' && " + visible)
				if c.who != "no session" {
					if me := tab.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != c.who {
						t.Errorf("the API answers %q", me)
					}
				}
			})
		}
	}
}
