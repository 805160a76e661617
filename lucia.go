// Package lucia is session authentication for Go web apps that render pages on the server. It is
// a middleware in three lines.
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
// A request with a valid access token does not access the store. Refresh tokens rotate in one
// atomic step. An honest browser keeps its session whatever requests and responses are lost,
// repeated or delayed. A stolen token is detected when it is presented after a newer token has
// been in use for two minutes. A small browser module keeps open pages signed in.
//
// An app also imports the adapter of its framework and its store:
//
//   - [github.com/lucia-go/lucia/adapters/nethttp] (net/http and chi),
//     [github.com/lucia-go/lucia/adapters/echo] (v4), [github.com/lucia-go/lucia/adapters/echov5]
//     or [github.com/lucia-go/lucia/adapters/gin].
//   - [github.com/lucia-go/lucia/memstore], [github.com/lucia-go/lucia/redisstore] or
//     [github.com/lucia-go/lucia/sqlstore]: the session store.
//
// The other packages are:
//
//   - [github.com/lucia-go/lucia/middleware]: the HTTP side, whose names this package
//     re-exports. The methods of Auth are documented there.
//   - [github.com/lucia-go/lucia/session]: the contract, for authors of stores.
//   - [github.com/lucia-go/lucia/client]: the Go client.
//   - [github.com/lucia-go/lucia/luciatest]: for the tests of your app.
//   - [github.com/lucia-go/lucia/flash]: values between two requests, such as messages.
//   - github.com/lucia-go/lucia/otellucia, a module of its own: metrics and traces.
package lucia

import (
	"context"
	"html/template"
	"net/http"
	"net/netip"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Auth is the session authentication of a web app. It is safe for concurrent use.
type Auth[U any] = middleware.Auth[U]

// Defaults of [Config].
const (
	DefaultAccessTTL      = middleware.DefaultAccessTTL      // 15 minutes
	DefaultRefreshTTL     = middleware.DefaultRefreshTTL     // 365 days
	DefaultLifetime       = middleware.DefaultLifetime       // 400 days, which is also the limit
	DefaultGrace          = middleware.DefaultGrace          // 30 seconds
	DefaultSettle         = middleware.DefaultSettle         // 90 seconds
	DefaultTimeout        = middleware.DefaultTimeout        // 3 seconds
	DefaultMaxSessions    = middleware.DefaultMaxSessions    // 100
	DefaultBasePath       = middleware.DefaultBasePath       // "/api/auth"
	DefaultLoginPath      = middleware.DefaultLoginPath      // "/login"
	DefaultMaxCookieBytes = middleware.DefaultMaxCookieBytes // 3,072
)

// MinSecretBytes is the minimum length of Config.Secret.
const MinSecretBytes = middleware.MinSecretBytes

// Session is a signed-in session as handlers and pages see it.
type Session[U any] = session.Session[U]

// Terms are the properties of a session that its sign-in fixes. They are fields of every [Session].
type Terms = session.Terms

// TermsOf returns the terms of the session that LoadUser is called for, such as its Attributes and
// its Actor, from LoadUser's context.
func TermsOf(ctx context.Context) Terms { return session.TermsOf(ctx) }

// User is a user's id and the app's own data about the user.
type User[U any] = session.User[U]

// ID identifies a session. It is not secret. [ParseID] parses it, for example from a form.
type ID = session.ID

// ParseID is the inverse of [ID]'s String method. It returns an error for every other text.
func ParseID(s string) (ID, error) { return session.ParseID(s) }

// Store keeps the state of refresh tokens, for Config.Store: memstore.New() for one process, and
// redisstore.New(client) or sqlstore.New(db, dialect) for several, or to survive a restart.
type Store = session.Store

// Feed tells every process of an app which sessions the others end, for Config.Feed.
type Feed = session.Feed

// NoFeed is the Config.Feed that carries nothing. With it, other processes accept the access tokens
// of an ended session until they expire.
var NoFeed = session.NoFeed

// FeedLost is what an Auth does while it cannot read the feed, for Config.FeedLost.
type FeedLost = middleware.FeedLost

// The values of [FeedLost].
const (
	// FeedLostCarryOn: access tokens are accepted until they expire, as without a feed.
	FeedLostCarryOn = middleware.FeedLostCarryOn
	// FeedLostAskStore: every request with an access token asks the store. If the store fails, too,
	// the answer is 503.
	FeedLostAskStore = middleware.FeedLostAskStore
)

// RequireOption modifies Auth.Require and its equivalents of the frameworks.
type RequireOption = middleware.RequireOption

// RequireBound makes Auth.Require pass only sessions that are bound to a key of the browser's
// device. See Config.DeviceBound.
func RequireBound() RequireOption { return middleware.RequireBound() }

// AskStore makes Auth.Require ask the store whether the session is alive, with one call for each
// request. While someone acts as the user it makes two, because a store call concerns one user, and
// the actor is another one.
func AskStore() RequireOption { return middleware.AskStore() }

// Event is something that an operator may want to know, for Config.OnEvent. Package session
// defines the kinds.
type Event = session.Event

// SignInOption modifies one call of Auth.SignIn.
type SignInOption = middleware.SignInOption

// FromCallback makes Auth.SignIn accept a request from another origin. It is for callbacks of
// identity providers that arrive as a form post, after the app has checked the state parameter.
func FromCallback() SignInOption { return middleware.FromCallback() }

// Remember determines whether the browser keeps the session when it closes. Remember(true) is the
// default. With Remember(false) the cookies have no Max-Age, and Config.Short limits the session.
func Remember(remember bool) SignInOption { return middleware.Remember(remember) }

// EndsBy ends the session at t, however it is used until then.
func EndsBy(t time.Time) SignInOption { return middleware.EndsBy(t) }

// With gives the session an attribute: Session.Attributes, and TermsOf in LoadUser. All attributes
// together have at most 256 bytes as JSON.
func With(name, value string) SignInOption { return middleware.With(name, value) }

// Actor begins a session in which the actor, whose own session the request has, acts as the user
// for at most an hour. Auth.StopActing returns to the actor's own session. The app must have
// checked that the actor may do this.
func Actor(actorID, reason string) SignInOption { return middleware.Actor(actorID, reason) }

// Device is a session of a user, as the list of their sessions shows it. Auth.Sessions returns
// devices.
type Device = middleware.Device

// Short limits the sessions that are begun with Remember(false), for Config.Short.
type Short = middleware.Short

// AtMaxSessions is what a sign-in beyond Config.MaxSessions does.
type AtMaxSessions = middleware.AtMaxSessions

// The values of [AtMaxSessions].
const (
	// EndOldest ends the session with the oldest refresh token.
	EndOldest = middleware.EndOldest
	// RefuseNew refuses the sign-in with CodeTooManySessions.
	RefuseNew = middleware.RefuseNew
)

// NoAddress is a value of Config.ClientAddress with which no address is kept.
func NoAddress(r *http.Request) netip.Addr { return middleware.NoAddress(r) }

// Component is a part of a page. It is a templ component, its HTML method returns a template.HTML
// for html/template, and its Render method writes it in any other template library.
type Component = middleware.Component

// PageData renders the page data and the script tag of the browser module, which keeps the page
// signed in. Put it into the head of every page, or into the body where htmx or Turbo swaps pages.
var PageData Component = middleware.PageData

// DataBlock renders only the page data, for apps that load the browser module themselves.
var DataBlock Component = middleware.DataBlock

// ScriptTag renders only the script tag of the browser module.
var ScriptTag Component = middleware.ScriptTag

// FormField renders the hidden field that Auth.ValidateFormSubmission checks.
var FormField Component = middleware.FormField

// FuncMap returns the functions "lucia", "luciaField" and "luciaReturn" for html/template. In a
// template {{lucia .Ctx}} renders [PageData] and {{luciaField .Ctx}} renders [FormField], where
// .Ctx is the request's context. {{luciaReturn .Request}} renders [ReturnField] of the request.
func FuncMap() template.FuncMap { return middleware.FuncMap() }

// ReturnPath returns the path to redirect to after a sign-in. It is the page that Auth.Require
// refused, which the query or the form contains as "next", or fallback if there is none. It is
// always a path of this site. ReturnPath parses r's form.
func ReturnPath(r *http.Request, fallback string) string { return middleware.ReturnPath(r, fallback) }

// ReturnField renders the hidden field with which a login form carries the return path of r. It
// renders nothing if r has no return path. ReturnField parses r's form.
func ReturnField(r *http.Request) Component { return middleware.ReturnField(r) }

// FormUnsent reports whether the person is on the step-up page because Auth.RequireRecent has
// refused a form that they submitted. The page should then tell them that the form was not saved.
func FormUnsent(r *http.Request) bool { return middleware.FormUnsent(r) }

// Error responds to r with an error: a page if IsPage(r), otherwise JSON as [WriteError] writes it.
// Only the code or its meaning reaches the client.
func Error(w http.ResponseWriter, r *http.Request, err error) { middleware.Error(w, r, err) }

// WriteError responds to a script with an error: its [Status], the headers for that status, and
// the body {"message":"CODE"}. Only the code reaches the client.
func WriteError(w http.ResponseWriter, err error) { middleware.WriteError(w, err) }

// Status returns the HTTP status for an error of this library. It returns 200 for nil and 500 for
// an error without a code.
func Status(err error) int { return middleware.Status(err) }

// Denial is a refusal by Auth.Require that has not been written yet, for Config.Deny.
type Denial = middleware.Denial

// IsPage reports whether the response to r is shown to a person, whatever the method is. An app
// calls it to send a page to people and JSON to scripts.
func IsPage(r *http.Request) bool { return middleware.IsPage(r) }

// Outcome describes how a request got its session, or why it has none. Auth.Outcome returns it.
// Its method HasSession reports whether there is a session.
type Outcome = middleware.Outcome

// The outcomes of a request.
const (
	// OutcomeAnonymous: the request has no cookie of this library and no bearer token, or the
	// middleware has not run.
	OutcomeAnonymous = middleware.OutcomeAnonymous
	// OutcomeFresh: the access token is valid. The store was not accessed.
	OutcomeFresh = middleware.OutcomeFresh
	// OutcomeSignedIn: this request signed in.
	OutcomeSignedIn = middleware.OutcomeSignedIn
	// OutcomeRefreshed: the refresh token rotated.
	OutcomeRefreshed = middleware.OutcomeRefreshed
	// OutcomeCurrent: there is a new access token; the refresh token did not rotate.
	OutcomeCurrent = middleware.OutcomeCurrent
	// OutcomeRepeated: the browser presented the previous refresh token and got the current one
	// again. Most often a response was lost.
	OutcomeRepeated = middleware.OutcomeRepeated
	// OutcomeAdopted: the store had lost its last writes. The session continues.
	OutcomeAdopted = middleware.OutcomeAdopted
	// OutcomeExpired: the session has ended, or its access token has expired and there is no
	// refresh token.
	OutcomeExpired = middleware.OutcomeExpired
	// OutcomeReused: a refresh token was presented that an honest browser no longer has.
	OutcomeReused = middleware.OutcomeReused
	// OutcomeUnavailable: the store or LoadUser failed. The session may be alive.
	OutcomeUnavailable = middleware.OutcomeUnavailable
	// OutcomeDeferred: the session needs a refresh, and a request of this kind (an image, a
	// prefetch) does not start one.
	OutcomeDeferred = middleware.OutcomeDeferred
	// OutcomeInvalid: a token is malformed, forged or does not match the fingerprint cookie.
	OutcomeInvalid = middleware.OutcomeInvalid
	// OutcomeUnknownKey: a token is signed with a key that this process does not have.
	OutcomeUnknownKey = middleware.OutcomeUnknownKey
	// OutcomeCrossOrigin: an unsafe request came from another origin. Its cookies are ignored.
	OutcomeCrossOrigin = middleware.OutcomeCrossOrigin
	// OutcomeAmbiguous: the request has cookies of several sessions. All are ignored.
	OutcomeAmbiguous = middleware.OutcomeAmbiguous
	// OutcomeSignedOut: this request signed out.
	OutcomeSignedOut = middleware.OutcomeSignedOut
)

// ErrUserNotFound is the error that LoadUser returns, wrapped or not, for a user who has been
// deleted. It ends all sessions of the user. Every other error means that LoadUser failed, and
// ends no session.
var ErrUserNotFound = session.ErrUserNotFound

// ErrUserTooLarge is wrapped by an error of Auth.CheckUser if the tokens that carry the user's
// data do not fit into their cookies (Config.MaxCookieBytes).
var ErrUserTooLarge = session.ErrUserTooLarge

// Code is a coded error. Its text reaches clients; an error that wraps it stays in the log.
// errors.Is(err, lucia.CodeUnauthorized) tests for one.
type Code = session.Code

// CodeOf returns the code that err wraps. It returns [CodeUnknown] if err has no code, and the
// empty code if err is nil.
func CodeOf(err error) Code { return session.CodeOf(err) }

// The error codes.
const (
	// CodeNotAuthenticated: a sign-out or a request for the session came without a session.
	CodeNotAuthenticated = session.CodeNotAuthenticated
	// CodeUnauthorized: the session has ended, or a page requires one and there is none.
	CodeUnauthorized = session.CodeUnauthorized
	// CodeDatabaseFetchFailed: the store or LoadUser failed. Nothing changed; the same
	// request may succeed later.
	CodeDatabaseFetchFailed = session.CodeDatabaseFetchFailed
	// CodeDatabaseUpdateFailed: the store failed to record a sign-in or a sign-out. The
	// same request may succeed later.
	CodeDatabaseUpdateFailed = session.CodeDatabaseUpdateFailed
	// CodeInvalidAccessToken: the access token is malformed, forged, expired, or does not match
	// the fingerprint cookie.
	CodeInvalidAccessToken = session.CodeInvalidAccessToken
	// CodeInvalidRefreshToken: the refresh token is malformed, forged, or does not match the
	// fingerprint cookie.
	CodeInvalidRefreshToken = session.CodeInvalidRefreshToken
	// CodeInvalidRequest: the request came from another origin, or its form cannot be parsed.
	CodeInvalidRequest = session.CodeInvalidRequest
	// CodeInvalidRequestMethod: the method is not allowed for the route or the check.
	CodeInvalidRequestMethod = session.CodeInvalidRequestMethod
	// CodeInvalidUserID: a user id is empty, longer than 256 bytes or not UTF-8, or there is no
	// such user.
	CodeInvalidUserID = session.CodeInvalidUserID
	// CodeInvalidTerms: the options of a sign-in are invalid. See [Terms].
	CodeInvalidTerms = session.CodeInvalidTerms
	// CodeTooManySessions: the user has as many sessions as they may have, and a new one is
	// refused.
	CodeTooManySessions = session.CodeTooManySessions
	// CodeStepUpRequired: there is a session, but its user has to sign in again first, because the
	// last time was too long ago (Auth.RequireRecent).
	CodeStepUpRequired = session.CodeStepUpRequired
	// CodeDeviceRequired: there is a session, but it is not bound to a key of the browser's device
	// ([RequireBound]).
	CodeDeviceRequired = session.CodeDeviceRequired
	// CodeUnknown: any other error.
	CodeUnknown = session.CodeUnknown
)
