// Package contend holds the libraries to compare. Each is set up as its documentation recommends,
// and each does the same work: it reads the user, an id and three attributes, from a request's
// cookies and passes it to a handler, which writes the user's name.
package contend

import (
	"net/http"
	"strconv"
	"strings"
)

// Contender is one way of doing the work.
type Contender struct {
	Name string
	// Base is the Name of the bare handler on the same framework. It is empty for bare handlers.
	Base string
	// Omits is the part of lucia's work that the contender does not do, for readers of the table.
	Omits string
	// New makes the app and signs in env.Users users.
	New func(env Env) (*App, error)
}

// Env is the environment of an app.
type Env struct {
	Users int
	Redis string // address of a Redis server
}

// App is an app in which users are signed in. Its page is GET /page.
type App struct {
	Handler http.Handler
	// Cookies are the Cookie headers of the users.
	Cookies []string
	Close   func() // nil: nothing to close
}

// User is what a request needs to know of its user.
type User struct {
	ID       string `json:"user_id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Role     string `json:"role"`
}

func user(i int) User { return withID("user-" + strconv.Itoa(1_000_000+i)) }

func withID(id string) User {
	return User{ID: id, Username: "name of " + id, Email: id + "@example.com", Role: "member"}
}

// Name is what the page of user i shows.
func Name(i int) string { return user(i).Username }

// ID is the id of user i.
func ID(i int) string { return user(i).ID }

// Path is the path of the page.
const Path = "/page"

// key is every library's secret.
var key = []byte("0123456789abcdef0123456789abcdef")

// Key returns the secret of every library.
func Key() []byte { return key }

// refreshFiller has the size of lucia's refresh cookie.
var refreshFiller = strings.Repeat("r", 160)

// threeCookies adds two cookies for libraries that use one, so that all parse similar headers.
func threeCookies(name, value string) string {
	return name + "=" + value + "; encrypt_refresh_token=" + refreshFiller + "; fingerprint_token=" + fingerprint
}

// All returns the contenders in the order of the table.
func All() []Contender {
	return []Contender{
		{Name: "net/http, bare handler", New: bareHTTP},
		{Name: "echo, bare handler", New: bareEcho},
		{Name: "echo v5, bare handler", New: bareEchoV5},
		{Name: "gin, bare handler", New: bareGin},
		{Name: "**lucia** on net/http", Base: "net/http, bare handler", New: luciaHTTP},
		{Name: "**lucia** on echo", Base: "echo, bare handler", New: luciaEcho},
		{Name: "**lucia** on echo v5", Base: "echo v5, bare handler", New: luciaEchoV5},
		{Name: "**lucia** on gin", Base: "gin, bare handler", New: luciaGin},
		{Name: "**lucia** on net/http, behind Require", Base: "net/http, bare handler", New: luciaHTTPRequire},
		{Name: "**lucia** on echo, behind Require", Base: "echo, bare handler", New: luciaEchoRequire},
		{Name: "**lucia** on gin, behind Require", Base: "gin, bare handler", New: luciaGinRequire},
		{Name: "**lucia**, first sight of a token", Base: "net/http, bare handler", New: luciaFirstSight},
		{Name: "golang-jwt v5 by hand, fingerprint", Base: "net/http, bare handler", New: byHand,
			Omits: "refresh, sign-out, Cache-Control, one spelling of a token"},
		{Name: "echo-jwt v4", Base: "echo, bare handler", New: echoJWT,
			Omits: "fingerprint, refresh, sign-out, Cache-Control"},
		{Name: "gin-jwt v3", Base: "gin, bare handler", New: ginJWT,
			Omits: "fingerprint, sign-out before expiry, Cache-Control"},
		{Name: "go-chi/jwtauth v5", Base: "net/http, bare handler", New: jwtAuth,
			Omits: "fingerprint, refresh, sign-out, Cache-Control"},
		{Name: "auth0/go-jwt-middleware v3", Base: "net/http, bare handler", New: auth0,
			Omits: "fingerprint, refresh, sign-out, Cache-Control"},
		{Name: "scs v2, memory", Base: "net/http, bare handler", New: scsMemory,
			Omits: "rotation, finding reuse, Cache-Control; more than one process"},
		{Name: "scs v2, Redis", Base: "net/http, bare handler", New: scsRedis,
			Omits: "rotation, finding reuse, Cache-Control; the wait for Redis at every request is not in the figures"},
		{Name: "gorilla/sessions, cookie", Base: "net/http, bare handler", New: gorillaCookie,
			Omits: "ending a session on the server, rotation, Cache-Control"},
		{Name: "gin-contrib/sessions, Redis", Base: "gin, bare handler", New: ginSessionsRedis,
			Omits: "rotation, finding reuse, Cache-Control; the wait for Redis at every request is not in the figures"},
	}
}

// Named returns the contender with that name, which is one of All or Pages.
func Named(name string) (Contender, bool) {
	for _, c := range append(All(), Pages()...) {
		if c.Name == name {
			return c, true
		}
	}
	return Contender{}, false
}
