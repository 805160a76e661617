package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

// stranger is a server of another origin that notes what it is sent.
func stranger(t *testing.T) (url string, got func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.URL.Path+" "+r.PostFormValue("_lucia")+r.Header.Get("Authorization"))
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<link rel="icon" href="data:,">{}`)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// A token goes where the form really goes.
func testTokensGoHomeOnly(t *testing.T, b *chrometest.Browser) {
	elsewhere, got := stranger(t)
	for name, c := range map[string]struct {
		markup, send string
		home         bool
	}{
		"as printed": {"", "document.querySelector('#mine button').click()", true},
		"a base elsewhere": {
			`<base href="` + elsewhere + `/">`,
			"document.querySelector('#mine button').click()", false,
		},
		"a base elsewhere, by form.submit": {
			`<base href="` + elsewhere + `/">`,
			"document.querySelector('#mine').submit()", false,
		},
		"a button that leads elsewhere": {
			`<button form="mine" formaction="` + elsewhere + `/button">`,
			"document.querySelector('[formaction]').click()", false,
		},
		"an action that a script has changed": {
			"",
			"(document.querySelector('#mine').setAttribute('action', '" + elsewhere + "/changed'), document.querySelector('#mine').submit())", false,
		},
		"a button that leads home from a form that leads elsewhere": {
			`<form method="post" action="` + elsewhere + `/" id="theirs"><input type="hidden" name="_lucia"><button formaction="/form"></form>`,
			"document.querySelector('#theirs button').click()", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, time.Minute)
			tab := signIn(t, s, b.Person(t), "u1")
			tab.Open(s.URL + "/hostile?markup=" + url.QueryEscape(c.markup))
			tab.Until("window.ready && session")
			tab.Eval("void (window.kept = true)", nil)
			tab.Until(anotherSecond)
			tab.Eval("lucia.refreshTokens()", nil) // fields are filled anew
			before := len(got())
			tab.Eval("void "+c.send, nil)
			tab.Until("!window.kept && document.readyState === 'complete'")
			if text := tab.Text("document.body.innerText"); (text == "form of u1") != c.home {
				t.Errorf("the answer is %q", text)
			}
			for _, sent := range got()[before:] {
				if len(sent) > len("/changed ") {
					t.Errorf("another origin got %q", sent)
				}
			}
		})
	}
}

// Elements that hide members of the document or of forms stop nothing, and forms
// that are broken stop no other.
func testClobbering(t *testing.T, b *chrometest.Browser) {
	const markup = `<form><input type="hidden" name="_lucia"><input name="getAttribute"><input name="action"></form>
		<img name="querySelectorAll"><img name="querySelector"><img name="dispatchEvent"><img name="documentElement">
		<img name="baseURI"><img name="prerendering"><form action="http://["><input type="hidden" name="_lucia"></form>
		<a id="localStorage"></a><a id="state"></a><a id="session"></a>`
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1")
	tab.Open(s.URL + "/hostile?markup=" + url.QueryEscape(markup))
	tab.Until("window.ready && session.user.user_id === 'u1'")
	tab.Until(anotherSecond)
	tab.Eval("void (window.old = session.access_token)", nil)
	tab.Eval("lucia.refreshTokens()", nil)
	const mine = "document.getElementById('mine')._lucia.value"
	tab.Until("session.access_token !== old && " + mine + " === session.access_token && refreshes.length > 1")
	other := another(t, s, person)
	other.Eval("lucia.signOut()", nil)
	tab.Until("session === null && " + mine + " === ''")
}

// Markup that comes first is not believed, and no answer of another origin counts.
func testInjectedPageData(t *testing.T, b *chrometest.Browser) {
	elsewhere, got := stranger(t)
	for name, markup := range map[string]string{
		"a second block":                     `<script type="application/json" id="lucia-page-data">{"_lucia":null}</script>`,
		"a second block of another user":     `<script type="application/json" id="lucia-page-data" data-session="x">{"_lucia":{"user":{"user_id":"evil"},"access_token":"a","refresh_token":"b"}}</script>`,
		"a second block with a base":         `<script type="application/json" id="lucia-page-data" data-base="` + elsewhere + `/api">{"_lucia":null}</script>`,
		"an element that is no script":       `<div id="lucia-page-data" data-base="` + elsewhere + `/api" data-session="x">{}</div>`,
		"a second block that is no JSON":     `<script type="application/json" id="lucia-page-data">{`,
		"a second block with a base of none": `<script type="application/json" id="lucia-page-data" data-base="javascript:">{}</script>`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, time.Minute)
			tab := signIn(t, s, b.Person(t), "u1")
			if name == "a second block that is no JSON" {
				markup += "</script>"
			}
			tab.Open(s.URL + "/hostile?elsewhere=" + elsewhere + "&markup=" + url.QueryEscape(markup))
			tab.Until("window.ready && session?.user.user_id === 'u1'")
			tab.Eval("lucia.signOut()", nil)
			tab.Open(s.URL + "/")
			tab.Until("window.ready")
			if who := tab.Text("document.querySelector('#who').innerText"); who != "nobody" {
				t.Errorf("after signOut %s is signed in", who)
			}
		})
	}
	if seen := got(); len(seen) > 0 {
		t.Errorf("another origin got %q", seen)
	}
}

// A base of another origin is refused where it stands alone, too.
func testForeignBase(t *testing.T, b *chrometest.Browser) {
	elsewhere, got := stranger(t)
	s := newSite(t, time.Minute)
	// As injected markup that is the only page data of a static page.
	tab := signIn(t, s, b.Person(t), "u1", `new MutationObserver((_, observer) => {
		const block = document.querySelector("script#lucia-page-data");
		if (!block) return;
		block.dataset.base = "`+elsewhere+`/api";
		observer.disconnect();
	}).observe(document, { subtree: true, childList: true })`)
	tab.Open(s.URL + "/hostile?elsewhere=" + elsewhere)
	tab.Until("window.ready && session.user.user_id === 'u1'")
	tab.Eval("lucia.signOut()", nil)
	if seen := got(); len(seen) > 0 {
		t.Errorf("another origin got %q", seen)
	}
	tab.Open(s.URL + "/")
	tab.Until("window.ready")
	if who := tab.Text("document.querySelector('#who').innerText"); who != "nobody" {
		t.Errorf("after signOut %s is signed in", who)
	}
}
