package browser_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/session"
)

// boosting does what a boosted link of htmx does: it fetches a page as the
// browser would open it, puts its body in the place of the present one and says
// so on the new body. A page that is kept is put there later, as htmx does with
// its snapshots for the back button.
const boosting = `{
	const fetched = (url) => new Promise((done) => {
		const request = new XMLHttpRequest();
		request.open("GET", url);
		request.responseType = "document";
		request.setRequestHeader("HX-Request", "true");
		request.setRequestHeader("HX-Boosted", "true");
		request.onload = () => done(request.response.body);
		request.send();
	});
	const place = (body) => {
		document.body.replaceWith(document.adoptNode(body));
		document.body.dispatchEvent(new Event("htmx:load", { bubbles: true }));
	};
	let snapshot;
	window.boost = async (url) => place(await fetched(url));
	window.keep = async () => void (snapshot = await fetched(location.href));
	window.back = () => place(snapshot);
}`

const who = "document.querySelector('#who').innerText"

// assertFollowed asserts that page, store and fields are of user, in the
// document that was there before.
func assertFollowed(t *testing.T, tab *chrometest.Tab, user string) {
	t.Helper()
	tab.Until("window.kept && (session?.user.user_id ?? 'nobody') === '" + user + "'")
	if got := tab.Text(who + " + errors.join()"); got != user {
		t.Errorf("the page has %s, want %s", got, user)
	}
	var ok bool
	if tab.Eval("[...document.querySelectorAll('[name=_lucia]')].every((f) => f.value === (session?.access_token ?? ''))", &ok); !ok {
		t.Error("the hidden fields do not follow")
	}
	if user != "nobody" {
		if me := tab.Text("lucia.luciaFetch('/api/me').then((r) => r.text())"); me != user {
			t.Errorf("the API answers %q", me)
		}
	}
}

func testBoostedPages(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, 3*time.Second)
	person := b.Person(t)
	tab := person.Tab(t, boosting)
	tab.Open(s.URL)
	tab.Until("window.ready")
	tab.Eval("void (window.kept = true)", nil)
	tab.Eval("boost('/login/u1')", nil)
	assertFollowed(t, tab, "u1")
	tab.Eval("void (window.begun = refreshes.length)", nil)
	tab.Until("refreshes.length > begun + 1") // silent refresh is at work
	assertFollowed(t, tab, "u1")

	other := another(t, s, person)
	other.Eval("void (window.stale = true)", nil)
	tab.Eval("boost('/login/u2')", nil)
	assertFollowed(t, tab, "u2")
	other.Until("window.ready && !window.stale && session.user.user_id === 'u2'")

	tab.Eval("fetch('/api/auth/logout', { method: 'POST', headers: { Authorization: 'Bearer ' + session.access_token } }).then(() => boost('/'))", nil)
	assertFollowed(t, tab, "nobody")
	other.Until("session === null && !errors.length")
	if n := s.store.count(session.Reused); n != 0 {
		t.Errorf("%d reused", n)
	}
}

// The page that the back button brings is of a session that is over.
func testBoostedBack(t *testing.T, b *chrometest.Browser) {
	s := newSite(t, time.Minute)
	tab := signIn(t, s, b.Person(t), "u1", boosting)
	tab.Eval("keep()", nil)
	tab.Eval("lucia.signOut().then(() => boost('/'))", nil)
	tab.Until("session === null && " + who + " === 'nobody'")
	tab.Eval("lucia.getSession().subscribe((s) => { if (s) sessionStorage.revived = true })", nil)
	tab.Eval("void (window.before = true)", nil)
	tab.Eval("void setTimeout(back)", nil)
	tab.Until("window.ready && !window.before && " + who + " === 'nobody' && session === null")
	if revived := tab.Text("'' + sessionStorage.revived"); revived != "undefined" {
		t.Error("an old page brought the session back")
	}
}
