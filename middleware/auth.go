package middleware

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// Auth is session auth for a web app: a middleware, the routes it mounts, and
// what handlers ask of it. One Auth serves the whole app; it is safe for
// concurrent use.
type Auth[U any] struct {
	config  Config[U]
	manager *engine.Manager[U]
	cookies cookieWriter
	origins *http.CrossOriginProtection
	routes  map[string]route // by the last element of the path
	// scriptTag is the script tag of page data, up to where a nonce goes.
	scriptTag string
	plain     sync.Once // guards the line about sign-ins over plain http
	reach     reach
	misused   misuse
}

// New returns an Auth, or an error that says what is wrong with config.
func New[U any](config Config[U]) (*Auth[U], error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	a := &Auth[U]{
		config:  config,
		cookies: newCookieWriter(config),
		origins: http.NewCrossOriginProtection(),
	}
	for _, origin := range config.TrustedOrigins {
		if err := a.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("middleware: TrustedOrigins: %w", err)
		}
	}
	sessions, err := config.engineConfig(a.cookies)
	if err != nil {
		return nil, err
	}
	if a.manager, err = engine.New(sessions); err != nil {
		return nil, err
	}
	a.config.Secret, a.config.PreviousSecrets = nil, nil // nothing prints what is not there
	a.routes = a.newRoutes()
	a.scriptTag = newScriptTag(config.BasePath)
	return a, nil
}

// Handler wraps next: the routes below the base path are answered, every other
// request reaches next with its session in the context. The ResponseWriter is
// passed on as it is, so that flushing, hijacking and everything else that next
// does with it works.
//
// Cookies and headers are written before next runs. What may answer in the place of
// next with a header of its own (http.TimeoutHandler, echo's Timeout) therefore goes
// around this handler, not inside it.
func (a *Auth[U]) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r, ok := a.HandleServerSession(w, r); ok {
			next.ServeHTTP(w, r)
			a.CheckAnswer(w, r)
		}
	})
}

// HandleServerSession is the core of the middleware, for those who wrap it into
// a framework's own (lucia-sveltekit's handleServerSession). Cookies and headers
// are written before it returns. ok says that the request it returns, with the session
// in its context, goes to the app's handler. Otherwise the request has been answered:
// it was for one of the middleware's routes, or for a page ahead of time that would
// have needed a refresh.
//
// Running it again on the request that it returned is harmless.
func (a *Auth[U]) HandleServerSession(w http.ResponseWriter, r *http.Request) (out *http.Request, ok bool) {
	if a.config.Skip != nil && a.config.Skip(r) {
		return r, true
	}
	if route, ok := a.routeOf(r.URL.Path); ok {
		a.reach.seen.Store(true)
		a.serveRoute(w, r, route)
		return r, false
	}
	out, denial := a.resolve(w, r)
	if denial != nil {
		denial.Write(w)
		return out, false
	}
	return out, true
}

// resolve finds out the session of a request for the app. It refuses a page that is
// asked for ahead of time and needs a refresh: what the person would be shown later,
// when they open it, is the page of a signed-out visitor.
func (a *Auth[U]) resolve(w http.ResponseWriter, r *http.Request) (*http.Request, *Denial) {
	if a.stateOf(r.Context()) != nil {
		return r, nil
	}
	a.warnOfNesting(r.Context())
	public := a.config.Public != nil && a.config.Public(r)
	d := decision[U]{public: public}
	a.decide(&d, r)
	d.public = public
	s := a.newState(r, &d)
	s.setCaching(w.Header(), r)
	s.onward = *r.WithContext(s) // the copy that WithContext makes stays on the stack
	if d.outcome == OutcomeDeferred && !public && isPrefetch(r) && !isPassive(r) {
		setPrivate(w.Header())
		return &s.onward, notAhead()
	}
	a.setCookies(w.Header(), r, &d)
	return &s.onward, nil
}

// setCookies carries out what has been decided about the cookies.
func (a *Auth[U]) setCookies(h http.Header, r *http.Request, d *decision[U]) {
	if d.dead && !d.public && isNavigation(r) {
		a.clearDead(h, r)
	}
	if d.refreshed != nil {
		a.setRefreshed(h, r, d.refreshed)
	}
}

// BasePath returns the path below which the middleware's routes live.
func (a *Auth[U]) BasePath() string { return a.config.BasePath }

// Flush waits until what is told the store off the request path has been told,
// or ctx ends. Call it at shutdown, after the server's own.
func (a *Auth[U]) Flush(ctx context.Context) error { return a.manager.Flush(ctx) }

// RevokeUser ends all sessions of the user: "sign out everywhere". Access tokens
// are honoured until they expire, except by this process. Errors carry
// session.CodeDatabaseUpdateFailed or session.CodeInvalidUserID.
//
// The request that calls it keeps its session, and its browser the cookies: to end
// these as well call SignOut, to end all others (after a change of password)
// SignIn.
func (a *Auth[U]) RevokeUser(ctx context.Context, userID string) error {
	return a.manager.RevokeUser(ctx, userID)
}

// CheckUser says what would keep tokens from carrying what LoadUser is to return,
// nil where nothing would. An app asks before it saves what people write of
// themselves: session.ErrUserTooLarge says that it would not fit into the cookies
// (Config.MaxCookieBytes).
func (a *Auth[U]) CheckUser(userID string, data U) error { return a.manager.CheckUser(userID, data) }

// Sessions returns the live sessions of the user, by id, for a page that shows them:
// a record says when a session began and when it was last issued a refresh token.
// Errors carry session.CodeInvalidUserID or session.CodeDatabaseFetchFailed.
func (a *Auth[U]) Sessions(ctx context.Context, userID string) (map[session.ID]session.Record, error) {
	return a.manager.Sessions(ctx, userID)
}

// EndSession ends one session of the user, on whichever device it is. A session that
// has ended already is no error. Access tokens of the session are honoured until they
// expire, except by this process. Errors carry session.CodeInvalidUserID or
// session.CodeDatabaseUpdateFailed: it is then unknown whether the session ended, and
// repeating the call is harmless. The end of ctx does not stop the call.
//
// A request that ends its own session calls [Auth.SignOut], which clears the cookies.
func (a *Auth[U]) EndSession(ctx context.Context, userID string, id session.ID) error {
	return a.manager.SignOut(ctx, userID, id)
}
