package browser_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// watching is a script that records which scripts of a page were loaded and which were refused, and
// the session of silent refresh.
const watching = `window.loaded = [];
window.refused = [];
for (const [event, list] of [["load", loaded], ["error", refused]]) {
	document.addEventListener(event, ({ target }) => {
		if (target.src) list.push(new URL(target.src).pathname);
	}, true);
}
document.addEventListener("lucia:session", ({ detail }) => (window.session = detail.session));`

func testIntegrity(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1", watching)
	both := []string{"/api/auth/auto.js", "/api/auth/client.js"}
	assertScripts := func(list string, want []string) {
		t.Helper()
		var got []string
		tab.Eval(list+".sort()", &got)
		if !slices.Equal(got, want) {
			t.Errorf("%s scripts are %v, want %v", list, got, want)
		}
	}

	tab.Open(s.URL + "/integrity")
	assertScripts("loaded", both)
	assertScripts("refused", []string{})
	if user := tab.Text("'' + window.session?.user.user_id"); user != "u1" {
		t.Errorf("silent refresh has the session of %s", user)
	}

	tab.Open(s.URL + "/integrity?tampered")
	assertScripts("loaded", []string{})
	assertScripts("refused", both)
	if got := tab.Text("typeof window.session"); got != "undefined" {
		t.Errorf("a refused script has run: %s", got)
	}
	if faults := tab.Faults(); len(faults) != len(both) || !strings.Contains(strings.Join(faults, ""), "integrity") {
		t.Errorf("the browser reports %q, want a refusal of each script", faults)
	}
}
