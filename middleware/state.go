package middleware

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/lucia-go/lucia/session"
)

// state is what the middleware knows of one request. It is the request's context
// itself and holds the request that has it: one allocation for all three.
//
// What reads it (Session, page data, checks) may run in any goroutine and outlive
// the request, so it holds nothing of the answer, and what may change is atomic.
type state[U any] struct {
	context.Context
	auth      *Auth[U]
	request   *http.Request // as it came in
	onward    http.Request  // as it goes on, with this context
	public    bool          // the app has declared the answer to be for everyone
	refreshed bool          // the answer has the cookies of a refresh
	cookies   []string      // the Cookie lines, for the refresh token of page data
	lines     [2]string     // values of the answer's Cache-Control and Vary

	current atomic.Pointer[resolved[U]]
	first   resolved[U] // what current points to unless the handler changes it
	private atomic.Bool // this library has made the answer private
	warned  atomic.Bool // the log has a line on this request's page data
	forms   sync.Mutex  // one goroutine at a time parses the request's form
}

// resolved is a request's session, or why it has none. It does not change.
type resolved[U any] struct {
	outcome  Outcome
	signedIn bool
	session  session.Session[U]
}

// who returns the session, or nil.
func (c *resolved[U]) who() *session.Session[U] {
	if !c.signedIn {
		return nil
	}
	return &c.session
}

func (a *Auth[U]) newState(r *http.Request, d *decision[U]) *state[U] {
	s := &state[U]{Context: r.Context(), auth: a, request: r, public: d.public, cookies: r.Header["Cookie"]}
	s.first.outcome = d.outcome
	if d.signedIn {
		s.first.session, s.first.signedIn = d.session, true
	}
	s.current.Store(&s.first)
	return s
}

// update lets the rest of the request see another session, or none, in an answer that
// is private now. What handlers already hold of the former session stays as it is.
func (a *Auth[U]) update(ctx context.Context, s *session.Session[U], o Outcome) {
	st := a.stateOf(ctx)
	if st == nil {
		return
	}
	next := &resolved[U]{outcome: o}
	if s != nil {
		next.session, next.signedIn = *s, true
	}
	st.private.Store(true)
	st.current.Store(next)
}

// setCaching decides on the answer's caching before the app's handler runs, which may
// decide otherwise. What a page loads by itself, and what the app has declared public,
// is left alone. The answer to a request that carries something of ours is this
// person's own, and not to be stored. Anything else may be a page that tells people
// apart, so browsers may keep it and have to ask (RFC 9111, section 5.2.2).
func (s *state[U]) setCaching(h http.Header, r *http.Request) {
	switch {
	case s.public || isPassive(r):
	case s.first.outcome != OutcomeAnonymous:
		s.setPrivate(h)
	default:
		s.setUnshared(h)
	}
}

// setPrivate is [setPrivate] without an allocation.
func (s *state[U]) setPrivate(h http.Header) {
	s.lines = [2]string{noStore, "Cookie"}
	s.setLines(h)
	s.private.Store(true)
}

// setUnshared keeps an answer out of shared caches, unless something outside of this
// middleware has decided on its caching.
func (s *state[U]) setUnshared(h http.Header) {
	if len(h["Cache-Control"]) > 0 {
		return
	}
	s.lines = [2]string{"private, no-cache", "Cookie"}
	s.setLines(h)
}

func (s *state[U]) setLines(h http.Header) {
	h["Cache-Control"] = s.lines[0:1:1]
	if len(h["Vary"]) == 0 {
		h["Vary"] = s.lines[1:2:2]
	} else {
		addVary(h, "Cookie")
	}
}

const noStore = "private, no-store"

// setPrivate forbids storing an answer (RFC 9111, section 5.2.2.5) and, for caches
// that know better, says what it depends on. Every answer that sets a cookie of ours
// has it.
func setPrivate(h http.Header) {
	h.Set("Cache-Control", noStore)
	addVary(h, "Cookie")
}

type stateKey struct{}

// Value implements context.Context.
func (s *state[U]) Value(key any) any {
	if key == (stateKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// String and Format keep tokens out of logs of a request's context, which is this
// state: fmt would print all that it holds.
func (s *state[U]) String() string { return "lucia: state of a request" }

// Format implements fmt.Formatter for every verb.
func (s *state[U]) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// warn writes a line to the log, once a request, that page data lacks the session.
func (s *state[U]) warn() {
	if s.warned.CompareAndSwap(false, true) {
		s.auth.logger().Warn("lucia: page data without the session, since the answer is not private: it is one that "+
			"Config.Public names, or a part that a page loads by itself, or the handler has replaced Cache-Control",
			"path", s.request.URL.Path)
	}
}

func (a *Auth[U]) logger() *slog.Logger { return cmp.Or(a.config.Logger, slog.Default()) }

// stateOf returns the state that a put into ctx, or nil. Where several Auths are
// nested each finds its own.
func (a *Auth[U]) stateOf(ctx context.Context) *state[U] {
	for {
		switch s := ctx.Value(stateKey{}).(type) {
		case nil:
			return nil
		case *state[U]:
			if s.auth == a {
				return s
			}
			ctx = s.Context
		case interface{ outer() context.Context }:
			ctx = s.outer()
		default:
			return nil
		}
	}
}

func (s *state[U]) outer() context.Context { return s.Context }

// Session returns the session of the request that ctx belongs to, or nil where
// there is none, or where the middleware has not run, which the log says once. A
// *gin.Context is as good as its request's context. It asks no store and writes
// nothing: any goroutine may call it at any time, also after the request. It follows
// SignIn, SignOut and Reload.
//
// The middleware has made the answer private and not to be stored, unless the request
// is for an image, a style or another part that a page loads by itself: an answer of
// that kind that depends on the session belongs behind [Auth.Require], or says so
// itself in Cache-Control.
//
// What the session's user data points to is shared between requests and must not be
// changed.
func (a *Auth[U]) Session(ctx context.Context) *session.Session[U] {
	if s := a.stateIn(ctx); s != nil {
		return s.current.Load().who()
	}
	return nil
}

// Outcome says how the request that ctx belongs to came by its session, or why
// it has none. Like [Auth.Session] it may be called anywhere and at any time.
func (a *Auth[U]) Outcome(ctx context.Context) Outcome {
	if s := a.stateIn(ctx); s != nil {
		return s.current.Load().outcome
	}
	return OutcomeAnonymous
}
