package lucia

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// Config configures an [Auth]. Secret, Store and LoadUser are required; the zero
// value of every other field means its default. U is what the app wants to know
// of a user on every request; it marshals to a JSON object and is read back from it.
// Users can read their own in the access token and, with the page's scripts, in the
// page data: U is a type for that, and not a row of the users' table.
type Config[U any] struct {
	// Secret is what all keys are derived from: at least 32 random bytes, the
	// same in every process of the app, kept out of the repository.
	// One app and environment each: with one secret the sessions of one would be
	// good in the other.
	Secret []byte
	// PreviousSecrets verify and never sign. To change the secret, give the new
	// one to every process here first, then make it Secret with the old one here,
	// and drop the old one after RefreshTTL.
	//
	// This is for planned changes. What is listed here still proves who somebody
	// is, so a secret that has leaked is replaced and not listed: everybody signs
	// in again.
	PreviousSecrets [][]byte
	// Store keeps the state of refresh tokens: memstore.New() for one process,
	// redisstore.New(client) for several.
	Store Store
	// LoadUser returns what the access token and the pages shall know of the user.
	// It runs at sign-in, at every refresh, before the refresh token rotates, and at
	// Reload, never on other requests. Its context carries none of the request's
	// values: one call serves all requests that wait for the same refresh.
	// ErrUserNotFound, wrapped or not, ends all sessions of the user, at a sign-in only
	// that. Any other error, sql.ErrNoRows among them, ends none and is answered 503.
	LoadUser func(ctx context.Context, userID string) (U, error)

	// AccessTTL is the life of an access token. Default 15 minutes; whole
	// seconds, at least 1. A token is accepted for another tenth of AccessTTL after its
	// expiry, but no more than 30 s: the clocks of an app's processes may differ by that
	// much at no cost. Clocks that differ by more cost refreshes, and no session.
	AccessTTL time.Duration
	// RefreshTTL is how long a session lives without being used. Default 365
	// days. It counts from the last rotation, which a session in use makes about
	// every AccessTTL but never sooner than Settle + 2 Grace after the one before:
	// below 2 AccessTTL + Settle + 2 Grace it would end sessions in use, and New
	// refuses it, unless Lifetime ends them by then anyway. (A program that uses each
	// access token to the end of its leeway needs twice that leeway more.)
	RefreshTTL time.Duration
	// Lifetime is how long a session lives at most. Default and limit 400 days,
	// beyond which browsers keep no cookie (RFC 6265bis, section 5.5).
	Lifetime time.Duration
	// Grace is the longest that a request or an answer may be under way. Default
	// 30 s.
	Grace time.Duration
	// Settle is how old a token in use must be to prove that the browser has it
	// on disk. Default 90 s.
	Settle time.Duration
	// Timeout bounds what one sign-in, refresh or sign-out waits for Store and
	// LoadUser, whether or not they heed their context; a sign-in that ends a former
	// session waits once more for that. Default 3 s.
	Timeout time.Duration
	// MaxSessions is the greatest number of sessions of one user; the one whose
	// refresh token is oldest goes first. Default 100.
	MaxSessions int
	// RevokeSessionOnly makes a reused refresh token end its own session only,
	// not all sessions of its user. It is for users whose browser profiles come back
	// from backups, cloned disks or a test's stored state: such a copy has an old token
	// and is indistinguishable from a thief's.
	RevokeSessionOnly bool
	// TokenCache bounds the memory of verified access tokens, in bytes. Default
	// 32 MiB; negative means none.
	TokenCache int

	// BasePath is where the routes for refresh, logout and the browser module
	// live. Default "/api/auth". It is the path that the middleware sees and pages
	// ask for: below http.StripPrefix the two differ, so wrap outside of that.
	BasePath string
	// LoginPath is where Require sends page navigations without a session.
	// Default "/login".
	LoginPath string
	// Dev is for development over plain http: cookies are neither Secure nor
	// carry the __Host- prefix. Browsers refuse the ordinary cookies on http
	// addresses other than localhost, and some there, too.
	Dev bool
	// CookiePrefix goes before the names of the cookies (after __Host- or __Secure-),
	// for several apps on one host.
	CookiePrefix string
	// CookieDomain makes the cookies valid for a domain and everything below it,
	// all of which can then set them, too. Their prefix is __Secure- then. Default:
	// this host only.
	//
	// It may change. Sessions go on if it is set where it was not, and if the new domain
	// is a part of the old one or the old one a part of the new one. If it is taken away
	// people sign in again, since any host below the old domain could have set the
	// cookies.
	CookieDomain string
	// FormerCookieDomains are values that CookieDomain had before. Cookies are cleared
	// there as well: at sign-in, at sign-out, and where newer ones take their place.
	// Without them only domains that the request's host is below, and where no cookie
	// of another program is in sight, are cleared. They are never believed.
	//
	// An app that signs in by a POST from another site (a provider's form_post, with
	// [FromCallback]) needs them after CookieDomain is narrowed: browsers send no cookies
	// with such a request, so nothing shows that the domains above have any to clear.
	FormerCookieDomains []string
	// Embedded is for pages that other sites show in a frame. The cookies are
	// SameSite=None and Partitioned (CHIPS): browsers send them in frames, and keep a set
	// of its own for each site that the frame is on, and one for the app opened by
	// itself. So a person signs in once in each. Requests that may change something are
	// judged by their origin, as always. The app says by frame-ancestors in its
	// Content-Security-Policy which sites may show the pages. Embedded contradicts Dev,
	// since such cookies need https. A change of Embedded costs everyone a sign-in.
	Embedded bool
	// MaxCookieBytes bounds the three Set-Cookie lines of a sign-in together.
	// Default 3,072: the header buffers of proxies are 4 KB. Larger user data is
	// an error at sign-in, and a refresh that fails before it changes anything.
	// Whatever it says, one cookie takes 4,096 bytes at most: browsers drop more.
	MaxCookieBytes int
	// TrustedOrigins may send requests with unsafe methods or a bearer token:
	// "scheme://host[:port]" each, as for http.CrossOriginProtection. An app behind a
	// proxy that replaces Host lists its own public origin here, for browsers that send
	// Origin and no Sec-Fetch-Site.
	TrustedOrigins []string
	// Nonce returns the request's CSP nonce for the script tag; templ.GetNonce
	// fits. nil or "" means none: script-src 'self' needs none.
	Nonce func(ctx context.Context) string
	// Deny, if set, is asked when Require refuses a request, and may answer it in the
	// app's own way: a page in the app's style during an outage, an error in the app's
	// JSON. It returns nil if it has answered. Any other error it returns is answered in
	// its place: denial itself as Require answers without Deny; on echo any other error goes
	// to the app's HTTPErrorHandler, on gin into c.Errors with the denial's status and
	// no body, for the app's own middleware to write.
	//
	// denial.Code is CodeUnauthorized, CodeDatabaseFetchFailed or
	// CodeInvalidRequest (another origin), and denial.Person tells people from
	// scripts. What clients go by is in w's header already: Retry-After,
	// WWW-Authenticate, caching. Deny is not asked about pages ahead of time.
	Deny func(w http.ResponseWriter, r *http.Request, denial *Denial) error
	// Public says which pages do not depend on the session, so that caches may keep them
	// for everyone. The middleware leaves the caching of their answers alone, refreshes
	// no session for them and sets no cookie; page data on them is that of a signed-out
	// visitor. nil: none.
	Public func(r *http.Request) bool
	// Skip says which requests the middleware passes on untouched, as if it were
	// not there.
	Skip func(r *http.Request) bool
	// Hardened keeps the tokens out of pages and answers: scripts work by cookie
	// alone, and forms by their origin and the session's id. No Session that an app is given has one either.
	// There are no bearer requests in this mode.
	Hardened bool

	// Logger is told what an operator must see, nothing of ordinary traffic.
	// Default slog.Default().
	Logger *slog.Logger
	// OnEvent, if set, is called with the same. It must not block: the request
	// that found the event waits for it. It may be called concurrently; a panic of
	// it is logged and costs nothing else.
	OnEvent func(Event)
}

// New returns an Auth, or an error that says what is wrong with config.
func New[U any](config Config[U]) (*Auth[U], error) {
	return middleware.New(middleware.Config[U](config))
}
