// Package luciaecho mounts lucia in apps on echo v5, the one whose handlers take an
// *echo.Context:
//
//	e.Use(luciaecho.Middleware(auth))
//	e.GET("/profile", profile, luciaecho.Require(auth))
//	session := luciaecho.Session(c, auth) // in a handler
//
// Middleware works with Use and with Pre, before or after the routes are added,
// and covers groups and paths that have no route. All of auth is at hand in
// handlers: auth.SignIn(c.Response(), c.Request(), userID).
//
// Order, from the outside in:
//
//   - http.TimeoutHandler goes around the app. By echo.WrapMiddleware inside Middleware it
//     drops the cookies of a refresh if a handler sets one too.
//   - Pre: AddTrailingSlash and RemoveTrailingSlash. The routes answer with a slash at
//     the end, too.
//   - Use or Pre: Middleware, on the app. On a group below a path, or on single routes, it
//     does not see its own routes: add [Mount].
//   - Use: CSRF goes inside, or it may refuse the script's refresh. So does ContextTimeout.
//   - Recover, Gzip, Secure and loggers go anywhere. HTTPErrorHandler gets the errors of
//     the app and the refusals of [Require].
//
// The log names the orders that cannot work, at their first use.
package luciaecho

import (
	"github.com/labstack/echo/v5"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Key is where c.Get finds the *session.Session[U] that [Require] let through, as
// it was then. Elsewhere [Session] is the way to it: to set it for every request
// would make each pay for it (ADR 11).
const Key = "lucia"

// Middleware answers the routes of auth and gives every other request its
// session. Requests that one of skip reports true for pass as if it were not
// there; values of echo's middleware.Skipper fit.
//
// Its routes are answered to the letter of the protocol that the clients speak,
// errors included, so they do not pass the app's HTTPErrorHandler.
func Middleware[U any](auth *middleware.Auth[U], skip ...func(c *echo.Context) bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			for _, skips := range skip {
				if skips != nil && skips(c) {
					return next(c)
				}
			}
			r, ok := auth.HandleServerSession(c.Response(), c.Request())
			if !ok {
				return nil
			}
			c.SetRequest(r)
			err := next(c)
			auth.CheckAnswer(c.Response(), r)
			return err
		}
	}
}

// Require lets only requests with a session through, as auth.Require does. A
// refusal for a script comes back as an [echo.HTTPError] with its header already set,
// for the app's HTTPErrorHandler to write: echo's own writes the same JSON that net/http
// apps send. What a person is shown (the way to the login page, "back in a moment") is
// written here. An error that Config.Deny returns goes to the HTTPErrorHandler, whoever
// it is for.
func Require[U any](auth *middleware.Auth[U], options ...middleware.RequireOption) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			r, denial := auth.Admit(c.Response(), c.Request(), options...)
			c.SetRequest(r)
			if denial != nil {
				return deny(c, auth.Deny(c.Response(), r, denial))
			}
			c.Set(Key, Session(c, auth))
			return next(c)
		}
	}
}

// Session returns the session of the request, or nil, as auth.Session does. It follows
// a sign-in and a sign-out of the request itself.
func Session[U any](c *echo.Context, auth *middleware.Auth[U]) *session.Session[U] {
	return auth.Session(c.Request().Context())
}
