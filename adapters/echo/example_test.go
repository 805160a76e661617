package luciaecho_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	"github.com/lucia-go/lucia/memstore"
)

type Profile struct {
	Username string `json:"username"`
}

func loadProfile(_ context.Context, id string) (Profile, error) {
	return Profile{Username: "name of " + id}, nil
}

// newProfileAuth returns the Auth of the examples. A real app takes the secret from its
// environment.
func newProfileAuth() *lucia.Auth[Profile] {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   []byte("32 random bytes from the environment"),
		Store:    memstore.New(),
		LoadUser: loadProfile,
	})
	if err != nil {
		panic(err)
	}
	return auth
}

// page matches a page that the library writes.
var page = regexp.MustCompile(`(?s)^<!doctype html>.*<title>(.*)</title>.*`)

// visit sends a request with cookies, prints the response or the title of a page that the library
// writes, and returns the response. A request below /api is a script's, any other a browser's for
// a page.
func visit(app http.Handler, method, path string, cookies []*http.Cookie, form url.Values) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !strings.HasPrefix(path, "/api/") {
		r.Header.Set("Accept", "text/html")
	}
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprintln(method, path, w.Code, w.Header().Get("Location")+page.ReplaceAllString(w.Body.String(), "a page: $1"))))
	return w.Result()
}

// hidden matches the hidden field of a form and its value.
var hidden = regexp.MustCompile(`<input type="hidden" name="_lucia" value="([^"]*)">`)

// fieldOf opens a page as a browser does and returns the value of its hidden field.
func fieldOf(app http.Handler, path string, cookies []*http.Cookie) string {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", "text/html")
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return hidden.FindStringSubmatch(w.Body.String())[1]
}

func Example() {
	auth := newProfileAuth()
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.POST("/login", func(c echo.Context) error {
		if _, err := auth.SignIn(c.Response(), c.Request(), "u1"); err != nil { // after checking the password
			return luciaecho.Error(c, err)
		}
		return c.Redirect(http.StatusSeeOther, "/profile")
	})
	e.GET("/profile", func(c echo.Context) error {
		return c.String(http.StatusOK, luciaecho.Session(c, auth).User.Data.Username)
	}, luciaecho.Require(auth))

	visit(e, "GET", "/profile", nil, nil)
	in := visit(e, "POST", "/login", nil, nil)
	visit(e, "GET", "/profile", in.Cookies(), nil)
	// Output:
	// GET /profile 303 /login?next=%2Fprofile
	// POST /login 303 /profile
	// GET /profile 200 name of u1
}

// A group behind Require, and the session from c.Get, where echo's users expect the results of a
// middleware.
func ExampleRequire() {
	auth := newProfileAuth()
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.POST("/login", func(c echo.Context) error {
		_, err := auth.SignIn(c.Response(), c.Request(), "u1")
		return luciaecho.Error(c, err)
	})
	account := e.Group("/account", luciaecho.Require(auth))
	account.GET("/name", func(c echo.Context) error {
		session := c.Get(luciaecho.Key).(*lucia.Session[Profile])
		return c.String(http.StatusOK, session.User.Data.Username)
	})

	in := visit(e, "POST", "/login", nil, nil)
	visit(e, "GET", "/account/name", in.Cookies(), nil)
	// Output:
	// POST /login 200
	// GET /account/name 200 name of u1
}

// A page for people who signed in less than ten minutes ago. Others go to the step-up page, and an
// administrator who acts as the user is never one who signed in as the user.
func ExampleRequireRecent() {
	auth := newProfileAuth()
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.POST("/login", func(c echo.Context) error {
		_, err := auth.SignIn(c.Response(), c.Request(), "u1")
		return luciaecho.Error(c, err)
	})
	e.POST("/act", func(c echo.Context) error {
		_, err := auth.SignIn(c.Response(), c.Request(), "u2", lucia.Actor("u1", "ticket 12"))
		return luciaecho.Error(c, err)
	})
	e.GET("/account/delete", func(c echo.Context) error {
		return c.String(http.StatusOK, "Delete the account of "+luciaecho.Session(c, auth).User.ID+"?")
	}, luciaecho.RequireRecent(auth, 10*time.Minute))

	visit(e, "GET", "/account/delete", nil, nil)
	admin := visit(e, "POST", "/login", nil, nil)
	visit(e, "GET", "/account/delete", admin.Cookies(), nil)
	acting := visit(e, "POST", "/act", admin.Cookies(), nil)
	visit(e, "GET", "/account/delete", acting.Cookies(), nil)
	// Output:
	// GET /account/delete 303 /login?next=%2Faccount%2Fdelete
	// POST /login 200
	// GET /account/delete 200 Delete the account of u1?
	// POST /act 200
	// GET /account/delete 303 /api/auth/step-up?next=%2Faccount%2Fdelete
}

// Session is nil for signed-out visitors on routes without Require.
func ExampleSession() {
	auth := newProfileAuth()
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.GET("/", func(c echo.Context) error {
		if session := luciaecho.Session(c, auth); session != nil {
			return c.String(http.StatusOK, "Hello, "+session.User.Data.Username)
		}
		return c.String(http.StatusOK, "Hello, stranger")
	})

	visit(e, "GET", "/", nil, nil)
	// Output:
	// GET / 200 Hello, stranger
}

// An API that scripts call with the access token, and the app's own error responses.
func ExampleError() {
	auth := newProfileAuth()
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if he, ok := err.(*echo.HTTPError); ok {
			c.JSON(he.Code, map[string]any{"error": he.Message})
		}
	}
	e.Use(luciaecho.Middleware(auth))
	e.GET("/api/me", func(c echo.Context) error {
		session, err := auth.ValidateRequest(c.Request())
		if err != nil {
			return luciaecho.Error(c, err)
		}
		return c.JSON(http.StatusOK, session.User)
	})

	visit(e, "GET", "/api/me", nil, nil)
	// Output:
	// GET /api/me 401 {"error":"AUTH_INVALID_ACCESS_TOKEN"}
}

// A form with a hidden field; templ's @lucia.FormField writes the same.
func Example_form() {
	auth := newProfileAuth()
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.POST("/login", func(c echo.Context) error {
		_, err := auth.SignIn(c.Response(), c.Request(), "u1")
		return luciaecho.Error(c, err)
	})
	e.GET("/bio", func(c echo.Context) error {
		return lucia.FormField.Render(c.Request().Context(), c.Response())
	})
	e.POST("/bio", func(c echo.Context) error {
		session, err := auth.ValidateFormSubmission(c.Request())
		if err != nil {
			return luciaecho.Error(c, err)
		}
		return c.String(http.StatusOK, session.User.ID+" is "+c.FormValue("bio"))
	})

	in := visit(e, "POST", "/login", nil, nil)
	token := fieldOf(e, "/bio", in.Cookies())
	visit(e, "POST", "/bio", in.Cookies(), url.Values{"bio": {"a guess"}})
	visit(e, "POST", "/bio", in.Cookies(), url.Values{"bio": {"a programmer"}, "_lucia": {token}})
	// Output:
	// POST /login 200
	// POST /bio 401 a page: Sign in
	// POST /bio 200 u1 is a programmer
}

// Sign out everywhere.
func Example_signOutEverywhere() {
	auth := newProfileAuth()
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.POST("/login", func(c echo.Context) error {
		_, err := auth.SignIn(c.Response(), c.Request(), "u1")
		return luciaecho.Error(c, err)
	})
	e.POST("/everywhere", func(c echo.Context) error {
		if err := auth.RevokeUser(c.Request().Context(), luciaecho.Session(c, auth).User.ID); err != nil {
			return luciaecho.Error(c, err)
		}
		return c.Redirect(http.StatusSeeOther, "/")
	}, luciaecho.Require(auth))

	phone := visit(e, "POST", "/login", nil, nil)
	laptop := visit(e, "POST", "/login", nil, nil)
	visit(e, "POST", "/everywhere", laptop.Cookies(), nil)
	visit(e, "POST", "/everywhere", phone.Cookies(), nil)
	// Output:
	// POST /login 200
	// POST /login 200
	// POST /everywhere 303 /
	// POST /everywhere 303 /login
}

// The routes in echo's router, behind a group's middleware.
func ExampleMount() {
	auth := newProfileAuth()
	e := echo.New()
	limit := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			fmt.Println("limiting", c.Path())
			return next(c)
		}
	}
	luciaecho.Mount(e.Group("/api/auth", limit), auth)

	visit(e, "GET", "/api/auth/session", nil, nil)
	// Output:
	// limiting /api/auth/session
	// GET /api/auth/session 200 {"_lucia":null,"expires_in":0}
}

// A templ component rendered by a handler. From
//
//	templ home() { <title>Home</title> @lucia.PageData }
//
// templ generates a function such as this one. The request's context carries the session.
func Example_templ() {
	auth := newProfileAuth()
	home := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		io.WriteString(w, "<title>Home</title>")
		return lucia.PageData.Render(ctx, w)
	})
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.GET("/", func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderContentType, echo.MIMETextHTMLCharsetUTF8)
		return home.Render(c.Request().Context(), c.Response())
	})

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	fmt.Println(w.Header().Get("Cache-Control"))
	fmt.Println(regexp.MustCompile(`\?v=[0-9a-f]+`).ReplaceAllString(strings.ReplaceAll(w.Body.String(), "><script", ">\n<script"), "?v=…"))
	// Output:
	// private, no-cache
	// <title>Home</title>
	// <script type="application/json" id="lucia-page-data">{"_lucia":null}</script>
	// <script type="module" src="/api/auth/auto.js?v=…"></script>
}

// Unit-test a handler: sign in outside of the app, and add the cookies to the request. Package
// luciatest does this in one line.
func Example_unitTest() {
	auth := newProfileAuth() // the app's own, with memstore
	e := echo.New()
	e.Use(luciaecho.Middleware(auth))
	e.GET("/profile", func(c echo.Context) error {
		return c.String(http.StatusOK, "Hello, "+luciaecho.Session(c, auth).User.Data.Username)
	}, luciaecho.Require(auth))

	in := httptest.NewRecorder()
	if _, err := auth.SignIn(in, httptest.NewRequest("POST", "/", nil), "u2"); err != nil {
		panic(err)
	}
	visit(e, "GET", "/profile", in.Result().Cookies(), nil)
	// Output:
	// GET /profile 200 Hello, name of u2
}
