package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// noting is a script with subscribers that record the user under a name.
const noting = `window.heard = [];
window.note = (name) => (session) => heard.push(name + " " + (session?.user.user_id ?? "no session"));`

// testStore tests the store contract. The page's own subscriber exists from the start.
func testStore(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Hour)
	tab := signIn(t, s, b.Person(t), "u1", noting)
	changes := 1 // the value at the start
	for _, c := range []struct {
		name, do, heard string
		changed         bool
	}{
		{"subscribing runs at once", "window.store = lucia.getSession(); window.one = store.subscribe(note('one'))", "one u1", false},
		{"the store of another call", "window.two = lucia.getSession().subscribe(note('two'))", "two u1", false},
		{"an equal value is no change", "store.set({ ...session })", "", false},
		{"set", "store.set({ ...session, user: { user_id: 'u2' } })", "one u2,two u2", true},
		{"set through the other", "lucia.getSession().set({ ...session, user: { user_id: 'u3' } })", "one u3,two u3", true},
		{"update", "store.update((s) => ({ ...s, user: { user_id: s.user.user_id + '!' } }))", "one u3!,two u3!", true},
		{"an update that changes nothing", "store.update((s) => s)", "", false},
		{"a refresh", "await lucia.refreshTokens()", "one u1,two u1", true},
		{"unsubscribing ends one", "one(); store.set({ ...session, user: { user_id: 'u4' } })", "two u4", true},
		{"unsubscribing twice", "one(); store.update((s) => ({ ...s, user: { user_id: 'u5' } }))", "two u5", true},
		{"signed out", "lucia.getSession().set(null)", "two no session", true},
		{"signed out again", "store.set(null)", "", false},
		{"no subscriber is left", "two(); store.set({ user: { user_id: 'u6' } })", "", true},
		{"subscribing again", "store.subscribe(note('one'))", "one u6", false},
	} {
		tab.Eval("(async () => { "+c.do+" })()", nil)
		if heard := tab.Text("heard.splice(0).join()"); heard != c.heard {
			t.Errorf("%s: subscribers heard %q, want %q", c.name, heard, c.heard)
		}
		if c.changed {
			changes++
		}
		var n int
		if tab.Eval("window.changes", &n); n != changes {
			t.Errorf("%s: the page's subscriber was called %d times, want %d", c.name, n, changes)
		}
	}
}
