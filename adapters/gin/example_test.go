package luciagin_test

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
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
	r := gin.New()
	r.Use(luciagin.Middleware(auth)) // before the routes
	r.POST("/login", func(c *gin.Context) {
		if _, err := auth.SignIn(c.Writer, c.Request, "u1"); err != nil { // after checking the password
			luciagin.Error(c, err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/profile")
	})
	r.GET("/profile", luciagin.Require(auth), func(c *gin.Context) {
		c.String(http.StatusOK, luciagin.Session(c, auth).User.Data.Username)
	})

	visit(r, "GET", "/profile", nil, nil)
	in := visit(r, "POST", "/login", nil, nil)
	visit(r, "GET", "/profile", in.Cookies(), nil)
	// Output:
	// GET /profile 303 /login?next=%2Fprofile
	// POST /login 303 /profile
	// GET /profile 200 name of u1
}

// A group behind Require, and the session from c.MustGet, where gin's users expect the results of
// a middleware.
func ExampleRequire() {
	auth := newProfileAuth()
	r := gin.New()
	r.Use(luciagin.Middleware(auth))
	r.POST("/login", func(c *gin.Context) {
		_, err := auth.SignIn(c.Writer, c.Request, "u1")
		luciagin.Error(c, err)
	})
	account := r.Group("/account", luciagin.Require(auth))
	account.GET("/name", func(c *gin.Context) {
		session := c.MustGet(luciagin.Key).(*lucia.Session[Profile])
		c.String(http.StatusOK, session.User.Data.Username)
	})

	in := visit(r, "POST", "/login", nil, nil)
	visit(r, "GET", "/account/name", in.Cookies(), nil)
	// Output:
	// POST /login 200
	// GET /account/name 200 name of u1
}

// A page for people who signed in less than ten minutes ago. Others go to the step-up page, and an
// administrator who acts as the user is never one who signed in as the user.
func ExampleRequireRecent() {
	auth := newProfileAuth()
	r := gin.New()
	r.Use(luciagin.Middleware(auth))
	r.POST("/login", func(c *gin.Context) {
		_, err := auth.SignIn(c.Writer, c.Request, "u1")
		luciagin.Error(c, err)
	})
	r.POST("/act", func(c *gin.Context) {
		_, err := auth.SignIn(c.Writer, c.Request, "u2", lucia.Actor("u1", "ticket 12"))
		luciagin.Error(c, err)
	})
	r.GET("/account/delete", luciagin.RequireRecent(auth, 10*time.Minute), func(c *gin.Context) {
		c.String(http.StatusOK, "Delete the account of "+luciagin.Session(c, auth).User.ID+"?")
	})

	visit(r, "GET", "/account/delete", nil, nil)
	admin := visit(r, "POST", "/login", nil, nil)
	visit(r, "GET", "/account/delete", admin.Cookies(), nil)
	acting := visit(r, "POST", "/act", admin.Cookies(), nil)
	visit(r, "GET", "/account/delete", acting.Cookies(), nil)
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
	r := gin.New()
	r.Use(luciagin.Middleware(auth))
	r.GET("/", func(c *gin.Context) {
		if session := luciagin.Session(c, auth); session != nil {
			c.String(http.StatusOK, "Hello, "+session.User.Data.Username)
			return
		}
		c.String(http.StatusOK, "Hello, stranger")
	})

	visit(r, "GET", "/", nil, nil)
	// Output:
	// GET / 200 Hello, stranger
}

// An API that scripts call with the access token. A middleware around the app finds the cause of a
// refusal in c.Errors.
func ExampleError() {
	auth := newProfileAuth()
	r := gin.New()
	r.Use(func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors {
			fmt.Println("log:", err)
		}
	})
	r.Use(luciagin.Middleware(auth))
	r.GET("/api/me", func(c *gin.Context) {
		session, err := auth.ValidateRequest(c.Request)
		if err != nil {
			luciagin.Error(c, err)
			return
		}
		c.JSON(http.StatusOK, session.User)
	})

	visit(r, "GET", "/api/me", nil, nil)
	// Output:
	// log: AUTH_INVALID_ACCESS_TOKEN: no bearer token
	// GET /api/me 401 {"message":"AUTH_INVALID_ACCESS_TOKEN"}
}

// A form with a hidden field. {{luciaField .Context}} in html/template, with lucia.FuncMap, writes
// the same.
func Example_form() {
	auth := newProfileAuth()
	r := gin.New()
	r.Use(luciagin.Middleware(auth))
	r.POST("/login", func(c *gin.Context) {
		_, err := auth.SignIn(c.Writer, c.Request, "u1")
		luciagin.Error(c, err)
	})
	r.GET("/bio", func(c *gin.Context) {
		lucia.FormField.Render(c.Request.Context(), c.Writer)
	})
	r.POST("/bio", func(c *gin.Context) {
		session, err := auth.ValidateFormSubmission(c.Request)
		if err != nil {
			luciagin.Error(c, err)
			return
		}
		c.String(http.StatusOK, session.User.ID+" is "+c.PostForm("bio"))
	})

	in := visit(r, "POST", "/login", nil, nil)
	token := fieldOf(r, "/bio", in.Cookies())
	visit(r, "POST", "/bio", in.Cookies(), url.Values{"bio": {"a guess"}})
	visit(r, "POST", "/bio", in.Cookies(), url.Values{"bio": {"a programmer"}, "_lucia": {token}})
	// Output:
	// POST /login 200
	// POST /bio 401 a page: Sign in
	// POST /bio 200 u1 is a programmer
}

// Sign out everywhere.
func Example_signOutEverywhere() {
	auth := newProfileAuth()
	r := gin.New()
	r.Use(luciagin.Middleware(auth))
	r.POST("/login", func(c *gin.Context) {
		_, err := auth.SignIn(c.Writer, c.Request, "u1")
		luciagin.Error(c, err)
	})
	r.POST("/everywhere", luciagin.Require(auth), func(c *gin.Context) {
		if err := auth.RevokeUser(c.Request.Context(), luciagin.Session(c, auth).User.ID); err != nil {
			luciagin.Error(c, err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})

	phone := visit(r, "POST", "/login", nil, nil)
	laptop := visit(r, "POST", "/login", nil, nil)
	visit(r, "POST", "/everywhere", laptop.Cookies(), nil)
	visit(r, "POST", "/everywhere", phone.Cookies(), nil)
	// Output:
	// POST /login 200
	// POST /login 200
	// POST /everywhere 303 /
	// POST /everywhere 303 /login
}

// The routes in gin's router, behind a group's middleware.
func ExampleMount() {
	auth := newProfileAuth()
	r := gin.New()
	limit := func(c *gin.Context) { fmt.Println("limiting", c.FullPath()) }
	luciagin.Mount(r.Group("/api/auth", limit), auth)

	visit(r, "GET", "/api/auth/session", nil, nil)
	// Output:
	// limiting /api/auth/session
	// GET /api/auth/session 200 {"_lucia":null,"expires_in":0}
}

// html/template: FuncMap has the functions, and the request's context carries the session.
func Example_template() {
	auth := newProfileAuth()
	r := gin.New()
	r.Use(luciagin.Middleware(auth))
	r.SetHTMLTemplate(template.Must(template.New("home").Funcs(lucia.FuncMap()).Parse(
		`<title>Home</title>{{lucia .Ctx}}`))) // with LoadHTMLGlob: r.SetFuncMap(lucia.FuncMap())
	r.GET("/", func(c *gin.Context) {
		c.HTML(http.StatusOK, "home", gin.H{"Ctx": c.Request.Context()})
	})

	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
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
	r := gin.New()
	r.Use(luciagin.Middleware(auth))
	r.GET("/profile", luciagin.Require(auth), func(c *gin.Context) {
		c.String(http.StatusOK, "Hello, "+luciagin.Session(c, auth).User.Data.Username)
	})

	in := httptest.NewRecorder()
	if _, err := auth.SignIn(in, httptest.NewRequest("POST", "/", nil), "u2"); err != nil {
		panic(err)
	}
	visit(r, "GET", "/profile", in.Result().Cookies(), nil)
	// Output:
	// GET /profile 200 Hello, name of u2
}
