package middleware

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// state is the middleware's state of one request. It implements the request's context and
// contains the request that carries it, so that one allocation serves all three.
//
// Its readers (Session, page data, checks) may run in any goroutine and outlive the request, so
// it holds no part of the response, and its mutable part is atomic.
type state[U any] struct {
	auth      *Auth[U]
	request   *http.Request // as it arrived, with the outer context
	forwarded http.Request  // as it is passed on, with this context
	cookies   string        // the request's Cookie header, or with oneCookie its refresh cookie
	oneCookie bool
	accepted  *engine.Verified[U] // the request's access token, or nil
	lines     [2]string           // values of the response's Cache-Control and Vary
	forms     sync.Mutex          // held while a goroutine parses the request's form
	rendered  atomic.Bool         // the session has been rendered into a page
	stream    atomic.Pointer[streamOf]
	current   atomic.Pointer[resolved[U]]
	first     resolved[U] // what current points to until something changes
}

// resolved describes a request: its session, or why it has none. It is immutable. A change
// replaces the state's current value.
type resolved[U any] struct {
	outcome  Outcome
	signedIn bool
	private  bool // this library has made the response private
	public   bool // the app has declared the response public
	warned   bool // a warning about this request's page data has been logged
	asked    bool // the store has been asked about the session
	// refreshed is set if the response has the cookies of a refresh.
	refreshed bool
	session   session.Session[U]
}

// sessionOrNil returns the session, or nil.
func (c *resolved[U]) sessionOrNil() *session.Session[U] {
	if !c.signedIn {
		return nil
	}
	return &c.session
}

func (a *Auth[U]) newState(r *http.Request, d *decision[U]) *state[U] {
	s := &state[U]{auth: a, request: r, accepted: d.accepted}
	switch lines := r.Header["Cookie"]; {
	case d.refreshCookie != "":
		s.cookies, s.oneCookie = d.refreshCookie, true
	case len(lines) == 1:
		s.cookies = lines[0]
	default:
		s.cookies = strings.Join(lines, "; ")
	}
	s.first.outcome, s.first.public, s.first.refreshed = d.outcome, d.public, d.refreshed != nil
	s.first.asked = d.asked
	if d.signedIn {
		s.first.session, s.first.signedIn = d.session, true
	}
	s.current.Store(&s.first)
	return s
}

// change applies f to a copy of the current value and stores the copy. It reports whether f has
// changed anything.
func (s *state[U]) change(f func(*resolved[U]) bool) bool {
	for {
		before := s.current.Load()
		after := *before
		if !f(&after) {
			return false
		}
		if s.current.CompareAndSwap(before, &after) {
			return true
		}
	}
}

// update makes the rest of the request see another session, or none, and makes the response
// private. A former session that handlers already have does not change.
func (a *Auth[U]) update(ctx context.Context, s *session.Session[U], o Outcome) {
	st := a.stateOf(ctx)
	if st == nil {
		return
	}
	st.change(func(now *resolved[U]) bool {
		now.outcome, now.signedIn, now.private = o, s != nil, true
		if s != nil {
			now.session = *s
		}
		return true
	})
}

// setCaching sets the response's caching before the app's handler runs, which may override it. It
// does not change the caching of parts that a page loads by itself and of responses that the app
// has declared public. The response to a request with credentials of this library is personal and
// must not be stored. Any other response may be a page that differs for signed-in people, so
// browsers may store it but must revalidate it (RFC 9111, section 5.2.2).
func (s *state[U]) setCaching(h http.Header, r *http.Request) {
	switch {
	case s.first.public || isPassive(r):
	case s.first.outcome != OutcomeAnonymous:
		s.first.private = true
		s.lines = [2]string{noStore, "Cookie"}
		setLines(h, &s.lines)
	default:
		s.setUnshared(h)
	}
}

// setPrivate makes a response private that setCaching has not made private.
func (s *state[U]) setPrivate(h http.Header) {
	if s.change(func(now *resolved[U]) bool {
		was := now.private
		now.private = true
		return !was
	}) {
		setPrivate(h)
	}
}

// setUnshared keeps a response out of shared caches, unless code outside of this middleware has
// set its caching.
func (s *state[U]) setUnshared(h http.Header) {
	if len(h["Cache-Control"]) > 0 {
		return
	}
	s.lines = [2]string{"private, no-cache", "Cookie"}
	setLines(h, &s.lines)
}

const noStore = "private, no-store"

// setPrivate forbids storing a response (RFC 9111, section 5.2.2.5). It also sets Vary, for
// caches that store it nevertheless. Every response that sets a cookie of this library has these
// headers.
func setPrivate(h http.Header) {
	setLines(h, &[2]string{noStore, "Cookie"})
}

// setLines sets Cache-Control to the first line and adds the second to Vary.
func setLines(h http.Header, lines *[2]string) {
	h["Cache-Control"] = lines[0:1:1]
	if len(h["Vary"]) == 0 {
		h["Vary"] = lines[1:2:2]
	} else {
		addVary(h, lines[1])
	}
}

type stateKey struct{}

// Value implements context.Context.
func (s *state[U]) Value(key any) any {
	if key == (stateKey{}) {
		return s
	}
	return s.outer().Value(key)
}

// Deadline implements context.Context.
func (s *state[U]) Deadline() (time.Time, bool) { return s.outer().Deadline() }

// Done implements context.Context.
func (s *state[U]) Done() <-chan struct{} { return s.outer().Done() }

// Err implements context.Context.
func (s *state[U]) Err() error { return s.outer().Err() }

// outer returns the context around this one.
func (s *state[U]) outer() context.Context { return s.request.Context() }

// String and Format keep tokens out of logs of a request's context. Since the context is this
// state, fmt would otherwise print all of its fields.
func (s *state[U]) String() string { return "lucia: state of a request" }

// Format implements fmt.Formatter for every verb.
func (s *state[U]) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// warn logs once per request that the page data lacks the session.
func (s *state[U]) warn() {
	if s.change(func(now *resolved[U]) bool {
		was := now.warned
		now.warned = true
		return !was
	}) {
		s.auth.logger().Warn("lucia: page data without the session, because the response is not private: Config.Public names the request, "+
			"or a page loads it by itself, or the handler has replaced Cache-Control",
			"path", s.request.URL.Path)
	}
}

func (a *Auth[U]) logger() *slog.Logger { return cmp.Or(a.config.Logger, slog.Default()) }

// stateOf returns the state that a put into ctx, or nil. If several Auths are nested, each finds
// its own.
func (a *Auth[U]) stateOf(ctx context.Context) *state[U] {
	for {
		switch s := ctx.Value(stateKey{}).(type) {
		case nil:
			return nil
		case *state[U]:
			if s.auth == a {
				return s
			}
			ctx = s.outer()
		case interface{ outer() context.Context }:
			ctx = s.outer()
		default:
			return nil
		}
	}
}

// Session returns the session of the request that ctx belongs to. It returns nil if there is
// none, or if the middleware has not run, which is logged once. ctx may also be a *gin.Context.
// Session does not access the store and writes nothing, so any goroutine may call it at any time,
// also after the request. It reflects SignIn, SignOut and Reload.
//
// The middleware makes the response private, and caches do not store it, unless the request is
// for an image, a style or another part that a page loads by itself. Protect a response of that
// kind that depends on the session with [Auth.Require], or set its Cache-Control.
//
// What the session's user data points to is shared between requests and must not be modified.
func (a *Auth[U]) Session(ctx context.Context) *session.Session[U] {
	if s := a.stateIn(ctx); s != nil {
		return a.forApp(s.current.Load().sessionOrNil())
	}
	return nil
}

// forApp returns a session in the form for the app. In hardened mode it has no tokens, so that no
// value that an app marshals contains one.
func (a *Auth[U]) forApp(s *session.Session[U]) *session.Session[U] {
	if s == nil || !a.config.Hardened {
		return s
	}
	out := *s
	out.AccessToken, out.RefreshToken = "", ""
	return &out
}

// Outcome describes how the request that ctx belongs to got its session, or why it has none. Like
// [Auth.Session] it may be called by any goroutine at any time.
func (a *Auth[U]) Outcome(ctx context.Context) Outcome {
	if s := a.stateIn(ctx); s != nil {
		return s.current.Load().outcome
	}
	return OutcomeAnonymous
}
