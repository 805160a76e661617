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

// stranger starts a server of another origin that records its requests.
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

// A token goes only with forms that lead to this origin.
func testTokensStayInTheOrigin(t *testing.T, b *chrometest.Browser) {
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
		"a button to this origin in a form that leads elsewhere": {
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
			tab.Eval("lucia.refreshTokens()", nil) // fills the fields again
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

// Elements that hide members of the document or of forms have no effect. A broken form has no
// effect on the others.
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

// Injected page data have no effect, and the module sends no request to another origin.
func testInjectedPageData(t *testing.T, b *chrometest.Browser) {
	elsewhere, got := stranger(t)
	for name, markup := range map[string]string{
		"a second block":                            `<script type="application/json" id="lucia-page-data">{"_lucia":null}</script>`,
		"a second block of another user":            `<script type="application/json" id="lucia-page-data" data-session="x">{"_lucia":{"user":{"user_id":"evil"},"access_token":"a","refresh_token":"b"}}</script>`,
		"a second block with a base":                `<script type="application/json" id="lucia-page-data" data-base="` + elsewhere + `/api">{"_lucia":null}</script>`,
		"an element other than a script":            `<div id="lucia-page-data" data-base="` + elsewhere + `/api" data-session="x">{}</div>`,
		"a second block with invalid JSON":          `<script type="application/json" id="lucia-page-data">{`,
		"a second block with a base of javascript:": `<script type="application/json" id="lucia-page-data" data-base="javascript:">{}</script>`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, time.Minute)
			tab := signIn(t, s, b.Person(t), "u1")
			if name == "a second block with invalid JSON" {
				markup += "</script>"
			}
			tab.Open(s.URL + "/hostile?elsewhere=" + elsewhere + "&markup=" + url.QueryEscape(markup))
			tab.Until("window.ready && session?.user.user_id === 'u1'")
			tab.Eval("lucia.signOut()", nil)
			tab.Open(s.URL + "/")
			tab.Until("window.ready")
			if who := tab.Text("document.querySelector('#who').innerText"); who != "no session" {
				t.Errorf("after signOut the page shows %s", who)
			}
		})
	}
	if seen := got(); len(seen) > 0 {
		t.Errorf("another origin got %q", seen)
	}
}

// The module refuses a base of another origin even if there is only one page data element.
func testForeignBase(t *testing.T, b *chrometest.Browser) {
	elsewhere, got := stranger(t)
	s := newSite(t, time.Minute)
	// The injected markup is the only page data of a static page.
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
	if who := tab.Text("document.querySelector('#who').innerText"); who != "no session" {
		t.Errorf("after signOut the page shows %s", who)
	}
}
