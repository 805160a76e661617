package adaptertest

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// requireCase is a response of Require.
type requireCase struct {
	name   string
	state  state
	method string
	target string
	header headers

	status  int
	body    string
	cookies string
	answer  headers
}

func testRequire(t *testing.T, h Harness) {
	t.Run("by itself", func(t *testing.T) { runRequire(t, h, requireCases, nil) })
	t.Run("with Deny", func(t *testing.T) { runRequire(t, h, denyCases, denying) })
}

func runRequire(t *testing.T, h Harness, cases []requireCase, config change) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { c.run(t, h, config) })
		})
	}
}

func (c requireCase) run(t *testing.T, h Harness, config change) {
	b := newWorld(t, h, config).browser()
	c.state(b)
	resp, body := b.do(c.method, c.target, "", c.header...)
	want(t, "status", resp.StatusCode, c.status)
	want(t, "body", trimLine(body), c.body)
	want(t, "cookies", effect(resp), c.cookies)
	for i := 0; i < len(c.answer); i += 2 {
		want(t, c.answer[i], resp.Header.Get(c.answer[i]), c.answer[i+1])
	}
	want(t, "private", isPrivate(resp.Header), true)
	if c.status != 200 {
		want(t, "Vary: HX-Request", varies(resp.Header, "HX-Request"), true)
	}
}

// to returns the headers of a response that leads to the login page.
func to(target string) headers { return headers{"Location", target, "HX-Redirect", ""} }
func htmxTo(target string) headers {
	return headers{"HX-Redirect", target, "Location", "", "Content-Type", "text/html; charset=utf-8"}
}

// from returns the headers of an htmx request from a page.
func from(page string, more ...string) headers {
	return htmx.and("HX-Current-URL", page).and(more...)
}

var (
	boosted  = headers{"HX-Boosted", "true"}
	restored = headers{"HX-History-Restore-Request", "true"}
)

const (
	head = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
		`<meta name="color-scheme" content="light dark">`
	unavailableHead = head + `<title>Back in a moment</title><main>`
	unavailableText = `<h1>Back in a moment</h1><p>You are still signed in, but we cannot check it right now.</p>`
	unavailable     = unavailableHead + unavailableText + `<p><a href="">Try again</a></p></main></html>`
	unavailableForm = unavailableHead + unavailableText + `<p>Nothing was done. Go back and try again.</p></main></html>`
	unavailableIn   = unavailableHead + `<turbo-frame id="cart">` + unavailableText + `<p><a href="">Try again</a></p></turbo-frame></main></html>`
	unavailablePart = `<p role="alert"><strong>Back in a moment.</strong> You are still signed in, but we cannot check it right now.</p>`
	signInPart      = `<p role="alert"><strong>Sign in.</strong> You are not signed in.</p>`
	foreign         = head + `<title>Not from this site</title><main><h1>Not from this site</h1>` +
		`<p>The request came from another site, or from a page that is out of date.</p>` +
		`<p>Nothing was done. <a href="/">To the start page</a></p></main></html>`
)

// leaving returns the page that replaces a Turbo frame with another page.
func leaving(url string) string { return reloading("Sign in", "You are not signed in.", url) }

// reloading is a page that Turbo loads as a whole page, and that goes on to url.
func reloading(title, text, url string) string {
	return head + `<meta name="turbo-visit-control" content="reload"><meta http-equiv="refresh" content="0;url=` + url + `">` +
		`<title>` + title + `</title><main><h1>` + title + `</h1><p>` + text + `</p><p><a href="` + url + `">` + title + `</a></p></main></html>`
}

var requireCases = []requireCase{
	{"page with a session", signedIn, "GET", "/private", navigation, 200, "u1 fresh", kept, nil},
	{"page that needs a refresh", expired, "GET", "/private", navigation, 200, "u1 refreshed", renewed, nil},
	{"script with a session", signedIn, "GET", "/private", script, 200, "u1 fresh", kept, nil},
	{"POST with a session", signedIn, "POST", "/private", script, 200, "u1 fresh", kept, nil},

	{"page", anonymous, "GET", "/private?a=1&b=2", navigation, 303, "", kept, to("/login?next=%2Fprivate%3Fa%3D1%26b%3D2")},
	{"HEAD of a page", anonymous, "HEAD", "/private", navigation, 303, "", kept, to("/login?next=%2Fprivate")},
	{"page, old browser", anonymous, "GET", "/private", headers{"Accept", "text/html"}, 303, "", kept, to("/login?next=%2Fprivate")},
	{"page of an ended session", ended, "GET", "/private", navigation, 303, "", clearedTokens, to("/login?next=%2Fprivate")},
	{"page with forged cookies", forged, "GET", "/private", navigation, 303, "", kept, to("/login?next=%2Fprivate")},
	{"page that looks like a site", anonymous, "GET", "/private?x=//evil.example", navigation, 303, "", kept, to("/login?next=%2Fprivate%3Fx%3D%2F%2Fevil.example")},

	{"htmx", anonymous, "GET", "/private", from("http://example.com/notes?a=1"), 401, signInPart, kept, htmxTo("/login?next=%2Fnotes%3Fa%3D1")},
	{"htmx on a page whose Referer is cut", anonymous, "GET", "/private", from("http://example.com/notes?a=1", "Referer", "http://example.com/"), 401, signInPart, kept, htmxTo("/login?next=%2Fnotes%3Fa%3D1")},
	{"htmx that takes pages, old browser", anonymous, "GET", "/private", headers{"HX-Request", "true", "Accept", "text/html"}, 401, signInPart, kept, htmxTo("/login")},
	{"htmx DELETE", anonymous, "DELETE", "/private", from("http://example.com/notes"), 401, signInPart, kept, htmxTo("/login?next=%2Fnotes")},
	{"htmx from nowhere", anonymous, "GET", "/private", htmx, 401, signInPart, kept, htmxTo("/login")},
	{"htmx from another site", anonymous, "GET", "/private", from("https://evil.example/notes"), 401, signInPart, kept, htmxTo("/login")},
	{"htmx from a script address", anonymous, "GET", "/private", from("javascript:alert(1)"), 401, signInPart, kept, htmxTo("/login")},
	{"htmx from a path that is a site", anonymous, "GET", "/private", from("http://example.com//evil.example/"), 401, signInPart, kept, htmxTo("/login")},
	{"htmx boosted", anonymous, "GET", "/private", from("http://example.com/notes", "HX-Boosted", "true"), 303, "", kept, to("/login?next=%2Fprivate")},
	{"htmx boosted form", anonymous, "POST", "/private", from("http://example.com/notes", "HX-Boosted", "true"), 303, "", kept, to("/login?next=%2Fnotes")},

	{"htmx history", anonymous, "GET", "/private", from("http://example.com/", restored...), 303, "", kept, to("/login?next=%2Fprivate")},
	{"htmx on the login page", anonymous, "GET", "/private", from("http://example.com/login?next=%2Fnotes"), 401, signInPart, kept, headers{"HX-Redirect", ""}},
	{"boosted form on the login page", anonymous, "POST", "/private", from("http://example.com/login?a=1", boosted...), 303, "", kept, to("/login")},
	{"boosted, forged cookies", forged, "GET", "/private", from("http://example.com/", boosted...), 303, "", kept, to("/login?next=%2Fprivate")},

	{"page that a service worker passes on", anonymous, "GET", "/private", passedPage, 303, "", kept, to("/login?next=%2Fprivate")},
	{"form that a service worker passes on", anonymous, "POST", "/private", form.and(passedPage...), 303, "", kept, to("/login")},
	{"Turbo visit", anonymous, "GET", "/private", turbo, 303, "", kept, to("/login?next=%2Fprivate")},
	{"Turbo form", anonymous, "POST", "/private", turboForm.and("Referer", "http://example.com/notes"), 303, "", kept, to("/login?next=%2Fnotes")},
	{"Turbo frame", anonymous, "GET", "/private", turboFrame.and("Referer", "http://example.com/notes"), 401, leaving("/login?next=%2Fnotes"), kept, missing.and("Content-Type", "text/html; charset=utf-8")},
	{"form in a Turbo frame", anonymous, "POST", "/private", turboForm.and("Turbo-Frame", "cart"), 401, leaving("/login"), kept, missing},
	{"Turbo frame while the store is down", storeDown, "GET", "/private", turboFrame, 503, unavailableIn, kept, retry},
	{"Unpoly", anonymous, "GET", "/private", unpoly, 303, "", kept, to("/login?next=%2Fprivate")},
	{"Unpoly while the store is down", storeDown, "GET", "/private", unpoly, 503, unavailable, kept, retry.and("X-Up-Open-Layer", "{}")},
	{"form from another origin", signedIn, "POST", "/private", navigation.and(elsewhere...), 403, foreign, kept, headers{"Content-Type", "text/html; charset=utf-8"}},
	{"jQuery asks for a part", anonymous, "GET", "/private", script.and("Accept", "text/html, */*; q=0.01", "X-Requested-With", "XMLHttpRequest"), 401, unauth, kept, missing},
	{"script", anonymous, "GET", "/private", script, 401, unauth, kept, missing.and(asJSON...)},
	{"no browser", anonymous, "GET", "/private", nil, 401, unauth, kept, missing.and(asJSON...)},
	{"form that a script posts", anonymous, "POST", "/private", form, 401, unauth, kept, missing},
	{"form", anonymous, "POST", "/private", submission.and("Referer", "http://example.com/notes?a=1"), 303, "", kept, to("/login?next=%2Fnotes%3Fa%3D1")},
	{"form from nowhere", anonymous, "POST", "/private", submission, 303, "", kept, to("/login")},
	{"form from another site's page", anonymous, "POST", "/private", submission.and("Referer", "https://evil.example/notes"), 303, "", kept, to("/login")},
	{"form on the login page", anonymous, "POST", "/private", submission.and("Referer", "http://example.com/login?a=1"), 303, "", kept, to("/login")},
	{"form of an ended session", ended, "POST", "/private", submission, 303, "", kept, to("/login")},
	{"bad bearer, cookies good", signedIn, "GET", "/private", script.and("Authorization", "Bearer x"), 401, unauth, kept, invalid},
	{"POST from another origin", signedIn, "POST", "/private", elsewhere, 403, forbidden, kept, asJSON},
	{"prefetch from another origin with an unsafe method", signedIn, "POST", "/private", elsewhere.and("Sec-Purpose", "prefetch"), 403, forbidden, kept, asJSON},
	{"image that needs a refresh", expired, "GET", "/private", image, 401, unauth, kept, missing},

	{"page while the store is down", storeDown, "GET", "/private", navigation, 503, unavailable, kept, retry.and("Content-Type", "text/html; charset=utf-8")},
	{"boosted page while the store is down", storeDown, "GET", "/private", htmx.and(boosted...), 503, unavailable, kept, retry.and("Content-Type", "text/html; charset=utf-8")},
	{"script while the store is down", storeDown, "GET", "/private", script, 503, fetchFail, kept, retry.and(asJSON...)},
	{"form while the store is down", storeDown, "POST", "/private", submission, 503, unavailableForm, kept, retry.and("Content-Type", "text/html; charset=utf-8")},
	{"htmx while the store is down", storeDown, "GET", "/private", htmx, 503, unavailablePart, kept, retry.and("HX-Redirect", "")},
	{"POST while users are down", usersDown, "POST", "/private", script, 503, fetchFail, kept, retry},
	{"prefetch signed out", anonymous, "GET", "/private", prefetch, 503, "", kept, retry.and("Location", "")},
	{"prefetch that needs a refresh", expired, "GET", "/private", prefetch, 503, "", kept, retry.and("Location", "")},
}

// denying responds in the app's own words: to people during an outage, and to all requests that do
// not come from people.
func denying(c *middleware.Config[Profile]) {
	c.Deny = func(w http.ResponseWriter, r *http.Request, denial *middleware.Denial) error {
		switch {
		case !denial.Person:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(denial.Status)
			fmt.Fprintf(w, `{"message":%q,"path":%q}`, denial.Code, r.URL.Path)
		case denial.Code == session.CodeDatabaseFetchFailed:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(denial.Status)
			io.WriteString(w, "<h1>Our records are offline</h1>")
		default:
			return denial
		}
		return nil
	}
}

var (
	sleeping = retry.and("Content-Type", "text/html; charset=utf-8", "WWW-Authenticate", "")
	problem  = headers{"Content-Type", "application/problem+json"}
	bare     = headers{"WWW-Authenticate", "", "Retry-After", ""}
)

var denyCases = []requireCase{
	{"page with a session", signedIn, "GET", "/private", navigation, 200, "u1 fresh", kept, bare},
	{"page", anonymous, "GET", "/private", navigation, 303, "", kept, to("/login?next=%2Fprivate").and(bare...)},
	{"page while the store is down", storeDown, "GET", "/private", navigation, 503, "<h1>Our records are offline</h1>", kept, sleeping},
	{"form while the store is down", storeDown, "POST", "/private", submission, 503, "<h1>Our records are offline</h1>", kept, sleeping},
	{"script", anonymous, "GET", "/private", script, 401, `{"message":"AUTH_UNAUTHORIZED","path":"/private"}`, kept, problem.and(missing...)},
	{"bad bearer", signedIn, "GET", "/private", script.and("Authorization", "Bearer x"), 401, `{"message":"AUTH_UNAUTHORIZED","path":"/private"}`, kept, problem.and(invalid...)},
	{"htmx", anonymous, "GET", "/private", htmx, 401, signInPart, kept, htmxTo("/login").and(missing...)},
	{"script while the store is down", storeDown, "GET", "/private", script, 503, `{"message":"DATABASE_FETCH_FAILED","path":"/private"}`, kept, problem.and(retry...)},
	{"POST from another origin", signedIn, "POST", "/private", elsewhere, 403, `{"message":"AUTH_INVALID_REQUEST","path":"/private"}`, kept, problem.and(bare...)},
	{"prefetch signed out", anonymous, "GET", "/private", prefetch, 503, "", kept, retry},
	{"script's prefetch signed out", anonymous, "GET", "/private", script.and("Sec-Purpose", "prefetch"), 503, "", kept, retry},
}
