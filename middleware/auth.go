package middleware

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// Auth is the session authentication of a web app: a middleware, the middleware's routes, and
// methods for handlers. One Auth serves the whole app. It is safe for concurrent use.
type Auth[U any] struct {
	config  Config[U]
	engine  *engine.Engine[U]
	cookies cookieWriter
	origins *http.CrossOriginProtection
	routes  map[string]route // by the last element of the path
	// scriptTag is the script tag of page data, up to the position of a nonce.
	scriptTag string
	plain     sync.Once // guards the log line about sign-ins over plain HTTP
	reach     reach
	misused   misuse
}

// New returns an Auth. It returns an error that describes the problem if config is invalid.
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
	if a.engine, err = engine.New(sessions); err != nil {
		return nil, err
	}
	// No log line can then print them.
	a.config.Secret, a.config.PreviousSecrets, a.config.ServiceKeys = nil, nil, nil
	a.routes = a.newRoutes()
	a.scriptTag = newScriptTag(config.BasePath)
	return a, nil
}

// Handler returns next wrapped in the middleware. The middleware serves the routes below the base
// path. Every other request reaches next with its session in the context. next gets the
// ResponseWriter itself, so it can flush, hijack and use everything else that the ResponseWriter
// supports.
//
// Handler writes cookies and headers before next runs. A handler that may respond in place of next
// with another header (http.TimeoutHandler, echo's Timeout) must therefore wrap this handler and
// must not be wrapped by it.
func (a *Auth[U]) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r, ok := a.HandleServerSession(w, r); ok {
			next.ServeHTTP(w, r)
			a.CheckAnswer(w, r)
		}
	})
}

// HandleServerSession is the core of the middleware, for authors of framework adapters
// (lucia-sveltekit's handleServerSession). It writes cookies and headers before it returns. If ok
// is true, the caller passes the returned request, with the session in its context, to the app's
// handler. If ok is false, the request has been answered: it was for one of the middleware's
// routes, it loads a page ahead of time and would have needed a refresh, or it got a page that
// makes the browser repeat it (Config.DeviceBound).
//
// Calling it again with the returned request is harmless.
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

// resolve determines the session of a request for the app. It refuses a request that loads a page
// ahead of time and needs a refresh, because the person would be shown a signed-out visitor's
// page when they open it later.
func (a *Auth[U]) resolve(w http.ResponseWriter, r *http.Request) (*http.Request, *Denial) {
	if a.stateOf(r.Context()) != nil {
		return r, nil
	}
	a.warnOfNesting(r.Context())
	a.prepareProbe(r)
	public := a.config.Public != nil && a.config.Public(r)
	d := decision[U]{public: public}
	begin := a.clock()
	a.decide(&d, r)
	a.observe(r, d.outcome, begin)
	d.public = public
	s := a.newState(r, &d)
	s.setCaching(w.Header(), r)
	s.forwarded = *r.WithContext(s) // the copy that WithContext makes stays on the stack
	if d.outcome == OutcomeDeferred && !public && isPrefetch(r) && !isPassive(r) {
		setPrivate(w.Header())
		return &s.forwarded, prefetchDenial()
	}
	if again := a.startOver(&d, r); again != nil && !public {
		return &s.forwarded, again
	}
	a.setCookies(w.Header(), r, &d)
	return &s.forwarded, nil
}

// clock returns the time if Config.OnRequest needs it.
func (a *Auth[U]) clock() (now time.Time) {
	if a.config.OnRequest != nil {
		now = time.Now()
	}
	return now
}

// observe calls Config.OnRequest for a request that began to be judged at begin.
func (a *Auth[U]) observe(r *http.Request, o Outcome, begin time.Time) {
	if a.config.OnRequest != nil {
		a.config.OnRequest(r, o, time.Since(begin))
	}
}

// setCookies sets the cookies that d decided on.
func (a *Auth[U]) setCookies(h http.Header, r *http.Request, d *decision[U]) {
	if d.dead && !d.public && isNavigation(r) {
		a.clearDead(h, r)
	}
	if d.refreshed != nil {
		a.setRefreshed(h, r, d.refreshed)
	}
}

// BasePath returns the path of the middleware's routes.
func (a *Auth[U]) BasePath() string { return a.config.BasePath }

// Flush waits until the background calls to the store are done and OnEvent has been called with
// every event. It returns an error if ctx ends first. Call it at shutdown, after the server's own
// Shutdown.
func (a *Auth[U]) Flush(ctx context.Context) error { return a.engine.Flush(ctx) }

// Ready returns nil if the store answers and accepts writes, and its feed, if it has one, is not
// lost. It is for the check by which a load balancer or an orchestrator decides whether to send
// requests to this process. It changes nothing and returns within Config.Timeout. Errors carry
// session.CodeDatabaseFetchFailed.
//
// Requests with a valid access token need no store. docs/operating.md explains what follows from
// that for a check that fails in all processes at once.
func (a *Auth[U]) Ready(ctx context.Context) error { return a.engine.Ready(ctx) }

// RevokeUser ends all sessions of the user ("sign out everywhere"). This process refuses their
// access tokens at once, and every process that reads the feed within a second. Without a feed
// (Config.Feed) the other processes accept them until they expire. Errors carry
// session.CodeDatabaseUpdateFailed or session.CodeInvalidUserID.
//
// The calling request keeps its session, and its browser keeps the cookies. To end them as well,
// call SignOut. To end all sessions except that of the request, as after a change of password, call
// EndOthers.
func (a *Auth[U]) RevokeUser(ctx context.Context, userID string) error {
	return a.engine.RevokeUser(ctx, userID)
}

// CheckUser returns nil if tokens can carry data as the result of LoadUser. An app calls it before
// it saves what people enter about themselves. The error is session.ErrUserTooLarge if the tokens
// would not fit into the cookies (Config.MaxCookieBytes).
func (a *Auth[U]) CheckUser(userID string, data U) error { return a.engine.CheckUser(userID, data) }

// EndSession ends one session of the user, on any device. It returns nil if the session has
// already ended. The session's access tokens are refused as after [Auth.RevokeUser]. Errors carry
// session.CodeInvalidUserID or session.CodeDatabaseUpdateFailed. After the latter it is unknown
// whether the session ended; repeating the call is harmless. The end of ctx does not stop the call.
//
// A request that ends its own session calls [Auth.SignOut], which clears the cookies.
func (a *Auth[U]) EndSession(ctx context.Context, userID string, id session.ID) error {
	return a.engine.EndSession(ctx, userID, id)
}
