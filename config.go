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
// other field means its default. U is the data about a user that the app needs on every request.
// It marshals to a JSON object and is read back from it. Users can read their own data in the
// access token and, with the page's scripts, in the page data, so U is a type made for that
// purpose and not a row of the users' table.
type Config[U any] struct {
	// Secret is the key that all other keys are derived from. It has at least 32 random bytes, is
	// the same in every process of the app, and is kept out of the repository. Each app and each
	// environment has a secret of its own: sessions of one app are valid in every other app with
	// the same secret.
	Secret []byte
	// PreviousSecrets verify tokens and never sign them. To change the secret, first add the new
	// one to PreviousSecrets in every process. Then make it Secret and move the old one to
	// PreviousSecrets. Remove the old one after RefreshTTL.
	//
	// PreviousSecrets is for planned changes. A secret listed here still authenticates users, so
	// replace a leaked secret without listing it. Everyone then signs in again.
	PreviousSecrets [][]byte
	// Store keeps the state of refresh tokens: memstore.New() for one process, and
	// redisstore.New(client) or sqlstore.New(db, dialect) for several, or to survive a restart.
	Store Store
	// LoadUser returns the user's data for the access token and the pages. It runs at sign-in, at
	// Reload, and at every refresh before the refresh token rotates, never on other requests. Its
	// context carries none of the request's values, because one call serves all requests that wait
	// for the same refresh; [TermsOf] finds in it what the session was begun with. An
	// ErrUserNotFound, wrapped or not, ends all sessions of the user; at a sign-in it only fails
	// the sign-in. Any other error, including sql.ErrNoRows, ends no session and is answered 503.
	LoadUser func(ctx context.Context, userID string) (U, error)

	// AccessTTL is the lifetime of an access token, in whole seconds, at least one. Default 15
	// minutes. A token is accepted for another tenth of AccessTTL after its expiry, but at most
	// 30 s, so that the clocks of an app's processes may differ by that much. Clocks that differ
	// by more cause additional refreshes and end no session.
	AccessTTL time.Duration
	// RefreshTTL is how long an unused session lives. Default 365 days. It counts from the last
	// rotation. A session in use rotates about every AccessTTL, but not sooner than Settle + 2
	// Grace after the previous rotation. New returns an error if RefreshTTL is shorter than 2
	// AccessTTL + Settle + 2 Grace, since sessions in use would end, unless Lifetime ends them by
	// then anyway. (A program that uses each access token to the end of its leeway needs another
	// two leeways.)
	RefreshTTL time.Duration
	// Lifetime is the longest life of a session. Default and limit 400 days, the longest that
	// browsers keep a cookie (RFC 6265bis, section 5.5).
	Lifetime time.Duration
	// IdleTimeout ends a session in which no person was active for so long, open tab or not.
	// Default 0: sessions do not end for want of activity. Page views and form posts count, and
	// what the browser module reports: the use of pointer, keyboard or touch. Refreshes in the
	// background and requests by scripts do not count (docs/sessions.md).
	//
	// A session lives for at least IdleTimeout after an activity, and no longer than IdleTimeout +
	// AccessTTL + Grace after the last one has reached the server. Page views with a valid access
	// token do not reach the store, so an app that needs a sharper end chooses a shorter AccessTTL.
	// IdleTimeout is at least AccessTTL, and RefreshTTL at least the sum of the three.
	IdleTimeout time.Duration
	// Grace is the longest time that a request or a response may be in transit. Default 30 s.
	Grace time.Duration
	// Settle is the age at which a token in use proves that the browser has saved it to disk.
	// Default 90 s.
	Settle time.Duration
	// Timeout bounds how long one sign-in, refresh or sign-out waits for Store and LoadUser,
	// whether or not they respect their context. A sign-in that ends a former session waits for
	// that once more. Default 3 s.
	Timeout time.Duration
	// MaxSessions is the greatest number of sessions of one user. A sign-in beyond it ends the
	// session with the oldest refresh token. Default 100.
	MaxSessions int
	// AtMaxSessions is what a sign-in beyond MaxSessions does. EndOldest, the default, ends the
	// session with the oldest refresh token. RefuseNew fails the sign-in with CodeTooManySessions.
	// The app should then offer to end another session (Auth.Sessions, Auth.EndSession): people who
	// lose a device's cookies cannot sign out there. There is an event either way.
	AtMaxSessions AtMaxSessions
	// Short bounds the sessions that are begun with Remember(false): how long they live unused, 24
	// hours by default, and at most, 7 days by default. Neither exceeds RefreshTTL and Lifetime.
	Short Short
	// DeviceLabel returns how lists of a person's sessions name the device of a request that signs
	// in. Default: browser and system by the User-Agent, such as "Firefox on Windows". The label
	// is kept as plain text of at most 64 bytes.
	DeviceLabel func(r *http.Request) string
	// ClientAddress returns the network address of the person who signs in. Lists of sessions show
	// its prefix, 24 bits of IPv4 or 48 of IPv6, which is all that is kept. Default: the address of
	// the connection. Behind a proxy that is the proxy's own, so the app reads the header that its
	// proxy sets and clients cannot. [NoAddress] keeps none, and so does the zero Addr.
	ClientAddress func(r *http.Request) netip.Addr
	// RevokeSessionOnly makes a reused refresh token end its own session only, instead of all
	// sessions of its user. It is for users whose browser profiles are restored from backups,
	// cloned disks or the stored state of a test. Such a copy presents an old token and is
	// indistinguishable from a thief's.
	RevokeSessionOnly bool
	// NotBefore ends all sessions that began before it, in every process that has it, for example
	// after a leak. New returns an error if it is in the future. The zero Time ends none.
	//
	// Processes without it, in a roll-out, accept the access tokens of these sessions until they
	// expire, and a process with it accepts those that the former have issued since it started.
	NotBefore time.Time
	// Feed tells every process of the app what the others end, within a second and at no cost to
	// requests. Nil means Store, if it is a session.Feed, as those of redisstore and sqlstore are.
	// NoFeed means none: access tokens of ended sessions are then accepted until they expire,
	// except in the process that ended them. Any other Feed may carry the notices of any Store.
	//
	// With a feed, New starts a goroutine that reads it four times a second; Auth.Close stops it.
	// A call that ends sessions also publishes that, and fails if publishing fails, although the
	// sessions have ended. It may be repeated.
	Feed Feed
	// FeedLost is what happens while the feed cannot be read for longer than Timeout. The default,
	// FeedLostCarryOn, accepts access tokens until they expire. FeedLostAskStore asks the store
	// for every request. Either way there is an event, session.EventFeedLost.
	FeedLost FeedLost
	// TokenCache bounds the memory for verified access tokens, in bytes. Default 32 MiB; negative
	// means no cache.
	TokenCache int

	// BasePath is the path of the routes for refresh, logout and the browser module. Default
	// "/api/auth". The middleware must see the same path that pages request. Below
	// http.StripPrefix the two differ, so wrap outside of StripPrefix.
	BasePath string
	// LoginPath is where Require redirects page navigations without a session. Default "/login".
	LoginPath string
	// StepUpPath is where Auth.RequireRecent redirects people who signed in too long ago: a page
	// that asks for their password, passkey or code and then calls Auth.StepUp. Default: a page of
	// the library below BasePath that offers to sign out and in again, by LoginPath.
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
	// Partitioned (CHIPS): browsers send them in frames, and keep a separate set for each
	// embedding site and for the app itself. A person therefore signs in once in each. The origin
	// check for requests that may change something still applies. The app limits the sites that
	// may embed it with frame-ancestors in its Content-Security-Policy. Embedded excludes Dev,
	// since such cookies need HTTPS. After a change of Embedded everyone signs in again.
	Embedded bool
	// MaxCookieBytes bounds the total size of the three Set-Cookie lines of a sign-in. Default
	// 3,072, because the header buffers of proxies are 4 KB. Larger user data fails a sign-in,
	// and fails a refresh before it changes anything. A single cookie never exceeds 4,096 bytes,
	// because browsers drop larger ones.
	MaxCookieBytes int
	// TrustedOrigins may send requests with unsafe methods or a bearer token. Each has the form
	// "scheme://host[:port]", as for http.CrossOriginProtection. An app behind a proxy that
	// replaces Host lists its own public origin here, for browsers that send Origin and no
	// Sec-Fetch-Site.
	TrustedOrigins []string
	// Nonce returns the request's CSP nonce for the script tag; templ.GetNonce has this
	// signature. A nil Nonce or an empty result means no nonce, which script-src 'self' does not
	// need.
	Nonce func(ctx context.Context) string
	// Deny, if not nil, is called when Require refuses a request. It may write the app's own
	// response, such as an error page in the app's style or an error in the app's JSON, and then
	// returns nil. If it returns denial itself, Require responds as it does without Deny. If it
	// returns any other error, that error is written instead; on echo it goes to the app's
	// HTTPErrorHandler, on gin into c.Errors with the denial's status and no body, for the app's
	// own middleware to write.
	//
	// denial.Code is CodeUnauthorized, CodeStepUpRequired (RequireRecent), CodeDeviceRequired
	// (RequireBound), CodeDatabaseFetchFailed or CodeInvalidRequest (another origin), and
	// denial.Person distinguishes people from scripts. The headers for clients (Retry-After,
	// WWW-Authenticate, caching) are already set in w. Deny is not called for requests that load a
	// page ahead of time.
	Deny func(w http.ResponseWriter, r *http.Request, denial *Denial) error
	// Public reports whether a page does not depend on the session, so that shared caches may
	// store it. The middleware does not change the caching of its response, refreshes no session
	// for it and sets no cookie. Its page data is that of a signed-out visitor. A nil Public
	// means that no page is public.
	Public func(r *http.Request) bool
	// Skip reports whether the middleware passes a request on unchanged, as if it were not
	// installed.
	Skip func(r *http.Request) bool
	// Hardened keeps the tokens out of pages and responses: scripts authenticate by cookie alone,
	// and forms by their origin and the session's id. Session values have no tokens either. The
	// mode has no bearer requests.
	Hardened bool
	// DeviceBound binds sessions to a key that does not leave the browser's device, in browsers
	// that can (Device Bound Session Credentials; Chrome 145 and later on Windows). A copied
	// cookie jar is then of use until its access token expires, and no longer. Other browsers are
	// not affected. A person whose browser has lost the key, such as in a profile that was copied
	// to another machine, signs in again. DeviceBound needs HTTPS, and excludes Dev, CookieDomain
	// and Embedded. With an AccessTTL below five minutes, Chromium's limit on signatures makes
	// pages wait.
	//
	// It may be switched on when every process of the app runs a release that has it. When it is
	// switched off, bound sessions remain bound, and no others become so. See
	// docs/device-bound.md.
	DeviceBound bool

	// Logger logs what an operator must see and nothing of ordinary traffic. Default
	// slog.Default().
	Logger *slog.Logger
	// OnEvent, if not nil, is called with every event, in a goroutine of its own and not
	// concurrently, in the order in which the events happened. No request waits for it. If it is
	// so slow that thousands of events wait for it, further ones are dropped, and an
	// EventDropped says how many. A panic in it is logged and has no other effect. Auth.Flush
	// waits for it.
	OnEvent func(Event)
	// OnRequest, if not nil, is called for each request whose session the middleware determines,
	// before the app's handler runs, with how the request came by its session or why it has none,
	// and how long that took. It is for metrics: the request waits for it. It is not called for
	// requests that Config.Skip names, and of the routes below BasePath only for those that may
	// refresh.
	OnRequest func(r *http.Request, outcome Outcome, took time.Duration)
	// CallContext, if not nil, returns the context for a call of LoadUser and Store: call, with
	// what tracing needs of request, the context of the request that starts the call. The call
	// may outlive that request, and others may share it, so CallContext copies values and returns
	// no context that depends on request. Package otellucia sets it.
	CallContext func(call, request context.Context) context.Context

	// Issuer is the name under which the app issues tokens for other services, usually its public
	// origin, such as "https://app.example.com". It is the claim iss of these tokens. If it is
	// set, Auth.TokenFor issues such tokens, and the route jwks.json below BasePath publishes the
	// keys that verify them.
	Issuer string
	// ServiceKeys are the keys of Auth.TokenFor. The first one signs. The public halves of all are
	// published, so a change of keys disturbs no service: first append the new key, then after an
	// hour move it to the front, and remove the old key after another hour. Default: a key derived
	// from Secret signs, and those derived from PreviousSecrets are published too. Changing Secret
	// as PreviousSecrets describes publishes the next key before it signs.
	ServiceKeys []ed25519.PrivateKey
}

// New returns an Auth. It returns an error that describes the problem if config is invalid.
func New[U any](config Config[U]) (*Auth[U], error) {
	return middleware.New(middleware.Config[U](config))
}
