package adaptertest

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/middleware"
)

// requestCase is a row of the table of all other requests: what the middleware has decided before
// the app's handler runs.
type requestCase struct {
	name   string
	state  state
	method string
	header headers
	token  func(*browser) string // bearer token; nil is none

	user    string
	outcome middleware.Outcome
	calls   int64
	cookies string
	caching string // before the handler runs
}

// The response's caching before the handler runs.
const (
	alone    = ""                  // left to the app
	unshared = "private, no-cache" // may be a page for all signed-out visitors
	unstored = "private, no-store" // belongs to one person
)

// testRequests runs each row twice: /who uses the session and /quiet does not, which makes no
// difference to the response's header.
func testRequests(t *testing.T, h Harness) {
	for _, table := range [][]requestCase{bearerCases, originCases, accessCases, passiveCases, refreshedCases, deadCases, tossedCases} {
		for _, c := range table {
			for _, path := range []string{"/who", "/quiet"} {
				t.Run(c.name+path, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { c.run(t, h, path) })
				})
			}
		}
	}
}

func (c requestCase) run(t *testing.T, h Harness, path string) {
	w := newWorld(t, h, func(c *middleware.Config[Profile]) {
		c.TrustedOrigins = []string{"https://partner.example"}
	})
	b := w.browser()
	c.state(b)
	r := b.request(c.method, path, "", c.header...)
	if c.token != nil {
		r.Header.Add("Authorization", "Bearer "+c.token(b))
	}
	before := w.store.calls.Load()
	resp, body := b.send(r)
	said := c.outcome.String()
	if path == "/who" && c.user != "" {
		said = c.user + " " + said
	}
	want(t, "status", resp.StatusCode, 200)
	want(t, "session", body, said)
	want(t, "store calls", w.store.calls.Load()-before, c.calls)
	want(t, "cookies", effect(resp), c.cookies)
	want(t, "Cache-Control", resp.Header.Get("Cache-Control"), c.caching)
	want(t, "Vary: Cookie", varies(resp.Header, "Cookie"), c.caching != alone)
}

var bearerCases = []requestCase{
	{"bearer", signedIn, "GET", script, theAccess, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"bearer from another origin", signedIn, "POST", elsewhere, theAccess, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"bearer in a navigation", signedIn, "GET", navigation, theAccess, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"bearer garbled, cookies good", signedIn, "GET", script, garbage, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"bearer a refresh token, cookies good", signedIn, "GET", script, theRefresh, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"bearer expired", expired, "GET", script, theAccess, "", middleware.OutcomeExpired, 0, kept, unstored},
	{"bearer without the fingerprint", noFingerprint, "GET", script, theAccess, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"bearer under an unknown key", otherKey, "GET", script, theAccess, "", middleware.OutcomeUnknownKey, 0, kept, unstored},
	{"bearer empty, cookies good", signedIn, "GET", script, none, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"two Authorization headers, cookies good", signedIn, "GET", script.and("Authorization", "Bearer x"), theAccess, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"another scheme, cookies good", signedIn, "GET", script.and("Authorization", "Basic dTpw"), nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
}

var originCases = []requestCase{
	{"POST from another origin", signedIn, "POST", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"DELETE from another origin", signedIn, "DELETE", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"POST from a neighbouring host", signedIn, "POST", headers{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.example.com"}, nil, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"POST from another origin, old browser", signedIn, "POST", headers{"Origin", "https://evil.example"}, nil, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"POST from another origin signed out", anonymous, "POST", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"expired POST from another origin", expired, "POST", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"POST from a trusted origin", signedIn, "POST", headers{"Sec-Fetch-Site", "cross-site", "Origin", "https://partner.example"}, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"POST from this origin", signedIn, "POST", script, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"POST from no browser", signedIn, "POST", nil, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"GET from another origin", signedIn, "GET", elsewhere, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"link from another origin", signedIn, "GET", navigation.and("Sec-Fetch-Site", "cross-site"), nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"WebSocket from another origin", signedIn, "GET", websocket.and(elsewhere...), nil, "", middleware.OutcomeCrossOrigin, 0, kept, unstored},
	{"WebSocket from this origin", signedIn, "GET", websocket.and("Sec-Fetch-Site", "same-origin"), nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"WebSocket whose access token has expired", expired, "GET", websocket.and("Sec-Fetch-Site", "same-origin"), nil, "u1", middleware.OutcomeCurrent, 1, kept, unstored},
}

var accessCases = []requestCase{
	{"page without cookies", anonymous, "GET", navigation, nil, "", middleware.OutcomeAnonymous, 0, kept, unshared},
	{"script without cookies", anonymous, "GET", script, nil, "", middleware.OutcomeAnonymous, 0, kept, unshared},
	{"page with a fingerprint only", onlyFingerprint, "GET", navigation, nil, "", middleware.OutcomeAnonymous, 0, kept, unshared},
	{"page", signedIn, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page in a frame", signedIn, "GET", headers{"Sec-Fetch-Dest", "iframe"}, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page, old browser", signedIn, "GET", headers{"Accept", "text/html,*/*"}, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page that a service worker passes on", forged, "GET", passedPage, nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"no browser, without cookies", anonymous, "GET", nil, nil, "", middleware.OutcomeAnonymous, 0, kept, unshared},
	{"POST without cookies", anonymous, "POST", script, nil, "", middleware.OutcomeAnonymous, 0, kept, unshared},
	{"boosted page", signedIn, "GET", htmx.and(boosted...), nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page from htmx's history", signedIn, "GET", htmx.and(restored...), nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page in a frame", signedIn, "GET", headers{"Sec-Fetch-Dest", "frame"}, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page during an outage", outage, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"script", signedIn, "GET", script, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"PUT", signedIn, "PUT", script, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page without the fingerprint", noFingerprint, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
}

var passiveCases = []requestCase{
	{"image that a service worker passes on", signedIn, "GET", passedOn, nil, "u1", middleware.OutcomeFresh, 0, kept, alone},
	{"expired image that a service worker passes on", expired, "GET", passedOn, nil, "", middleware.OutcomeDeferred, 0, kept, alone},
	{"beacon", expired, "POST", passedOn, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"embedded page", expired, "GET", headers{"Sec-Fetch-Dest", "object", "Sec-Fetch-Mode", "navigate"}, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"image without cookies", anonymous, "GET", image, nil, "", middleware.OutcomeAnonymous, 0, kept, alone},
	{"image", signedIn, "GET", image, nil, "u1", middleware.OutcomeFresh, 0, kept, alone},
	{"prefetch", signedIn, "GET", prefetch, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"expired image", expired, "GET", image, nil, "", middleware.OutcomeDeferred, 0, kept, alone},
	{"expired style", expired, "GET", headers{"Sec-Fetch-Dest", "style"}, nil, "", middleware.OutcomeDeferred, 0, kept, alone},
	{"expired script element", expired, "GET", headers{"Sec-Fetch-Dest", "script"}, nil, "", middleware.OutcomeDeferred, 0, kept, alone},
	{"expired worker", expired, "GET", headers{"Sec-Fetch-Dest", "worker"}, nil, "", middleware.OutcomeDeferred, 0, kept, alone},
	{"image without the access cookie", noAccess, "GET", image, nil, "", middleware.OutcomeDeferred, 0, kept, alone},
}

var refreshedCases = []requestCase{
	{"expired page", expired, "GET", navigation, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"expired script", expired, "GET", script, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"HEAD of an expired page", expired, "HEAD", navigation, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"expired POST", expired, "POST", script, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"expired, from no browser", expired, "GET", nil, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"page without the access cookie", noAccess, "GET", navigation, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"page of a token rotated just now", current, "GET", navigation, nil, "u1", middleware.OutcomeCurrent, 1, accessOnly, unstored},
	{"page after a lost answer", repeated, "GET", navigation, nil, "u1", middleware.OutcomeRepeated, 1, renewed, unstored},
}

var deadCases = []requestCase{
	{"forged page", forged, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"forged script", forged, "GET", script, nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"forged boosted page", forged, "GET", htmx.and(boosted...), nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"forged access page", forgedAccess, "GET", navigation, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, unstored},
	{"forged refresh page", forgedRefresh, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"forged refresh script", forgedRefresh, "GET", script, nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"refresh page with another fingerprint", otherFingerprint, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, kept, unstored},
	{"ended page", ended, "GET", navigation, nil, "", middleware.OutcomeExpired, 1, clearedTokens, unstored},
	{"ended script", ended, "GET", script, nil, "", middleware.OutcomeExpired, 1, kept, unstored},
	{"reused page", reused, "GET", navigation, nil, "", middleware.OutcomeReused, 1, clearedTokens, unstored},
	{"reused script", reused, "GET", script, nil, "", middleware.OutcomeReused, 1, kept, unstored},
	{"page under an unknown key", otherKey, "GET", navigation, nil, "", middleware.OutcomeUnknownKey, 0, kept, unstored},
	{"page while the store is down", storeDown, "GET", navigation, nil, "", middleware.OutcomeUnavailable, 1, kept, unstored},
	{"script while the store is down", storeDown, "GET", script, nil, "", middleware.OutcomeUnavailable, 1, kept, unstored},
	{"page while users are down", usersDown, "GET", navigation, nil, "", middleware.OutcomeUnavailable, 0, kept, unstored},
}

var tossedCases = []requestCase{
	{"page with two sessions", tossed, "GET", navigation, nil, "", middleware.OutcomeAmbiguous, 0, kept, unstored},
	{"page with two refresh tokens", tossedRefresh, "GET", navigation, nil, "", middleware.OutcomeAmbiguous, 0, kept, unstored},
	{"page with the good cookie as the fourth of its name", fourth, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
	{"page with the good cookie as the fifth of its name", fifth, "GET", navigation, nil, "", middleware.OutcomeAmbiguous, 0, kept, unstored},
	{"page with invalid cookies beside", littered, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, unstored},
}

// allMethods are the methods of the frameworks' "any" routes.
var allMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
