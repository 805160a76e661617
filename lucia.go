// Package lucia is session auth for Go web apps that render pages on the
// server: a middleware in three lines.
//
//	auth, err := lucia.New(lucia.Config[Profile]{
//		Secret:   []byte(os.Getenv("LUCIA_SECRET")), // 32 random bytes or more
//		Store:    memstore.New(),                    // or redisstore.New(client)
//		LoadUser: func(ctx context.Context, id string) (Profile, error) { … },
//	})
//	…
//	auth.SignIn(w, r, userID)                             // after checking the password
//	mux.Handle("GET /profile", auth.Require(profile))     // auth.Session(r.Context()) inside
//	http.ListenAndServe(addr, nethttp.Wrap(auth, mux))
//
// A request with a valid access token asks no store. Refresh tokens rotate in
// one atomic step that an honest browser cannot lose a session to, whatever gets
// lost, repeated or delayed, and that finds a stolen token once a newer one has been
// in use for a while and the older one comes. Pages keep themselves signed in with a small browser module.
//
// Beside this package an app imports the adapter of its framework and its store:
//
//   - adapters/nethttp (net/http and chi), adapters/echo (v4), adapters/echov5, adapters/gin.
//   - [github.com/lucia-go/lucia/memstore] or
//     [github.com/lucia-go/lucia/redisstore]: where session state lives.
//
// Other packages are for other readers:
//
//   - [github.com/lucia-go/lucia/middleware]: the HTTP side, whose names this package
//     re-exports. The methods of Auth are documented there.
//   - [github.com/lucia-go/lucia/session]: the contract, for authors of stores.
//   - [github.com/lucia-go/lucia/client]: the Go client.
//   - [github.com/lucia-go/lucia/luciatest]: for the tests of your app.
package lucia

import (
	"html/template"
	"net/http"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Auth is session auth for a web app. It is safe for concurrent use.
type Auth[U any] = middleware.Auth[U]

// Defaults of [Config].
const (
	DefaultAccessTTL      = middleware.DefaultAccessTTL
	DefaultRefreshTTL     = middleware.DefaultRefreshTTL
	DefaultLifetime       = middleware.DefaultLifetime
	DefaultGrace          = middleware.DefaultGrace
	DefaultSettle         = middleware.DefaultSettle
	DefaultTimeout        = middleware.DefaultTimeout
	DefaultMaxSessions    = middleware.DefaultMaxSessions
	DefaultBasePath       = middleware.DefaultBasePath
	DefaultLoginPath      = middleware.DefaultLoginPath
	DefaultMaxCookieBytes = middleware.DefaultMaxCookieBytes
)

// MinSecretBytes is the length of the shortest Config.Secret.
const MinSecretBytes = middleware.MinSecretBytes

// Session is a signed-in session as handlers and pages see it.
type Session[U any] = session.Session[U]

// User is a user's id and the app's own data about the user.
type User[U any] = session.User[U]

// ID names a session. It is no secret. [ParseID] reads it back from a form.
type ID = session.ID

// ParseID is the inverse of [ID]'s String. It refuses every other spelling.
func ParseID(s string) (ID, error) { return session.ParseID(s) }

// Record is what the store keeps of a session: when it began, was last issued a
// refresh token, and ends. Auth.Sessions returns records.
type Record = session.Record

// Store keeps the state of refresh tokens, for Config.Store: memstore.New() for one
// process, redisstore.New(client) for several.
type Store = session.Store

// Event is something that an operator must see, for Config.OnEvent. Package session
// has the kinds.
type Event = session.Event

// SignInOption changes one call of Auth.SignIn.
type SignInOption = middleware.SignInOption

// FromCallback lets Auth.SignIn accept a request from another origin: for callbacks
// of identity providers that arrive as a form post, after the app has checked the
// state parameter.
func FromCallback() SignInOption { return middleware.FromCallback() }

// Component is a part of a page: a templ component, and a template.HTML by its HTML
// method.
type Component = middleware.Component

// PageData is the block of page data and the script of the browser module, which
// keeps the page signed in. Put it into the head of every page.
var PageData = middleware.PageData

// DataBlock is the page data alone, for apps that load the browser module themselves.
var DataBlock = middleware.DataBlock

// ScriptTag is the script of the browser module alone.
var ScriptTag = middleware.ScriptTag

// FormField is the hidden field that Auth.ValidateFormSubmission asks for.
var FormField = middleware.FormField

// FuncMap returns the functions "lucia", "luciaField" and "luciaReturn" for
// html/template: {{ lucia .Ctx }} renders [PageData] and {{ luciaField .Ctx }} renders
// [FormField], where .Ctx is the request's context; {{ luciaReturn .Request }} renders
// [ReturnField] of the request.
func FuncMap() template.FuncMap { return middleware.FuncMap() }

// ReturnPath returns where to go after a sign-in: the page that Auth.Require refused,
// which the query or the form names as "next", or fallback. It is always a path of this
// site. ReturnPath parses r's form.
func ReturnPath(r *http.Request, fallback string) string { return middleware.ReturnPath(r, fallback) }

// ReturnField is the hidden field by which a login form carries the return path of r.
// If r has none it is empty. ReturnField parses r's form.
func ReturnField(r *http.Request) Component { return middleware.ReturnField(r) }

// Error answers a request with an error: a person with a page, a script as [WriteError]
// does. Only the code, or what it means, reaches the client.
func Error(w http.ResponseWriter, r *http.Request, err error) { middleware.Error(w, r, err) }

// WriteError answers a script with an error: its [Status], the headers that go with
// that, and {"message":"CODE"}. Only the code reaches the client.
func WriteError(w http.ResponseWriter, err error) { middleware.WriteError(w, err) }

// Status returns the HTTP status that stands for an error of this library: 200 for nil,
// 500 for an error without a code.
func Status(err error) int { return middleware.Status(err) }

// Denial is a refusal of Auth.Require that has not been written yet, for Config.Deny.
type Denial = middleware.Denial

// IsPage reports whether a person looks at the answer, whatever the method. An app asks
// it to answer people with a page and scripts with JSON.
func IsPage(r *http.Request) bool { return middleware.IsPage(r) }

// Outcome says how a request came by its session, or why it has none. Auth.Outcome
// returns it; its method HasSession reports whether there is a session.
type Outcome = middleware.Outcome

// The outcomes.
const (
	// OutcomeAnonymous: the request has no cookie of this library and no bearer token, or
	// the middleware has not run.
	OutcomeAnonymous = middleware.OutcomeAnonymous
	// OutcomeFresh: the access token is valid. The store was not asked.
	OutcomeFresh = middleware.OutcomeFresh
	// OutcomeSignedIn: this request signed in.
	OutcomeSignedIn = middleware.OutcomeSignedIn
	// OutcomeRefreshed: the refresh token rotated.
	OutcomeRefreshed = middleware.OutcomeRefreshed
	// OutcomeCurrent: there is a new access token; the refresh token stays.
	OutcomeCurrent = middleware.OutcomeCurrent
	// OutcomeRepeated: the browser presented the previous refresh token and was given the
	// current one again, most often because an answer was lost.
	OutcomeRepeated = middleware.OutcomeRepeated
	// OutcomeAdopted: the store had lost its last writes; the session goes on.
	OutcomeAdopted = middleware.OutcomeAdopted
	// OutcomeExpired: the session has ended, or its access token has and there is no
	// refresh token.
	OutcomeExpired = middleware.OutcomeExpired
	// OutcomeReused: a refresh token was presented that an honest browser no longer has.
	OutcomeReused = middleware.OutcomeReused
	// OutcomeUnavailable: the store or LoadUser failed. The session may be alive.
	OutcomeUnavailable = middleware.OutcomeUnavailable
	// OutcomeDeferred: the session needs a refresh, which a request of this kind (an
	// image, a prefetch) does not start.
	OutcomeDeferred = middleware.OutcomeDeferred
	// OutcomeInvalid: a token is malformed, forged or not of the fingerprint beside it.
	OutcomeInvalid = middleware.OutcomeInvalid
	// OutcomeUnknownKey: a token is signed with a key that this process does not have.
	OutcomeUnknownKey = middleware.OutcomeUnknownKey
	// OutcomeCrossOrigin: an unsafe request from another origin. Its cookies are ignored.
	OutcomeCrossOrigin = middleware.OutcomeCrossOrigin
	// OutcomeAmbiguous: the cookies are of several sessions. All are ignored.
	OutcomeAmbiguous = middleware.OutcomeAmbiguous
	// OutcomeSignedOut: this request signed out.
	OutcomeSignedOut = middleware.OutcomeSignedOut
)

// ErrUserNotFound is what LoadUser returns, wrapped or not, for a user who has been
// deleted: all sessions of the user end. Every other error means that LoadUser failed,
// and ends no session.
var ErrUserNotFound = session.ErrUserNotFound

// ErrUserTooLarge is in the chain of an error of Auth.CheckUser if the tokens that carry
// the user's data do not fit into their cookies (Config.MaxCookieBytes).
var ErrUserTooLarge = session.ErrUserTooLarge

// Code is a coded error. Its text reaches clients; whatever wraps it stays in the log.
// errors.Is(err, lucia.CodeUnauthorized) asks for one.
type Code = session.Code

// CodeOf returns the code that err carries, [CodeUnknown] if it carries none, and the
// empty code for nil.
func CodeOf(err error) Code { return session.CodeOf(err) }

// The codes.
const (
	// CodeNotAuthenticated: signing out, or asking for a session, without one.
	CodeNotAuthenticated = session.CodeNotAuthenticated
	// CodeUnauthorized: the session has ended, or a page needs one and there is none.
	CodeUnauthorized = session.CodeUnauthorized
	// CodeDatabaseFetchFailed: the store or LoadUser failed. Nothing changed; the same
	// request may succeed later.
	CodeDatabaseFetchFailed = session.CodeDatabaseFetchFailed
	// CodeDatabaseUpdateFailed: the store failed to record a sign-in or a sign-out. The
	// same request may succeed later.
	CodeDatabaseUpdateFailed = session.CodeDatabaseUpdateFailed
	// CodeInvalidAccessToken: the access token is malformed, forged, expired, or not of
	// the fingerprint cookie beside it.
	CodeInvalidAccessToken = session.CodeInvalidAccessToken
	// CodeInvalidRefreshToken: the same of a refresh token.
	CodeInvalidRefreshToken = session.CodeInvalidRefreshToken
	// CodeInvalidRequest: the request came from another origin, or its form does not
	// parse.
	CodeInvalidRequest = session.CodeInvalidRequest
	// CodeInvalidRequestMethod: the method does not fit the route or the check.
	CodeInvalidRequestMethod = session.CodeInvalidRequestMethod
	// CodeInvalidUserID: a user id is empty, longer than 256 bytes or not UTF-8, or no
	// user has it.
	CodeInvalidUserID = session.CodeInvalidUserID
	// CodeUnknown: any other error.
	CodeUnknown = session.CodeUnknown
)
