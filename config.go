package lucia

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// Config configures an [Auth]. Secret, Store and LoadUser are required. The zero value of every
// other field means its default.
//
// U is the data about a user that the app needs on every request. It must marshal to a JSON object,
// from which it is decoded again. Users can read their own data in the access token, and the
// scripts of their pages in the page data. So U should be a type made for that purpose, not a row
// of the users' table.
type Config[U any] struct {
	// Secret is the key that all other keys are derived from. It must have at least 32 random
	// bytes, be the same in every process of the app, and stay out of the repository. Each app and
	// each environment needs a secret of its own, because sessions of one app are valid in every
	// other app with the same secret.
	Secret []byte
	// PreviousSecrets verify tokens but never sign them. To change the secret, first add the new
	// one to PreviousSecrets in every process. Then make it Secret and move the old one to
	// PreviousSecrets. Remove the old one after RefreshTTL.
	//
	// PreviousSecrets is for planned changes. A secret listed here still authenticates users, so
	// replace a leaked secret without listing it. Everyone then signs in again.
	PreviousSecrets [][]byte
	// Store keeps the state of refresh tokens: memstore.New() for one process, and
	// redisstore.New(client) or sqlstore.New(db, dialect) for several, or to survive a restart.
	Store Store
	// LoadUser returns the user's data for the access token and the pages. It runs at a sign-in, at
	// Reload, and at every refresh before the refresh token rotates, never on other requests. One
	// call serves all requests that wait for the same refresh, so its context carries no values of
	// a request. [TermsOf] returns the terms of the session from that context.
	//
	// If LoadUser returns ErrUserNotFound, wrapped or not, all sessions of the user end. At a
	// sign-in it only fails the sign-in. Any other error, including sql.ErrNoRows, ends no session
	// and is answered with 503.
	LoadUser func(ctx context.Context, userID string) (U, error)

	// AccessTTL is the lifetime of an access token, in whole seconds, at least one. Default 15
	// minutes. A token is accepted for another tenth of AccessTTL after its expiry, but at most
	// 30 s, so that the clocks of an app's processes may differ by that much. Clocks that differ
	// by more cause additional refreshes and end no session.
	AccessTTL time.Duration
	// RefreshTTL is how long an unused session lives. Default 365 days, or Lifetime if that is
	// shorter. It counts from the last rotation. A session in use rotates about every AccessTTL,
	// but not sooner than Settle + 2 Grace after the previous rotation. If RefreshTTL is shorter
	// than 2 AccessTTL + Settle + 2 Grace, sessions in use would end. New then returns an error,
	// unless Lifetime ends them by then anyway. (A program that uses each access token to the end
	// of its leeway needs another two leeways.)
	RefreshTTL time.Duration
	// Lifetime is the longest life of a session, at least AccessTTL and RefreshTTL. Default and
	// limit 400 days, the longest that browsers keep a cookie (RFC 6265bis, section 5.5).
	Lifetime time.Duration
	// IdleTimeout ends a session in which no person was active for that time, even if a tab is
	// open. Default 0: lack of activity ends no session. Page views and form posts count as
	// activity, and so does what the browser module reports: the use of pointer, keyboard or touch.
	// Background refreshes and requests by scripts do not count (docs/sessions.md).
	//
	// A session lives for at least IdleTimeout after an activity, and for at most IdleTimeout +
	// AccessTTL + Grace after the last activity reached the server. Its last access token is
	// accepted for a tenth of AccessTTL longer, 30 s at most, because clocks differ. Page views
	// with a valid access token do not reach the store, so an app that needs a more exact end
	// chooses a shorter AccessTTL. IdleTimeout must be at least AccessTTL, and RefreshTTL at least
	// the sum of the three.
	IdleTimeout time.Duration
	// Grace is the longest time that a request or a response may be in transit. Default 30 s.
	Grace time.Duration
	// Settle is the age from which a token in use proves that the browser has saved it to disk.
	// Default 90 s. A negative value means 0: any token in use proves it.
	Settle time.Duration
	// Timeout is how long one sign-in, refresh or sign-out waits for Store and LoadUser, whether or
	// not they respect their context. A sign-in that ends a former session waits for that end, too,
	// for up to another Timeout. Default 3 s.
	Timeout time.Duration
	// MaxSessions is the greatest number of sessions of one user. Default 100. AtMaxSessions is
	// what a sign-in beyond it does.
	MaxSessions int
	// AtMaxSessions is what a sign-in beyond MaxSessions does. EndOldest, the default, ends the
	// session with the oldest refresh token. RefuseNew fails the sign-in with CodeTooManySessions.
	// The app should then offer to end another session (Auth.Sessions, Auth.EndSession), because
	// people who lose a device's cookies cannot sign out there. There is an event in both cases.
	AtMaxSessions AtMaxSessions
	// Short limits the sessions that are begun with Remember(false): how long they live unused, by
	// default 24 hours, and how long they live at most, by default 7 days. Neither exceeds
	// RefreshTTL and Lifetime.
	Short Short
	// DeviceLabel returns the name of the device of a request that signs in, for lists of a
	// person's sessions. By default it is the browser and system according to the User-Agent, such
	// as "Firefox on Windows". The label is kept as plain text of at most 64 bytes.
	DeviceLabel func(r *http.Request) string
	// ClientAddress returns the network address of the person who signs in. Only its prefix is
	// kept, 24 bits of IPv4 or 48 bits of IPv6, and lists of sessions show it. By default it is the
	// address of the connection. Behind a proxy that is the proxy's address, so the app should read
	// the header that its proxy sets and clients cannot set. With [NoAddress], or the zero Addr, no
	// address is kept.
	ClientAddress func(r *http.Request) netip.Addr
	// RevokeSessionOnly makes a reused refresh token end only its own session, instead of all
	// sessions of its user. It is for users whose browser profiles are restored from backups,
	// cloned disks or the stored state of a test. Such a copy presents an old token and is
	// indistinguishable from a thief.
	RevokeSessionOnly bool
	// NotBefore ends all sessions that began before it, in every process that has it, for example
	// after a leak. New returns an error if it is in the future. The zero Time ends none.
	//
	// During a roll-out, processes without NotBefore accept the access tokens of these sessions
	// until they expire. A process with it accepts those that processes without it have issued
	// since it started.
	NotBefore time.Time
	// Feed tells every process of the app which sessions the others end, within a second and at no
	// cost to requests. Nil means Store if it is a session.Feed, as the stores of redisstore and
	// sqlstore are. With NoFeed, other processes accept the access tokens of an ended session until
	// they expire. Any other Feed may carry the notices of any Store.
	//
	// With a feed, New starts a goroutine that reads it four times a second. Auth.Close stops it. A
	// call that ends sessions also publishes their end. It fails if publishing fails, although the
	// sessions have ended. The call may be repeated.
	Feed Feed
	// FeedLost determines what happens if the feed cannot be read for longer than Timeout. The
	// default, FeedLostCarryOn, accepts access tokens until they expire. FeedLostAskStore asks the
	// store for every request. Both cause the event session.EventFeedLost.
	FeedLost FeedLost
	// TokenCache is the maximum memory for verified access tokens, in bytes. Default 32 MiB. A
	// negative value means no cache.
	TokenCache int

	// BasePath is the path of the routes for refresh, logout and the browser module. Default
	// "/api/auth". The middleware must see the same path that pages request. Below
	// http.StripPrefix the two differ, so wrap outside of StripPrefix.
	BasePath string
	// LoginPath is where Require redirects page navigations without a session. Default "/login".
	LoginPath string
	// StepUpPath is where Auth.RequireRecent redirects people who signed in too long ago: a page
	// that asks for their password, passkey or code and then calls Auth.StepUp. By default it is a
	// page of the library below BasePath, which offers to sign out and to sign in again at
	// LoginPath.
	StepUpPath string
	// Dev is for development over plain HTTP: cookies have neither the Secure attribute nor the
	// __Host- prefix. Browsers refuse the ordinary cookies on HTTP addresses other than
	// localhost, and some browsers refuse them there too.
	Dev bool
	// CookiePrefix is a prefix of the cookies' names, after __Host- or __Secure-. It separates
	// several apps on one host.
	CookiePrefix string
	// CookieDomain makes the cookies valid for a domain and all hosts below it. All of these
	// hosts can then also set them, and the cookies' prefix is __Secure-. Default: this host
	// only.
	//
	// CookieDomain may change. Sessions continue if it is added, and if the new domain is below
	// the old one or the old one below the new one. If it is removed, people sign in again,
	// because any host below the old domain could have set the cookies.
	CookieDomain string
	// FormerCookieDomains are values that CookieDomain had before. Cookies are cleared there too:
	// at sign-in, at sign-out, and when newer ones replace them. Without FormerCookieDomains only
	// domains above the request's host are cleared, and only if the request carries no cookie of
	// another program. Cookies of former domains are never accepted.
	//
	// An app that signs in by a POST from another site (a provider's form_post, with
	// [FromCallback]) needs them after CookieDomain is narrowed. Browsers send no cookies with
	// such a request, so nothing shows that the domains above have any to clear.
	FormerCookieDomains []string
	// Embedded is for pages that other sites show in a frame. The cookies are SameSite=None and
	// Partitioned (CHIPS): browsers send them in frames, and keep a separate set for each embedding
	// site and for the app itself. A person therefore signs in separately in each. The origin check
	// for requests that may change something still applies. The app limits the sites that may embed
	// it with frame-ancestors in its Content-Security-Policy. Embedded and Dev exclude each other,
	// because such cookies need HTTPS. After a change of Embedded everyone signs in again.
	Embedded bool
	// MaxCookieBytes is the maximum total size of the three Set-Cookie lines of a sign-in. Default
	// 3,072, because the header buffers of proxies have 4 KB. With larger user data a sign-in
	// fails, and a refresh fails before it changes anything. A single cookie never exceeds 4,096
	// bytes, because browsers drop larger ones.
	MaxCookieBytes int
	// TrustedOrigins may send requests with unsafe methods or a bearer token. Each has the form
	// "scheme://host[:port]", as for http.CrossOriginProtection. An app behind a proxy that
	// replaces Host lists its own public origin here, for browsers that send Origin and no
	// Sec-Fetch-Site.
	TrustedOrigins []string
	// Nonce returns the request's CSP nonce for the script tag. templ.GetNonce has this signature.
	// A nil Nonce or an empty result means no nonce, which suffices for script-src 'self'.
	Nonce func(ctx context.Context) string
	// Deny, if not nil, is called when Require refuses a request. It may write the app's own
	// response, such as an error page in the app's style or an error in the app's JSON, and then
	// returns nil. If it returns denial itself, Require responds as it does without Deny. If it
	// returns any other error, that error is written instead. On echo it goes to the app's
	// HTTPErrorHandler. On gin it goes into c.Errors with the denial's status and no body, for the
	// app's own middleware to write.
	//
	// denial.Code is CodeUnauthorized, CodeStepUpRequired (RequireRecent), CodeDeviceRequired
	// (RequireBound), CodeDatabaseFetchFailed or CodeInvalidRequest (another origin). denial.Person
	// distinguishes people from scripts. The headers for clients (Retry-After, WWW-Authenticate,
	// caching) are already set in w. Deny is not called for requests that load a page ahead of
	// time.
	Deny func(w http.ResponseWriter, r *http.Request, denial *Denial) error
	// Public reports whether a page does not depend on the session, so that shared caches may store
	// it. The middleware does not change the caching of its response, refreshes no session for it
	// and sets no cookie. Its page data is that of a signed-out visitor. If Public is nil, no page
	// is public.
	Public func(r *http.Request) bool
	// Skip reports whether the middleware passes a request on unchanged, as if it were not
	// installed.
	Skip func(r *http.Request) bool
	// Hardened keeps the tokens out of pages and responses. Scripts authenticate only by cookie,
	// and forms by their origin and the session's id. Session values have no tokens either. There
	// are no bearer requests in this mode.
	Hardened bool
	// DeviceBound binds sessions to a key that does not leave the browser's device, in browsers
	// that support it (Device Bound Session Credentials; Chrome 145 and later on Windows). A copied
	// cookie jar is then of use only until its access token expires. Other browsers are not
	// affected. A person whose browser has lost the key, for example because the profile was copied
	// to another machine, signs in again. DeviceBound needs HTTPS and excludes Dev, CookieDomain
	// and Embedded. With an AccessTTL below five minutes, Chromium's limit on signatures makes
	// pages wait.
	//
	// It may be switched on once every process of the app runs a release that has it. When it is
	// switched off, bound sessions remain bound, and no others become bound. See
	// docs/device-bound.md.
	DeviceBound bool

	// Logger logs what an operator must see, and nothing of ordinary traffic. Default
	// slog.Default().
	Logger *slog.Logger
	// OnEvent, if not nil, is called with every event, in a goroutine of its own, with one event at
	// a time, in the order in which they happened. No request waits for it. If it is so slow that
	// thousands of events wait for it, further ones are dropped, and an EventDropped says how many.
	// A panic in it is logged and has no other effect. Auth.Flush waits for it.
	OnEvent func(Event)
	// OnRequest, if not nil, is called for each request whose session the middleware determines,
	// before the app's handler runs. It gets the request, its outcome, and the time that this took.
	// It is for metrics, and the request waits for it. It is not called for requests that
	// Config.Skip names, and of the routes below BasePath only for those that may refresh.
	OnRequest func(r *http.Request, outcome Outcome, took time.Duration)
	// CallContext, if not nil, returns the context for a call of LoadUser and Store. It returns the
	// context call, with added values that tracing needs from request, the context of the request
	// that starts the call. The call may outlive that request, and other requests may share it. So
	// CallContext must copy values and must not return a context that depends on request. Package
	// otellucia sets it.
	CallContext func(call, request context.Context) context.Context

	// Issuer is the name under which the app issues tokens for other services, usually its public
	// origin, such as "https://app.example.com". It is the claim iss of these tokens. If it is
	// set, Auth.TokenFor issues such tokens, and the route jwks.json below BasePath publishes the
	// keys that verify them.
	Issuer string
	// ServiceKeys are the keys of Auth.TokenFor. The first one signs. The public halves of all are
	// published, so a change of keys disturbs no service: first append the new key, after an hour
	// move it to the front, and after another hour remove the old one. By default a key derived
	// from Secret signs, and those derived from PreviousSecrets are published, too. Changing Secret
	// as PreviousSecrets describes publishes the next key before it signs.
	ServiceKeys []ed25519.PrivateKey
}

// New returns an Auth. It returns an error that describes the problem if config is invalid.
func New[U any](config Config[U]) (*Auth[U], error) {
	return middleware.New(middleware.Config[U](config))
}
