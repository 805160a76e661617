package middleware

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"sync"
)

// misuse guards the log lines about setups that cannot work. Each Auth logs each kind once.
type misuse struct{ stateless, nested, lost, shared sync.Once }

// findState is stateOf for the contexts that handlers pass, which may be a *gin.Context.
func (a *Auth[U]) findState(ctx context.Context) *state[U] {
	if s := a.stateOf(ctx); s != nil {
		return s
	}
	if inner := ginRequestContext(ctx); inner != nil {
		return a.stateOf(inner)
	}
	return nil
}

// stateIn is findState for calls that make sense only in a request. If the middleware has not seen
// the context's request, stateIn logs a warning, because the result is the same as for a signed-out
// visitor.
func (a *Auth[U]) stateIn(ctx context.Context) *state[U] {
	if s := a.findState(ctx); s != nil {
		return s
	}
	a.misused.stateless.Do(func() {
		a.logger().Warn("lucia: the session was requested with a context that does not come from the middleware, so the visitor looks signed out: " +
			"pass the request's context behind the middleware or Require; it is also missing for requests that Config.Skip names and in routers that run middleware only for their own routes")
	})
	return nil
}

// ginRequestContext returns the request's context of a *gin.Context, or of a context derived from
// one. It returns nil for any other context. gin's own Value method uses the request's context only
// if Engine.ContextWithFallback is set. The function uses reflection, because this package does not
// depend on gin.
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

// warnOfNesting logs once that another Auth has already seen the request of ctx.
func (a *Auth[U]) warnOfNesting(ctx context.Context) {
	outer, ok := ctx.Value(stateKey{}).(interface{ cookieName() string })
	if !ok {
		return
	}
	a.misused.nested.Do(func() {
		if outer.cookieName() == a.cookies.access {
			a.logger().Error("lucia: two Auths around one request have cookies of the same names, so each ends the sessions of the other: " +
				"give one of them a CookiePrefix and a BasePath of its own")
			return
		}
		a.logger().Warn("lucia: two Auths around one request: its page data, form fields and browser module are those of the inner Auth: " +
			"give each Auth pages of its own")
	})
}

func (s *state[U]) cookieName() string { return s.auth.cookies.access }

// CheckAnswer logs once if the response to r lacks the cookies of a refresh, and once if it has the
// session in its page data although its Cache-Control allows shared caches. It is for authors of
// framework adapters, who call it after the app's handler has returned. r is the request that
// [Auth.HandleServerSession] returned.
func (a *Auth[U]) CheckAnswer(w http.ResponseWriter, r *http.Request) {
	s := a.stateOf(r.Context())
	if s == nil {
		return
	}
	a.checkShared(w.Header(), s)
	if !s.first.refreshed || hasCookie(w.Header(), a.cookies.access) {
		return
	}
	a.misused.lost.Do(func() {
		a.logger().Error("lucia: the cookies of a refresh were dropped from a response that set a cookie of its own: "+
			"http.TimeoutHandler, echo's Timeout and every other middleware that responds with another header must wrap this middleware",
			"path", r.URL.Path)
	})
}

// checkShared logs once if a response that allows shared caches has the session in a page. Page
// data that is rendered into memory cannot prevent that, because it does not see the header.
func (a *Auth[U]) checkShared(h http.Header, s *state[U]) {
	//lint:ignore SA1008 see keepOutOfCaches
	if !s.rendered.Load() || isPrivate(h) || len(h["cache-control"]) > 0 {
		return
	}
	a.misused.shared.Do(func() {
		a.logger().Error("lucia: a page with the session in it was sent with a Cache-Control that allows shared caches: "+
			"let Config.Public name the page, or leave Cache-Control to the middleware",
			"path", s.request.URL.Path)
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
