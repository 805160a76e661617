package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/middleware"
)

// detailed is a script that keeps the last detail of lucia:session.
const detailed = `document.addEventListener("lucia:session", ({ detail }) => (window.detail = detail))`

// The tabs of an inactive person warn when the idle end is near. Real input in one of them moves
// the end: it is reported at once, and the other tab learns of it.
func testActivity(t *testing.T, b *chrometest.Browser) {
	for name, act := range map[string]func(*chrometest.Tab){
		"pointer": func(tab *chrometest.Tab) { tab.Click("#who") },
		"key":     func(tab *chrometest.Tab) { tab.Type("#typed", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 15*time.Minute, func(c *middleware.Config[profile]) { c.IdleTimeout = 30 * time.Minute })
			person := b.Person(t)
			other := signIn(t, s, person, "u1", detailed, sleeping)
			tab := another(t, s, person, detailed, sleeping)
			tab.Eval("void document.body.append(Object.assign(document.createElement('input'), { id: 'typed' }))", nil)
			tab.Eval("sleep(29 * 60_000)", nil)
			for _, tab := range []*chrometest.Tab{other, tab} {
				tab.Until("woken && generations.size >= 2 && detail.idle_in <= 60")
			}
			act(tab)
			tab.Until("detail.idle_in > 60")
			other.Until("detail.idle_in > 60")
			if ago := s.active.Load(); ago != "0" && ago != "1" {
				t.Errorf("the activity was reported as %v s ago", ago)
			}
		})
	}
}

// A person is active while a refresh is on its way. The refresh does not report that, so another
// one follows it.
func testActivityDuringRefresh(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 15*time.Minute, func(c *middleware.Config[profile]) { c.IdleTimeout = 30 * time.Minute })
	person := b.Person(t)
	tab := signIn(t, s, person, "u1", detailed, sleeping, patient)
	arrived, release := delayed(t, s)
	tab.Eval("sleep(29 * 60_000)", nil)
	<-arrived
	again, finish := delayed(t, s)
	tab.Click("#who")
	release()
	select {
	case <-again:
		finish()
	case <-time.After(time.Minute):
		t.Fatal("no refresh reports the activity")
	}
	if ago := s.active.Load(); ago != "0" && ago != "1" {
		t.Errorf("the activity was reported as %v s ago", ago)
	}
}

// Without an idle timeout the module reports nothing, and the session has no idle end.
func testNoIdleEnd(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1", detailed)
	tab.Click("#who")
	tab.Until(anotherSecond)
	tab.Eval("lucia.refreshTokens()", nil)
	if ago := s.active.Load(); ago != "" {
		t.Errorf("an activity of %v s ago was reported", ago)
	}
	var never bool
	if tab.Eval("detail.idle_in === Infinity", &never); !never {
		t.Errorf("idle_in is %s", tab.Text("'' + detail.idle_in"))
	}
}
