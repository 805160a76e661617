// Package luciaecho mounts lucia in apps on echo v5, whose handlers take an *echo.Context:
//
//	e.Use(luciaecho.Middleware(auth))
//	e.GET("/profile", profile, luciaecho.Require(auth))
//	session := luciaecho.Session(c, auth) // in a handler
//
// Middleware works with Use and with Pre, before or after the routes are added. It covers groups
// and paths without a route. Handlers can use all methods of auth, for example
// auth.SignIn(c.Response(), c.Request(), userID).
//
// Order, from the outside in:
//
//   - http.TimeoutHandler goes around the app. Used by echo.WrapMiddleware inside Middleware it
//     drops the cookies of a refresh if a handler also sets a cookie.
//   - Pre: AddTrailingSlash and RemoveTrailingSlash. The middleware's routes also accept a slash
//     at the end.
//   - Use or Pre: Middleware, on the app or on a group without a path. On a group below a path, or
//     on single routes, it does not receive requests for its own routes: add [Mount].
//   - Use: CSRF goes inside, because it may refuse the script's refresh otherwise. ContextTimeout
//     goes inside, too.
//   - Recover, Gzip, Secure and loggers go anywhere. HTTPErrorHandler gets the errors of the app
//     and the refusals of [Require].
//
// The first use of an order that cannot work is logged.
package luciaecho

import (
	"time"

	"github.com/labstack/echo/v5"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Key is the key with which c.Get returns the *session.Session[U] that [Require] let through. A
// later sign-in or sign-out of the request does not change it. Use [Session] everywhere else:
// setting the key for every request would slow down each of them (ADR 11).
const Key = "lucia"

// Middleware serves the routes of auth and gives every other request its session. It passes on a
// request unchanged if one of skip reports true for it. skip accepts values of echo's
// middleware.Skipper.
//
// The routes respond exactly as the clients' protocol requires, also with errors. So they do not
// use the app's HTTPErrorHandler.
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

// Require lets only requests with a session through, as auth.Require does. For a script it returns
// the refusal as an [echo.HTTPError], whose headers it has set, and the app's HTTPErrorHandler
// writes it. echo's own handler writes the same JSON as an app on net/http. For a person Require
// writes the response itself: the redirect to the login page, or the page for an unavailable store.
// An error that Config.Deny returns goes to the HTTPErrorHandler in both cases.
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

// RequireRecent is Require for actions that must not happen at an unattended device. It passes only
// requests whose user signed in at most maxAge ago, as auth.RequireRecent does, and refuses others
// as Require does: people go to the step-up page, scripts get a 401.
func RequireRecent[U any](auth *middleware.Auth[U], maxAge time.Duration, options ...middleware.RequireOption) echo.MiddlewareFunc {
	return Require(auth, append(options[:len(options):len(options)], middleware.Recent(maxAge))...)
}

// Session returns the session of the request, or nil, as auth.Session does. It reflects a sign-in
// or sign-out of the request itself.
func Session[U any](c *echo.Context, auth *middleware.Auth[U]) *session.Session[U] {
	return auth.Session(c.Request().Context())
}
