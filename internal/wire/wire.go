// Package wire names what the server and both clients share: routes, cookies,
// headers, form fields and JSON bodies. The golden files in testdata pin the
// bytes; the Go client and the browser module are tested against the same
// files. docs/protocol.md describes the protocol in prose.
package wire

// Routes below the base path.
const (
	// DefaultBasePath is where the routes live unless the app says otherwise.
	DefaultBasePath = "/api/auth"

	RouteRefresh = "/refresh"
	RouteLogout  = "/logout"
	RouteSession = "/session"
	RouteClient  = "/client.js"
	RouteAuto    = "/auto.js"
)

// Cookie names, before any prefix. The names are the seed's.
const (
	CookieAccess      = "access_token"
	CookieRefresh     = "encrypt_refresh_token"
	CookieFingerprint = "fingerprint_token"
)

const (
	// FormField is the hidden form field that carries the access token, and the
	// member of the page data that carries the session.
	FormField = "_lucia"

	// RedirectField is the optional form field of a logout form that says where
	// to go afterwards; a path of the same site.
	RedirectField = "redirect"

	// PageDataID is the id of the script element that carries the page data.
	// It is not "_lucia_page_data": browsers would expose such an element as
	// window._lucia_page_data, the global the original client reads.
	PageDataID = "lucia-page-data"

	// ChallengeRealm is the realm of the WWW-Authenticate challenge (RFC 6750,
	// section 3) on this library's own 401 answers. A client tells by it that a
	// refresh may help.
	ChallengeRealm = "lucia"
)

// Challenges of 401 answers (RFC 6750, section 3.1): the first when a token was
// presented and refused, the second when none was presented.
const (
	ChallengeInvalid = `Bearer realm="` + ChallengeRealm + `", error="invalid_token"`
	ChallengeMissing = `Bearer realm="` + ChallengeRealm + `"`
)

// Refreshed is the body of a successful answer of the refresh route. In
// hardened mode the tokens are absent.
type Refreshed struct {
	AccessToken  string `json:"access_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	// ExpiresIn is the remaining life of the access token in whole seconds.
	ExpiresIn int64 `json:"expires_in"`
}

// MaxExpiresIn is the longest life that clients believe, in seconds: longer ones could
// overflow a time.
const MaxExpiresIn = 400 * 24 * 60 * 60

// ErrorBody is the body of every error answer. Message is a code of package
// session and nothing else.
type ErrorBody struct {
	Message string `json:"message"`
}
