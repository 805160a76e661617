// Package nethttp mounts lucia in apps on net/http, and in routers that take
// net/http middleware, such as chi:
//
//	http.ListenAndServe(addr, nethttp.Wrap(auth, mux))
//	r.Use(auth.Handler) // chi
//
// Order, from the outside in:
//
//   - http.TimeoutHandler and http.CrossOriginProtection go around the middleware. A
//     TimeoutHandler inside it drops the cookies of a refresh if a handler also sets a cookie.
//   - The middleware goes around the whole app, in chi with Use on the root router. Middleware
//     that runs only for matching routes (chi's Group, Use of gorilla/mux) does not receive
//     requests for its own routes: wrap the router, or mount auth.RoutesHandler() at
//     auth.BasePath().
//   - Checks for CSRF tokens (gorilla/csrf, nosurf) go inside, because they refuse the script's
//     refresh otherwise.
//   - Recovery, gzip, security headers and chi's StripSlashes go anywhere.
//
// The first use of an order that cannot work is logged.
//
// In handlers auth.Session(r.Context()) returns the session; auth.Require protects a handler, and
// [Require] the handlers of a router.
package nethttp

import (
	"net/http"

	"github.com/lucia-go/lucia/middleware"
)

// Wrap returns next wrapped in the middleware. The middleware serves its routes. Every other
// request reaches next with its session in the context. next gets the ResponseWriter itself.
// Routers whose Use method takes net/http middleware take auth.Handler itself.
func Wrap[U any](auth *middleware.Auth[U], next http.Handler) http.Handler {
	return auth.Handler(next)
}

// Require returns auth.Require as middleware of a router, such as chi:
//
//	r.With(nethttp.Require(auth, lucia.AskStore())).Post("/transfer", transfer)
func Require[U any](auth *middleware.Auth[U], options ...middleware.RequireOption) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return auth.Require(next, options...) }
}

// Mount registers the middleware's routes with mux. It is for apps that protect only some handlers
// with Require and do not use Wrap.
//
// Each route is registered for every method by name, because a pattern for all methods conflicts
// with an app's "GET /", for which mux panics.
func Mount[U any](mux *http.ServeMux, auth *middleware.Auth[U]) {
	handler := auth.RoutesHandler()
	for _, route := range auth.Routes() {
		for _, method := range methods {
			mux.Handle(method+" "+auth.BasePath()+route, handler)
			mux.Handle(method+" "+auth.BasePath()+route+"/{$}", handler)
		}
	}
}

// methods are those of RFC 9110, section 9, and PATCH. mux serves HEAD with GET's handler.
var methods = [...]string{"GET", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}
