package middleware

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/lucia-go/lucia/session"
)

// state is what the middleware knows of one request. It is the request's context
// itself and holds the request that has it: one allocation for all three.
type state[U any] struct {
	context.Context
	auth    *Auth[U]
	request *http.Request // as it came in; for the refresh token of page data
	onward  http.Request  // as it goes on, with this context
	header  http.Header   // of the answer
	private atomic.Bool   // the answer is marked as this person's own
	lines   privateLines  // of that mark

	outcome Outcome
	session *session.Session[U] // nil: none
	found   session.Session[U]  // what session points to unless the handler changed it
}

func (a *Auth[U]) newState(w http.ResponseWriter, r *http.Request, d *decision[U]) *state[U] {
	s := &state[U]{Context: r.Context(), auth: a, request: r, header: w.Header(), outcome: d.outcome}
	if d.signedIn {
		s.found = d.session
		s.session = &s.found
	}
	return s
}

// update lets the rest of the request see another session, or none. What
// handlers already hold of the former one stays as it is.
func (a *Auth[U]) update(ctx context.Context, s *session.Session[U], o Outcome) {
	if st := a.stateOf(ctx); st != nil {
		st.session, st.outcome = s, o
	}
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

// insistPrivate marks an answer that carries the session itself, whatever the app
// has told caches since, unless that keeps it from shared caches, too.
func (s *state[U]) insistPrivate() {
	said := strings.ToLower(strings.Join(s.header["Cache-Control"], ","))
	if !strings.Contains(said, "private") && !strings.Contains(said, "no-store") {
		s.private.Store(true)
		s.lines.set(s.header)
	}
}

// markPrivate says to caches that the answer is for this person only. It has an
// effect once, and only before the answer's header is written.
func (s *state[U]) markPrivate() {
	if !s.private.Load() && s.private.CompareAndSwap(false, true) {
		s.lines.set(s.header)
	}
}

// setPrivate marks an answer of a request that has no state.
func setPrivate(h http.Header) { new(privateLines).set(h) }

// privateLines is where the values of the two headers live: without an
// allocation where they are part of a state.
type privateLines [2]string

// set forbids storing (RFC 9111, section 5.2.2.5) and, for caches that know
// better, says what the answer depends on.
func (lines *privateLines) set(h http.Header) {
	*lines = privateLines{"private, no-store", "Cookie"}
	h["Cache-Control"] = lines[0:1:1]
	if vary := h["Vary"]; len(vary) == 0 {
		h["Vary"] = lines[1:2:2]
	} else {
		addVary(h, "Cookie")
	}
}

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
// there is none, or where the middleware has not run. It asks no store.
//
// The first call in a request marks the answer as private and not to be stored,
// so it has to come before the answer's header is written, and not from several
// goroutines at once with writes to that header; see [Auth.Handler] on
// http.TimeoutHandler. (Not marked is the answer to an anonymous GET that is no
// browser's: one without Sec-Fetch-Dest and without text/html in Accept. See ADR 9.)
//
// What the session's user data points to is shared between requests and must not be
// changed.
func (a *Auth[U]) Session(ctx context.Context) *session.Session[U] {
	s := a.stateOf(ctx)
	if s == nil {
		return nil
	}
	if ctx.Err() == nil { // else the request is over, and its header may be another goroutine's
		s.markPrivate()
	}
	return s.session
}

// Outcome says how the request that ctx belongs to came by its session, or why
// it has none.
func (a *Auth[U]) Outcome(ctx context.Context) Outcome {
	if s := a.stateOf(ctx); s != nil {
		return s.outcome
	}
	return OutcomeAnonymous
}
