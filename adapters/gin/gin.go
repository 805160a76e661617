// Package luciagin mounts lucia in apps on gin:
//
//	r.Use(luciagin.Middleware(auth)) // before the routes
//	r.GET("/profile", luciagin.Require(auth), profile)
//	session := luciagin.Session(c, auth) // in a handler
//
// Call Use before adding routes, because gin gives a route the middleware that was in use when
// the route was added. Used on the engine, Middleware also covers groups, NoRoute and NoMethod.
// Handlers can use all methods of auth, for example auth.SignIn(c.Writer, c.Request, userID).
//
// Order, from the outside in:
//
//   - http.TimeoutHandler goes around the engine. A middleware of that kind inside drops the
//     cookies of a refresh if a handler also sets a cookie.
//   - Use: Middleware, on the engine. On a group it does not receive requests for its own routes:
//     add [Mount].
//   - A check for CSRF tokens goes inside, because it refuses the script's refresh otherwise.
//   - Recovery, gzip and loggers go anywhere.
//
// A *gin.Context may be passed as a context: auth.Session(c), and lucia.PageData.Render(c,
// c.Writer). The first use of a setup that cannot work is logged.
package luciagin

import (
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Key is the key with which c.Get returns the *session.Session[U] that [Require] let through. A
// later sign-in or sign-out of the request does not change it. Use [Session] everywhere else:
// setting the key for every request would slow down each of them (ADR 11).
const Key = "lucia"

// Middleware serves the routes of auth and aborts the chain for them. It gives every other request
// its session. It passes on a request unchanged if one of skip reports true for it.
func Middleware[U any](auth *middleware.Auth[U], skip ...gin.Skipper) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, skips := range skip {
			if skips != nil && skips(c) {
				return
			}
		}
		r, ok := auth.HandleServerSession(c.Writer, c.Request)
		c.Request = r
		if !ok {
			c.Abort()
			return
		}
		c.Next()
		auth.CheckAnswer(c.Writer, r)
	}
}

// Require lets only requests with a session through, as auth.Require does. It responds to all other
// requests, aborts the chain, and adds the refusal to c.Errors, for the app's logs. If Config.Deny
// returns an error of the app, Require adds that error to c.Errors and leaves the response to the
// app's own middleware.
func Require[U any](auth *middleware.Auth[U], options ...middleware.RequireOption) gin.HandlerFunc {
	return func(c *gin.Context) {
		r, denial := auth.Admit(c.Writer, c.Request, options...)
		c.Request = r
		if denial != nil {
			deny(c, denial, auth.Deny(c.Writer, r, denial))
			return
		}
		c.Set(Key, Session(c, auth))
	}
}

// RequireRecent is Require for actions that must not happen at an unattended device. It passes only
// requests whose user signed in at most maxAge ago, as auth.RequireRecent does, and refuses others
// as Require does: people go to the step-up page, scripts get a 401.
func RequireRecent[U any](auth *middleware.Auth[U], maxAge time.Duration, options ...middleware.RequireOption) gin.HandlerFunc {
	return Require(auth, append(options[:len(options):len(options)], middleware.Recent(maxAge))...)
}

// Session returns the session of the request, or nil, as auth.Session does. It reflects a sign-in
// or sign-out of the request itself.
func Session[U any](c *gin.Context, auth *middleware.Auth[U]) *session.Session[U] {
	return auth.Session(c.Request.Context())
}
