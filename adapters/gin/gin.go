// Package luciagin mounts lucia in apps on gin:
//
//	r.Use(luciagin.Middleware(auth)) // before the routes
//	r.GET("/profile", luciagin.Require(auth), profile)
//	session := luciagin.Session(c, auth) // in a handler
//
// Use comes before the routes: gin gives a route the middleware that was there
// when the route was added. Used on the engine, Middleware covers groups, NoRoute
// and NoMethod, too. All of auth is at hand in handlers:
// auth.SignIn(c.Writer, c.Request, userID).
package luciagin

import (
	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/adapters/internal/answer"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Key is where c.Get finds the *session.Session[U] that [Require] let through, as
// it was then. Elsewhere [Session] is the way to it: to set it for every request
// would make each pay for it, and mark files private (ADR 11).
const Key = "lucia"

// Middleware answers the routes of auth, aborting the chain, and gives every
// other request its session. Requests that one of skip reports true for pass as
// if it were not there.
func Middleware[U any](auth *middleware.Auth[U], skip ...gin.Skipper) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, skips := range skip {
			if skips != nil && skips(c) {
				return
			}
		}
		r, done := auth.HandleServerSession(c.Writer, c.Request)
		c.Request = r
		if done {
			c.Abort()
		}
	}
}

// Require lets only requests with a session through, as auth.Require does. It
// writes the answer to the others and aborts the chain; a refusal that is an
// error in JSON is added to c.Errors, too, for the app's logs.
func Require[U any](auth *middleware.Auth[U]) gin.HandlerFunc {
	return func(c *gin.Context) {
		if s := Session(c, auth); s != nil {
			c.Set(Key, s)
			return
		}
		held := answer.Hold(c.Writer)
		r, ok := auth.Admit(held, c.Request)
		c.Request = r
		if ok { // without Middleware in the chain
			c.Set(Key, Session(c, auth))
			return
		}
		if code, ok := held.Code(); ok {
			c.Error(code)
		}
		abort(c, held)
	}
}

// Session returns the session of the request, or nil, as auth.Session does: the
// answer is then private and not to be stored. It follows a sign-out of the request
// itself, and a sign-in if the answer is a page; scripts are answered with what SignIn
// returns.
func Session[U any](c *gin.Context, auth *middleware.Auth[U]) *session.Session[U] {
	return auth.Session(c.Request.Context())
}
