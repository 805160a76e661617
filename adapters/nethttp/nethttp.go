// Package nethttp mounts lucia in apps on net/http, and in routers that take
// net/http middleware, such as chi:
//
//	http.ListenAndServe(addr, nethttp.Wrap(auth, mux))
//	r.Use(auth.Handler) // chi
//
// Order, from the outside in:
//
//   - http.TimeoutHandler and http.CrossOriginProtection go around the middleware. A
//     TimeoutHandler inside it drops the cookies of a refresh if a handler sets one too.
//   - The middleware goes around the whole app. chi: Use on the root router. What runs
//     for matching routes only (chi's Group, Use of gorilla/mux) does not reach the
//     middleware's own routes: wrap the router, or mount auth.RoutesHandler() at
//     auth.BasePath().
//   - Checks for CSRF tokens (gorilla/csrf, nosurf) go inside, or they refuse the
//     script's refresh.
//   - Recovery, gzip, security headers and chi's StripSlashes go anywhere.
//
// The log names the orders that cannot work, at their first use.
//
// Inside handlers auth.Session(r.Context()) is the session; auth.Require
// protects a handler.
package nethttp

import (
	"net/http"

	"github.com/lucia-go/lucia/middleware"
)

// Wrap returns next behind the middleware: its routes are answered, every other
// request reaches next with its session in the context. The ResponseWriter is
// passed on as it is. Routers whose Use method takes net/http middleware take
// auth.Handler itself.
func Wrap[U any](auth *middleware.Auth[U], next http.Handler) http.Handler {
	return auth.Handler(next)
}

// Mount registers the middleware's routes with mux, for apps that protect only
// some handlers with Require and wrap nothing.
//
// Each is registered for every method by name: a pattern for all methods would
// not stand beside an app's "GET /", which mux takes for a conflict and panics.
func Mount[U any](mux *http.ServeMux, auth *middleware.Auth[U]) {
	handler := auth.RoutesHandler()
	for _, route := range auth.Routes() {
		for _, method := range methods {
			mux.Handle(method+" "+auth.BasePath()+route, handler)
			mux.Handle(method+" "+auth.BasePath()+route+"/{$}", handler)
		}
	}
}

// methods are those of RFC 9110, section 9, and PATCH. mux gives HEAD to GET's.
var methods = [...]string{"GET", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}
