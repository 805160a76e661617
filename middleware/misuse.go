package middleware

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"sync"
)

// misuse guards the lines of the log that say what cannot work: one of each kind in the
// life of an Auth.
type misuse struct{ stateless, nested, lost sync.Once }

// stateIn is stateOf for what handlers pass as context. If it is no request's that the
// middleware has seen, the log says so, since the answer looks like that to a
// signed-out visitor.
func (a *Auth[U]) stateIn(ctx context.Context) *state[U] {
	if s := a.stateOf(ctx); s != nil {
		return s
	}
	if inner := ginRequestContext(ctx); inner != nil {
		if s := a.stateOf(inner); s != nil {
			return s
		}
	}
	a.misused.stateless.Do(func() {
		a.logger().Warn("lucia: the session was asked for with a context that the middleware has not made, which looks like a signed-out visitor: " +
			"pass the request's context, behind the middleware or Require; Config.Skip and routers that run middleware for their own routes only leave it out")
	})
	return nil
}

// ginRequestContext returns the context of the request of a *gin.Context, or of a context
// made of one; nil for any other. gin's own Value asks the request's context only if
// Engine.ContextWithFallback is set. The type is gin's and no dependency of this
// package, hence the reflection.
func ginRequestContext(ctx context.Context) context.Context {
	const contextKey = "_gin-gonic/gin/contextkey" // gin.ContextKey
	v := reflect.ValueOf(ctx.Value(contextKey))
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	field, found := v.Elem().Type().FieldByName("Request")
	if !found || !field.IsExported() || len(field.Index) > 1 { // an embedded pointer may be nil
		return nil
	}
	if r, ok := v.Elem().FieldByIndex(field.Index).Interface().(*http.Request); ok && r != nil {
		return r.Context()
	}
	return nil
}

// warnOfNesting says once that another Auth has seen the request of ctx before a does.
func (a *Auth[U]) warnOfNesting(ctx context.Context) {
	outer, ok := ctx.Value(stateKey{}).(interface{ cookieName() string })
	if !ok {
		return
	}
	a.misused.nested.Do(func() {
		if outer.cookieName() == a.cookies.access {
			a.logger().Error("lucia: two Auths around one request have cookies of the same names, so that each ends the sessions of the other: " +
				"give one of them a CookiePrefix and a BasePath of its own")
			return
		}
		a.logger().Warn("lucia: two Auths around one request: its page data, form fields and browser module are those of the inner one: " +
			"give each the pages of its own")
	})
}

func (s *state[U]) cookieName() string { return s.auth.cookies.access }

// CheckAnswer says in the log, once, that what has answered r has dropped the cookies of
// a refresh. It is for those who wrap [Auth.HandleServerSession] into a framework's own
// middleware, after the app's handler has returned; r is the request that
// HandleServerSession returned.
func (a *Auth[U]) CheckAnswer(w http.ResponseWriter, r *http.Request) {
	s := a.stateOf(r.Context())
	if s == nil || !s.first.refreshed || hasCookie(w.Header(), a.cookies.access) {
		return
	}
	a.misused.lost.Do(func() {
		a.logger().Error("lucia: the cookies of a refresh were dropped from an answer that set a cookie of its own: "+
			"http.TimeoutHandler, echo's Timeout and whatever else answers with another header go around the middleware, not inside it",
			"path", r.URL.Path)
	})
}

// hasCookie reports whether a header sets or clears a cookie of that name.
func hasCookie(h http.Header, name string) bool {
	for _, line := range h["Set-Cookie"] {
		if rest, ok := strings.CutPrefix(line, name); ok && strings.HasPrefix(rest, "=") {
			return true
		}
	}
	return false
}
