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
//
// Order, from the outside in:
//
//   - http.TimeoutHandler goes around the engine. A middleware of that kind inside drops
//     the cookies of a refresh if a handler sets one too.
//   - Use: Middleware, on the engine. On a group it does not see its own routes: add
//     [Mount].
//   - A check for CSRF tokens goes inside, or it refuses the script's refresh.
//   - Recovery, gzip and loggers go anywhere.
//
// A *gin.Context may be passed as context: auth.Session(c), and
// lucia.PageData.Render(c, c.Writer). The log names what cannot work, at its first use.
package luciagin

import (
	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Key is where c.Get finds the *session.Session[U] that [Require] let through, as
// it was then. Elsewhere [Session] is the way to it: to set it for every request
// would make each pay for it (ADR 11).
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

// Require lets only requests with a session through, as auth.Require does. It
// writes the answer to the others and aborts the chain; a refusal is added to c.Errors,
// too, for the app's logs. An error that Config.Deny returns is added to c.Errors, and
// the app's own middleware writes the answer.
func Require[U any](auth *middleware.Auth[U]) gin.HandlerFunc {
	return func(c *gin.Context) {
		r, denial := auth.Admit(c.Writer, c.Request)
		c.Request = r
		if denial != nil {
			deny(c, denial, auth.Deny(c.Writer, r, denial))
			return
		}
		c.Set(Key, Session(c, auth))
	}
}

// Session returns the session of the request, or nil, as auth.Session does. It follows
// a sign-in and a sign-out of the request itself.
func Session[U any](c *gin.Context, auth *middleware.Auth[U]) *session.Session[U] {
	return auth.Session(c.Request.Context())
}
