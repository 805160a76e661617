package adaptertest

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// testRecent checks RequireRecent, at /recent, and what follows it.
func testRecent(t *testing.T, h Harness) {
	t.Run("by itself", func(t *testing.T) { runRequire(t, h, recentCases, nil) })
	t.Run("with StepUpPath", func(t *testing.T) { runRequire(t, h, ownStepUpCases, ownStepUp) })
	t.Run("with Deny", func(t *testing.T) { runRequire(t, h, recentDenyCases, denying) })
	t.Run("there and back", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testStepUp(t, h) }) })
	t.Run("by the library's page", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testStepUpPage(t, h) }) })
}

// aged has signed in as long ago as RequireRecent allows, and outdated a second earlier.
func aged(b *browser)     { b.signIn("u1"); time.Sleep(RecentAge) }
func outdated(b *browser) { b.signIn("u1"); time.Sleep(RecentAge + time.Second) }

// confirm returns the headers of a response that leads to the library's step-up page.
func confirm(target string) headers { return to("/api/auth/step-up" + target) }

var (
	insufficient = headers{"WWW-Authenticate", `Bearer error="insufficient_user_authentication", error_description="A more recent sign-in is required", max_age="600"`}
	stepUpCode   = message("AUTH_STEP_UP_REQUIRED")
	confirmPart  = `<p role="alert"><strong>Confirm that it is you.</strong> You signed in a while ago.</p>`
)

// confirming returns the page that replaces a Turbo frame with the step-up page.
func confirming(url string) string {
	return reloading("Confirm that it is you", "You signed in a while ago.", url)
}

var recentCases = []requireCase{
	{"page, just signed in", signedIn, "GET", "/recent", navigation, 200, "u1 fresh", kept, nil},
	{"page at the age", aged, "GET", "/recent", navigation, 200, "u1 fresh", kept, nil},
	{"script at the age", aged, "POST", "/recent", script, 200, "u1 fresh", kept, nil},
	{"other pages", outdated, "GET", "/private", navigation, 200, "u1 fresh", kept, nil},

	{"page", outdated, "GET", "/recent", navigation, 303, "", kept, confirm("?next=%2Frecent")},
	{"page after a refresh", expired, "GET", "/recent", navigation, 303, "", renewed, confirm("?next=%2Frecent")},
	{"form that is submitted with GET", outdated, "GET", "/recent?to=u2&amount=5", navigation, 303, "", kept, confirm("?next=%2Frecent%3Fto%3Du2%26amount%3D5")},
	{"page that a service worker passes on", outdated, "GET", "/recent", passedPage, 303, "", kept, confirm("?next=%2Frecent")},
	{"form", outdated, "POST", "/recent", submission.and("Referer", "http://example.com/notes?a=1"), 303, "", kept, confirm("?next=%2Fnotes%3Fa%3D1&unsent=1")},
	{"form from nowhere", outdated, "POST", "/recent", submission, 303, "", kept, confirm("?unsent=1")},
	{"form from another site's page", outdated, "POST", "/recent", submission.and("Referer", "https://evil.example/notes"), 303, "", kept, confirm("?unsent=1")},
	{"form from a path that is a site", outdated, "POST", "/recent", submission.and("Referer", "http://example.com//evil.example/"), 303, "", kept, confirm("?unsent=1")},
	{"form on the login page", outdated, "POST", "/recent", submission.and("Referer", "http://example.com/login"), 303, "", kept, confirm("?unsent=1")},
	{"form on the step-up page", outdated, "POST", "/recent", submission.and("Referer", "http://example.com/api/auth/step-up?next=%2F"), 303, "", kept, confirm("?unsent=1")},
	{"form from another origin", outdated, "POST", "/recent", navigation.and(elsewhere...), 403, foreign, kept, headers{"Location", ""}},

	{"htmx", outdated, "GET", "/recent", from("http://example.com/notes"), 401, confirmPart, kept, htmxTo("/api/auth/step-up?next=%2Fnotes").and(insufficient...)},
	{"htmx DELETE", outdated, "DELETE", "/recent", from("http://example.com/notes"), 401, confirmPart, kept, htmxTo("/api/auth/step-up?next=%2Fnotes&unsent=1")},
	{"htmx boosted", outdated, "GET", "/recent", from("http://example.com/notes", boosted...), 303, "", kept, confirm("?next=%2Frecent")},
	{"Turbo visit", outdated, "GET", "/recent", turbo, 303, "", kept, confirm("?next=%2Frecent")},
	{"Turbo form", outdated, "POST", "/recent", turboForm.and("Referer", "http://example.com/notes"), 303, "", kept, confirm("?next=%2Fnotes&unsent=1")},
	{"Turbo frame", outdated, "GET", "/recent", turboFrame.and("Referer", "http://example.com/notes"), 401, confirming("/api/auth/step-up?next=%2Fnotes"), kept, insufficient},
	{"Unpoly", outdated, "GET", "/recent", unpoly, 303, "", kept, confirm("?next=%2Frecent")},

	{"script", outdated, "GET", "/recent", script, 401, stepUpCode, kept, insufficient.and(asJSON...)},
	{"script's POST", outdated, "POST", "/recent", script, 401, stepUpCode, kept, insufficient.and(asJSON...)},
	{"script after a refresh", expired, "GET", "/recent", script, 401, stepUpCode, renewed, insufficient},
	{"no browser", outdated, "GET", "/recent", nil, 401, stepUpCode, kept, insufficient.and(asJSON...)},
	{"image", outdated, "GET", "/recent", image, 401, stepUpCode, kept, insufficient},
	{"prefetch", outdated, "GET", "/recent", prefetch, 503, "", kept, retry.and("Location", "")},

	{"page signed out", anonymous, "GET", "/recent", navigation, 303, "", kept, to("/login?next=%2Frecent")},
	{"script signed out", anonymous, "GET", "/recent", script, 401, unauth, kept, missing},
	{"page while the store is down", storeDown, "GET", "/recent", navigation, 503, unavailable, kept, retry},
}

func ownStepUp(c *middleware.Config[Profile]) { c.StepUpPath = "/recent?why=age" }

// ownStepUpCases have the protected page itself as the step-up page. That is a mistake, but it must
// not cause a redirect loop.
var ownStepUpCases = []requireCase{
	{"page", outdated, "GET", "/recent", navigation, 401, head + `<title>Confirm that it is you</title><main><h1>Confirm that it is you</h1>` +
		`<p>You signed in a while ago.</p><p><a href="/">To the start page</a></p></main></html>`, kept, insufficient},
	{"htmx on another page", outdated, "GET", "/recent", from("http://example.com/notes"), 401, confirmPart, kept, htmxTo("/recent?why=age&next=%2Fnotes")},
}

var recentDenyCases = []requireCase{
	{"page", outdated, "GET", "/recent", navigation, 303, "", kept, confirm("?next=%2Frecent").and(bare...)},
	{"script", outdated, "GET", "/recent", script, 401, `{"message":"AUTH_STEP_UP_REQUIRED","path":"/recent"}`, kept, problem.and(insufficient...)},
}

// testStepUp leads a person from a protected page to the app's step-up page and back, with a new
// session of the same user.
func testStepUp(t *testing.T, h Harness) {
	w := newWorld(t, h, func(c *middleware.Config[Profile]) { c.StepUpPath = "/again" })
	b := w.browser()
	outdated(b)
	before := *b
	resp, _ := b.do("GET", "/recent?a=1", "", navigation...)
	want(t, "step-up page", resp.Header.Get("Location"), "/again?next=%2Frecent%3Fa%3D1")

	want(t, "StepUp from another origin", status(b.do("POST", "/again", "", navigation.and(elsewhere...)...)), 403)
	want(t, "StepUp without a session", status(w.browser().do("POST", "/again", "", script...)), 401)
	want(t, "still outdated", status(b.do("GET", "/recent", "", navigation...)), 303)

	resp, _ = b.do("POST", resp.Header.Get("Location"), "", navigation...)
	want(t, "back", resp.Header.Get("Location"), "/recent?a=1")
	want(t, "cookies set", len(resp.Cookies()), 3)
	_, body := b.do("GET", "/recent?a=1", "", navigation...)
	want(t, "the page", body, "u1 fresh")
	want(t, "fingerprint is new", b.fingerprint != before.fingerprint, true)
	_, body = before.do("GET", "/who", "", navigation...)
	want(t, "the old session", body, "expired")
	live, err := w.auth.Sessions(t.Context(), "u1")
	want(t, "sessions of the user", len(live), 1)
	want(t, "error", err, nil)
	time.Sleep(RecentAge + time.Second)
	want(t, "outdated again", status(b.do("GET", "/recent", "", navigation...)), 303)
}

// testStepUpPage does the same with the page of the library, which leads to the app's login page.
func testStepUpPage(t *testing.T, h Harness) {
	w := newWorld(t, h)
	b := w.browser()
	outdated(b)
	resp, page := b.do("GET", "/api/auth/step-up?next=%2Frecent%3Fa%3D1&unsent=1", "", navigation...)
	want(t, "status", resp.StatusCode, 200)
	want(t, "type", resp.Header.Get("Content-Type"), "text/html; charset=utf-8")
	want(t, "private", isPrivate(resp.Header), true)
	want(t, "the page says that the form was not saved", strings.Contains(page, "What you sent has not been saved."), true)
	want(t, "form", strings.Contains(page, `<form method="post" action="/api/auth/logout"><input type="hidden" name="redirect" value="/login?next=%2Frecent%3Fa%3D1"><button>`), true)
	resp, _ = b.do("POST", "/api/auth/logout", "redirect=%2Flogin%3Fnext%3D%252Frecent%253Fa%253D1", submission...)
	want(t, "signed out", effect(resp), cleared3)
	want(t, "login page", resp.Header.Get("Location"), "/login?next=%2Frecent%3Fa%3D1")

	for _, bad := range []string{"https://evil.example", "//evil.example", `"><script>`} {
		_, page := b.send(b.request("GET", "/api/auth/step-up?next="+strings.NewReplacer(`"`, "%22", ">", "%3E", "<", "%3C").Replace(bad), "", navigation...))
		want(t, "page for "+bad, strings.Contains(page, `name="redirect" value="/login">`), true)
		want(t, "form unsent", strings.Contains(page, "saved"), false)
	}
}

// status returns the status of a response.
func status(resp *http.Response, _ string) int { return resp.StatusCode }
