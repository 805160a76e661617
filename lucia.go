// Package lucia is session auth for Go web apps that render pages on the
// server: a middleware in three lines.
//
//	auth, err := lucia.New(lucia.Config[Profile]{
//		Secret:   []byte(os.Getenv("LUCIA_SECRET")), // 32 random bytes or more
//		Store:    memstore.New(),                    // or redisstore.New(client)
//		LoadUser: func(ctx context.Context, id string) (Profile, error) { … },
//	})
//	…
//	auth.SignIn(w, r, userID)                             // after checking the password
//	mux.Handle("GET /profile", auth.Require(profile))     // auth.Session(r.Context()) inside
//	http.ListenAndServe(addr, nethttp.Wrap(auth, mux))
//
// A request with a valid access token asks no store. Refresh tokens rotate in
// one atomic step that an honest browser cannot lose a session to, whatever gets
// lost, repeated or delayed, and that finds a stolen token once a newer one has been
// in use for a while and the older one comes. Pages keep themselves signed in with a small browser module.
//
// This package is the front door; the rooms behind it:
//
//   - [github.com/lucia-go/lucia/middleware]: the HTTP side. Config and Auth are
//     documented there.
//   - [github.com/lucia-go/lucia/session]: sessions, tokens, the rotation rule,
//     the Store interface, error codes.
//   - [github.com/lucia-go/lucia/memstore] and
//     [github.com/lucia-go/lucia/redisstore]: where session state lives.
//   - adapters/nethttp (net/http and chi), adapters/echo, adapters/gin.
//   - client: the Go client; internal/browser: the browser module.
//   - luciatest: for the tests of your app.
package lucia

import (
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Config configures an [Auth]. Secret, Store and LoadUser are required. U is
// what the app wants to know of a user on every request; it marshals to a JSON
// object, which the user can read.
type Config[U any] = middleware.Config[U]

// Auth is session auth for a web app. It is safe for concurrent use.
type Auth[U any] = middleware.Auth[U]

// Session is a signed-in session as handlers and pages see it.
type Session[U any] = session.Session[U]

// User is a user's id and the app's own data about the user.
type User[U any] = session.User[U]

// ErrUserNotFound is what LoadUser returns, wrapped or not, for a user who is
// gone for good: all sessions of the user end. Every other error means "cannot
// tell now" and ends none.
var ErrUserNotFound = session.ErrUserNotFound

// New returns an Auth, or an error that says what is wrong with config.
func New[U any](config Config[U]) (*Auth[U], error) { return middleware.New(config) }
