// Package wire names what the server and both clients share: routes, cookies, headers, form fields
// and JSON bodies. The golden files in testdata fix the bytes, and the Go client and the browser
// module are tested with the same files. docs/protocol.md describes the protocol in prose.
package wire

import "encoding/json"

// Routes below the base path.
const (
	// DefaultBasePath is the path of the routes unless the app configures another one.
	DefaultBasePath = "/api/auth"

	RouteRefresh = "/refresh"
	RouteLogout  = "/logout"
	RouteSession = "/session"
	RouteBound   = "/bound"
	RouteClient  = "/client.js"
	RouteAuto    = "/auto.js"
	RouteJWKS    = "/jwks.json"
	RouteStepUp  = "/step-up"
)

// Cookie names without a prefix. The names are those of lucia-sveltekit 0.9.
const (
	CookieAccess      = "access_token"
	CookieRefresh     = "encrypt_refresh_token"
	CookieFingerprint = "fingerprint_token"
)

const (
	// FormField is the hidden form field with the access token, and the member of the page data
	// with the session.
	FormField = "_lucia"

	// RedirectField is the optional field of a logout form with the path, on the same site, to go
	// to afterwards.
	RedirectField = "redirect"

	// PageDataID is the id of the script element with the page data. It is not
	// "_lucia_page_data", because browsers would expose such an element as
	// window._lucia_page_data, the global variable that the client of lucia-sveltekit 0.9 reads.
	PageDataID = "lucia-page-data"

	// ChallengeRealm is the realm of the WWW-Authenticate challenge (RFC 6750, section 3) in this
	// library's own 401 answers. It tells clients that a refresh may help.
	ChallengeRealm = "lucia"
)

// HeaderActive is the request header with which a script reports how many seconds ago a person was
// last active. 0 means now.
const HeaderActive = "Lucia-Active"

// Challenges of 401 answers (RFC 6750, section 3.1): the first if a token was presented and
// refused, the second if none was presented, the third if the user has to sign in again (RFC 9470,
// section 3). The third has no realm, because a refresh does not help.
const (
	ChallengeInvalid = `Bearer realm="` + ChallengeRealm + `", error="invalid_token"`
	ChallengeMissing = `Bearer realm="` + ChallengeRealm + `"`
	ChallengeStepUp  = `Bearer error="insufficient_user_authentication", error_description="A more recent sign-in is required"`
)

// Refreshed is the body of a successful answer of the refresh route. In hardened mode, in which the
// tokens are absent, the session is that of the cookies and may differ from the client's.
type Refreshed struct {
	User         json.RawMessage `json:"user"`
	AccessToken  string          `json:"access_token,omitempty"`
	RefreshToken string          `json:"refresh_token,omitempty"`
	// ExpiresIn is the remaining lifetime of the access token in whole seconds.
	ExpiresIn int64  `json:"expires_in"`
	SessionID string `json:"session_id"`
}

// MaxExpiresIn is the longest lifetime in seconds that clients accept. Longer ones could overflow a
// time.
const MaxExpiresIn = 400 * 24 * 60 * 60

// ErrorBody is the body of every error answer. Message is a code of package session and nothing
// else.
type ErrorBody struct {
	Message string `json:"message"`
}
