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

	"github.com/lucia-go/lucia/session"
)

// state is what the middleware knows of one request. It is the request's context
// itself and holds the request that has it: one allocation for all three.
//
// What reads it (Session, page data, checks) may run in any goroutine and outlive
// the request, so it holds nothing of the answer, and what may change is atomic.
type state[U any] struct {
	auth    *Auth[U]
	request *http.Request // as it came in, with the context around this one
	onward  http.Request  // as it goes on, with this context
	cookies string        // of the request, for the refresh token of page data
	lines   [2]string     // values of the answer's Cache-Control and Vary
	forms   sync.Mutex    // one goroutine at a time parses the request's form
	current atomic.Pointer[resolved[U]]
	first   resolved[U] // what current points to until something changes
}

// resolved is what is known of a request: its session, or why it has none. It does not
// change; what does is which one is the state's current.
type resolved[U any] struct {
	outcome  Outcome
	signedIn bool
	private  bool // this library has made the answer private
	public   bool // the app has declared the answer to be for everyone
	warned   bool // the log has a line on this request's page data
	// refreshed says that the answer has the cookies of a refresh.
	refreshed bool
	session   session.Session[U]
}

// who returns the session, or nil.
func (c *resolved[U]) who() *session.Session[U] {
	if !c.signedIn {
		return nil
	}
	return &c.session
}

func (a *Auth[U]) newState(r *http.Request, d *decision[U]) *state[U] {
	s := &state[U]{auth: a, request: r}
	switch lines := r.Header["Cookie"]; len(lines) {
	case 0:
	case 1:
		s.cookies = lines[0]
	default:
		s.cookies = strings.Join(lines, "; ")
	}
	s.first.outcome, s.first.public, s.first.refreshed = d.outcome, d.public, d.refreshed != nil
	if d.signedIn {
		s.first.session, s.first.signedIn = d.session, true
	}
	s.current.Store(&s.first)
	return s
}

// change makes f's changes to what is known of the request. It reports whether f has
// made any.
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

// update lets the rest of the request see another session, or none, in an answer that
// is private now. What handlers already hold of the former session stays as it is.
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

// setCaching decides on the answer's caching before the app's handler runs, which may
// decide otherwise. What a page loads by itself, and what the app has declared public,
// is left alone. The answer to a request that carries something of ours is this
// person's own, and not to be stored. Anything else may be a page that tells people
// apart, so browsers may keep it and have to ask (RFC 9111, section 5.2.2).
func (s *state[U]) setCaching(h http.Header, r *http.Request) {
	switch {
	case s.first.public || isPassive(r):
	case s.first.outcome != OutcomeAnonymous:
		s.first.private = true
		s.lines = [2]string{noStore, "Cookie"}
		s.setLines(h)
	default:
		s.setUnshared(h)
	}
}

// setPrivate makes the answer private that setCaching has left alone.
func (s *state[U]) setPrivate(h http.Header) {
	if s.change(func(now *resolved[U]) bool {
		was := now.private
		now.private = true
		return !was
	}) {
		setPrivate(h)
	}
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
	return s.outer().Value(key)
}

// Deadline implements context.Context.
func (s *state[U]) Deadline() (time.Time, bool) { return s.outer().Deadline() }

// Done implements context.Context.
func (s *state[U]) Done() <-chan struct{} { return s.outer().Done() }

// Err implements context.Context.
func (s *state[U]) Err() error { return s.outer().Err() }

// outer is the context around this one.
func (s *state[U]) outer() context.Context { return s.request.Context() }

// String and Format keep tokens out of logs of a request's context, which is this
// state: fmt would print all that it holds.
func (s *state[U]) String() string { return "lucia: state of a request" }

// Format implements fmt.Formatter for every verb.
func (s *state[U]) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// warn writes a line to the log, once a request, that page data lacks the session.
func (s *state[U]) warn() {
	if s.change(func(now *resolved[U]) bool {
		was := now.warned
		now.warned = true
		return !was
	}) {
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
			ctx = s.outer()
		case interface{ outer() context.Context }:
			ctx = s.outer()
		default:
			return nil
		}
	}
}

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
		return a.shown(s.current.Load().who())
	}
	return nil
}

// shown returns a session as the app is given it: in hardened mode without its tokens, so
// that no value an app marshals has one in it.
func (a *Auth[U]) shown(s *session.Session[U]) *session.Session[U] {
	if s == nil || !a.config.Hardened {
		return s
	}
	out := *s
	out.AccessToken, out.RefreshToken = "", ""
	return &out
}

// Outcome says how the request that ctx belongs to came by its session, or why
// it has none. Like [Auth.Session] it may be called anywhere and at any time.
func (a *Auth[U]) Outcome(ctx context.Context) Outcome {
	if s := a.stateIn(ctx); s != nil {
		return s.current.Load().outcome
	}
	return OutcomeAnonymous
}
