package adaptertest

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/middleware"
)

// requestCase is a row of the table of every other request: what the middleware
// has decided before the app's handler runs.
type requestCase struct {
	name   string
	state  state
	method string
	header headers
	token  func(*browser) string // bearer; nil is none

	user    string
	outcome middleware.Outcome
	calls   int64
	cookies string
	private bool // marked private before the handler runs
}

// testRequests runs each row twice: /who asks for the session, /quiet does not,
// so that it shows which headers were written up front.
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
	if path == "/quiet" {
		want(t, "private up front", isPrivate(resp.Header), c.private)
	} else if c.user != "" {
		want(t, "private after Session", isPrivate(resp.Header), true)
	}
}

var bearerCases = []requestCase{
	{"bearer", signedIn, "GET", script, theAccess, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"bearer from another origin", signedIn, "POST", elsewhere, theAccess, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"bearer in a navigation", signedIn, "GET", navigation, theAccess, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"bearer garbled, cookies good", signedIn, "GET", script, garbage, "", middleware.OutcomeInvalid, 0, kept, false},
	{"bearer a refresh token, cookies good", signedIn, "GET", script, theRefresh, "", middleware.OutcomeInvalid, 0, kept, false},
	{"bearer expired", expired, "GET", script, theAccess, "", middleware.OutcomeExpired, 0, kept, false},
	{"bearer without the fingerprint", noFingerprint, "GET", script, theAccess, "", middleware.OutcomeInvalid, 0, kept, false},
	{"bearer under an unknown key", otherKey, "GET", script, theAccess, "", middleware.OutcomeUnknownKey, 0, kept, false},
	{"bearer empty, cookies good", signedIn, "GET", script, none, "", middleware.OutcomeInvalid, 0, kept, false},
	{"two Authorization headers, cookies good", signedIn, "GET", script.and("Authorization", "Bearer x"), theAccess, "", middleware.OutcomeInvalid, 0, kept, false},
	{"another scheme, cookies good", signedIn, "GET", script.and("Authorization", "Basic dTpw"), nil, "u1", middleware.OutcomeFresh, 0, kept, false},
}

var originCases = []requestCase{
	{"POST from another origin", signedIn, "POST", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, false},
	{"DELETE from another origin", signedIn, "DELETE", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, false},
	{"POST from a neighbouring host", signedIn, "POST", headers{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.example.com"}, nil, "", middleware.OutcomeCrossOrigin, 0, kept, false},
	{"POST from another origin, old browser", signedIn, "POST", headers{"Origin", "https://evil.example"}, nil, "", middleware.OutcomeCrossOrigin, 0, kept, false},
	{"POST from another origin by nobody", nobody, "POST", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, false},
	{"expired POST from another origin", expired, "POST", elsewhere, nil, "", middleware.OutcomeCrossOrigin, 0, kept, false},
	{"POST from a trusted origin", signedIn, "POST", headers{"Sec-Fetch-Site", "cross-site", "Origin", "https://partner.example"}, nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"POST from this origin", signedIn, "POST", script, nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"POST from no browser", signedIn, "POST", nil, nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"GET from another origin", signedIn, "GET", elsewhere, nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"link from another origin", signedIn, "GET", navigation.and("Sec-Fetch-Site", "cross-site"), nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"WebSocket from another origin", signedIn, "GET", websocket.and(elsewhere...), nil, "", middleware.OutcomeCrossOrigin, 0, kept, false},
	{"WebSocket from this origin", signedIn, "GET", websocket.and("Sec-Fetch-Site", "same-origin"), nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"WebSocket whose access token has expired", expired, "GET", websocket.and("Sec-Fetch-Site", "same-origin"), nil, "u1", middleware.OutcomeCurrent, 1, kept, false},
}

var accessCases = []requestCase{
	{"page without cookies", nobody, "GET", navigation, nil, "", middleware.OutcomeAnonymous, 0, kept, false},
	{"script without cookies", nobody, "GET", script, nil, "", middleware.OutcomeAnonymous, 0, kept, false},
	{"page with a fingerprint only", onlyFingerprint, "GET", navigation, nil, "", middleware.OutcomeAnonymous, 0, kept, false},
	{"page", signedIn, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"page in a frame", signedIn, "GET", headers{"Sec-Fetch-Dest", "iframe"}, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"page, old browser", signedIn, "GET", headers{"Accept", "text/html,*/*"}, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"boosted page", signedIn, "GET", htmx.and(boosted...), nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"page from htmx's history", signedIn, "GET", htmx.and(restored...), nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"page in a frame", signedIn, "GET", headers{"Sec-Fetch-Dest", "frame"}, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"page during an outage", outage, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"script", signedIn, "GET", script, nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"PUT", signedIn, "PUT", script, nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"page without the fingerprint", noFingerprint, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, kept, true},
}

var passiveCases = []requestCase{
	{"image", signedIn, "GET", image, nil, "u1", middleware.OutcomeFresh, 0, kept, false},
	{"prefetch", signedIn, "GET", prefetch, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"expired image", expired, "GET", image, nil, "", middleware.OutcomeDeferred, 0, kept, false},
	{"expired style", expired, "GET", headers{"Sec-Fetch-Dest", "style"}, nil, "", middleware.OutcomeDeferred, 0, kept, false},
	{"expired script element", expired, "GET", headers{"Sec-Fetch-Dest", "script"}, nil, "", middleware.OutcomeDeferred, 0, kept, false},
	{"expired worker", expired, "GET", headers{"Sec-Fetch-Dest", "worker"}, nil, "", middleware.OutcomeDeferred, 0, kept, false},
	{"expired prefetch", expired, "GET", prefetch, nil, "", middleware.OutcomeDeferred, 0, kept, true},
	{"expired prefetch, older header", expired, "GET", headers{"Purpose", "prefetch"}, nil, "", middleware.OutcomeDeferred, 0, kept, false},
	{"image without the access cookie", noAccess, "GET", image, nil, "", middleware.OutcomeDeferred, 0, kept, false},
}

var refreshedCases = []requestCase{
	{"expired page", expired, "GET", navigation, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, true},
	{"expired script", expired, "GET", script, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, true},
	{"HEAD of an expired page", expired, "HEAD", navigation, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, true},
	{"expired POST", expired, "POST", script, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, true},
	{"expired, from no browser", expired, "GET", nil, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, true},
	{"page without the access cookie", noAccess, "GET", navigation, nil, "u1", middleware.OutcomeRefreshed, 1, renewed, true},
	{"page of a token rotated just now", current, "GET", navigation, nil, "u1", middleware.OutcomeCurrent, 1, accessOnly, true},
	{"page after a lost answer", repeated, "GET", navigation, nil, "u1", middleware.OutcomeRepeated, 1, renewed, true},
}

var deadCases = []requestCase{
	{"forged page", forged, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, cleared3, true},
	{"forged script", forged, "GET", script, nil, "", middleware.OutcomeInvalid, 0, kept, false},
	{"forged boosted page", forged, "GET", htmx.and(boosted...), nil, "", middleware.OutcomeInvalid, 0, cleared3, true},
	{"forged refresh page", forgedRefresh, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, cleared3, true},
	{"forged refresh script", forgedRefresh, "GET", script, nil, "", middleware.OutcomeInvalid, 0, kept, false},
	{"refresh page with another fingerprint", otherFingerprint, "GET", navigation, nil, "", middleware.OutcomeInvalid, 0, kept, true},
	{"ended page", ended, "GET", navigation, nil, "", middleware.OutcomeExpired, 1, cleared3, true},
	{"ended script", ended, "GET", script, nil, "", middleware.OutcomeExpired, 1, kept, false},
	{"reused page", reused, "GET", navigation, nil, "", middleware.OutcomeReused, 1, cleared3, true},
	{"reused script", reused, "GET", script, nil, "", middleware.OutcomeReused, 1, kept, false},
	{"page under an unknown key", otherKey, "GET", navigation, nil, "", middleware.OutcomeUnknownKey, 0, kept, true},
	{"page while the store is down", storeDown, "GET", navigation, nil, "", middleware.OutcomeUnavailable, 1, kept, true},
	{"script while the store is down", storeDown, "GET", script, nil, "", middleware.OutcomeUnavailable, 1, kept, false},
	{"page while users are down", usersDown, "GET", navigation, nil, "", middleware.OutcomeUnavailable, 0, kept, true},
}

var tossedCases = []requestCase{
	{"page with two sessions", tossed, "GET", navigation, nil, "", middleware.OutcomeAmbiguous, 0, kept, true},
	{"page with two refresh tokens", tossedRefresh, "GET", navigation, nil, "", middleware.OutcomeAmbiguous, 0, kept, true},
	{"page with the good cookie as the fourth of its name", fourth, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
	{"page with the good cookie as the fifth of its name", fifth, "GET", navigation, nil, "", middleware.OutcomeAmbiguous, 0, kept, true},
	{"page with rubbish beside", littered, "GET", navigation, nil, "u1", middleware.OutcomeFresh, 0, kept, true},
}

// allMethods are the methods that frameworks' "any" routes have.
var allMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
