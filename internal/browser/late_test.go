package browser_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// delayed holds the next answer of the refresh route until release is called. The server handles
// the request at once.
func delayed(t *testing.T, s *site) (arrived <-chan bool, release func()) {
	t.Helper()
	at, gate := make(chan bool, 1), make(chan bool)
	held := func(w http.ResponseWriter, r *http.Request, route http.Handler) {
		s.refresh.Store(nil)
		answer := httptest.NewRecorder()
		route.ServeHTTP(answer, r)
		at <- true
		<-gate
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = answer.Body.WriteTo(w)
	}
	s.refresh.Store(&held)
	return at, func() { close(gate) }
}

// patient is a script that lets the requests of the module take a minute longer than usual, so that
// a test on a slow machine can hold their answers.
const patient = `{
	const { timeout } = AbortSignal;
	AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms + 60_000);
}`

// The answer to a refresh of the old session arrives after the answer to a new sign-in and replaces
// its cookies. An open page of the new session sets them again. The tab of the late answer may
// belong to the same user, belong to another user and be stale, or get no messages of other tabs.
func testLateAnswer(t *testing.T, b *chrometest.Browser) {
	for name, c := range map[string]struct {
		user     string // who signs in again
		isolated bool   // the tab of the late answer neither sends nor receives messages
	}{
		"the same user":                  {"u1", false},
		"the same user, an isolated tab": {"u1", true},
		"another user":                   {"u2", false},
		"another user, an isolated tab":  {"u2", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, time.Minute)
			person := b.Person(t)
			scripts := []string{patient}
			if c.isolated {
				scripts = append(scripts, without)
			}
			tab := signIn(t, s, person, "u1", scripts...)
			order(t, s, tab) // this page is not replaced, so its requests continue
			tab.Until(anotherSecond)
			arrived, release := delayed(t, s)
			tab.Eval("void (window.over = false, code(lucia.refreshTokens()).then(() => (over = true)))", nil)
			<-arrived
			mine := signIn(t, s, person, c.user)
			mine.Eval("void (window.kept = true, window.begun = session.access_token)", nil)
			if !c.isolated {
				tab.Until("session?.access_token !== undefined || document.documentElement.inert")
			}
			release()
			tab.Until("over")
			if c.isolated {
				mine.Eval("void window.dispatchEvent(new Event('focus'))", nil)
			}
			mine.Until("kept && session?.user.user_id === '" + c.user + "' && session.access_token !== begun")
			visit := person.Tab(t)
			visit.Open(s.URL)
			visit.Until("window.ready && session")
			if got := visit.Text(who); got != c.user {
				t.Errorf("the next page shows %s, want %s", got, c.user)
			}
			if n := s.orders.Load(); n != 1 {
				t.Errorf("%d orders", n)
			}
		})
	}
}
