// Command echo is an app on echo with templ and htmx in which people sign up, sign
// in, stay signed in, keep notes and sign out:
//
//	go run ./examples/echo
//
// Sessions, users and notes are in memory; -db keeps them in a SQLite file, -redis in
// Redis. See -help.
package main

import (
	"bytes"
	"embed"
	"errors"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	"github.com/lucia-go/lucia/examples/echo/views"
	"github.com/lucia-go/lucia/examples/internal/demo"
)

//go:generate go run github.com/a-h/templ/cmd/templ@v0.3.1100 generate -path ..

//go:embed static/htmx.min.js
var static embed.FS

func main() { demo.Main("echo", build) }

// app is the handlers and what they need.
type app struct {
	auth *lucia.Auth[demo.Profile]
	site *demo.Site
}

func build(site *demo.Site) (*lucia.Auth[demo.Profile], http.Handler, error) {
	a := &app{site: site}
	config := site.Config // Secret, Store and LoadUser are all that the library needs
	config.Deny = a.deny
	auth, err := lucia.New(config)
	if err != nil {
		return nil, nil, err
	}
	a.auth = auth
	if err := site.Assets.Add(static); err != nil {
		return nil, nil, err
	}

	e := echo.New()
	e.HTTPErrorHandler = a.fail(e.DefaultHTTPErrorHandler)
	e.Use(echomw.Recover(), luciaecho.Middleware(auth), plainOptions)
	reads := []string{http.MethodGet, http.MethodHead}
	e.Match(reads, "/", a.show(views.Home))
	e.Match(reads, "/signup", a.show(views.Signup))
	e.POST("/signup", a.enter(views.Signup, site.SignUp))
	e.Match(reads, "/login", a.show(views.Login))
	e.POST("/login", a.enter(views.Login, site.CheckPassword))
	e.Match(reads, "/profile", a.show(views.Profile), luciaecho.Require(auth))
	e.POST("/profile", a.saveProfile)
	e.Match(reads, "/api/me", a.me)
	e.Match(reads, "/static/*", echo.WrapHandler(site.Assets))
	a.addNotes(e.Group("/notes", luciaecho.Require(auth)))
	return auth, e, nil
}

// page is a page of package views.
type page func(*demo.View) templ.Component

// show shows a page. If the session store is unavailable, it shows an error, because the page of
// a signed-out visitor would be misleading.
func (a *app) show(p page) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.auth.Outcome(c.Request().Context()) == lucia.OutcomeUnavailable {
			return a.page(c, views.Error, demo.ErrUnavailable)
		}
		return a.page(c, p, nil)
	}
}

// page renders a page. If err is not nil, the page reports it and has the error's status.
func (a *app) page(c echo.Context, p page, err error) error {
	v := a.site.View(c.Response(), c.Request(), a.auth, err)
	return render(c, v.Status, p(v))
}

// render writes a component. The components of package middleware read the session from the
// context.
func render(c echo.Context, status int, component templ.Component) error {
	var b bytes.Buffer
	if err := component.Render(c.Request().Context(), &b); err != nil {
		return err
	}
	return c.HTMLBlob(status, b.Bytes())
}

// enter signs in the user that who finds in the form of a page.
func (a *app) enter(p page, who func(*http.Request) (demo.User, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		user, err := who(c.Request())
		if err == nil {
			_, err = a.auth.SignIn(c.Response(), c.Request(), user.ID)
		}
		if err != nil {
			return a.page(c, p, err)
		}
		return c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request(), "/profile"))
	}
}

// deny shows this site's page, instead of the library's, during an outage of the session store.
// Require answers all other refusals itself.
func (a *app) deny(w http.ResponseWriter, r *http.Request, denial *lucia.Denial) error {
	if !demo.IsOutage(denial) {
		return denial
	}
	v := a.site.View(w, r, a.auth, demo.ErrUnavailable)
	templ.Handler(views.Error(v), templ.WithStatus(v.Status)).ServeHTTP(w, r)
	return nil
}

// saveProfile handles a form with the session's hidden field.
func (a *app) saveProfile(c echo.Context) error {
	s, err := a.auth.ValidateFormSubmission(c.Request())
	if err == nil {
		err = a.site.SaveBio(c.Request().Context(), s.User.ID, c.Request().PostFormValue("bio"))
	}
	if err == nil {
		err = a.auth.Reload(c.Response(), c.Request()) // the new access token contains the change
	}
	if err != nil {
		return a.page(c, views.Profile, err)
	}
	return c.Redirect(http.StatusSeeOther, "/profile")
}

// me is for scripts and programs, which send the access token as a bearer token.
func (a *app) me(c echo.Context) error {
	validate := a.auth.ValidateRequest
	if a.site.Hardened() { // scripts have no token in hardened mode
		validate = a.auth.ValidateRequestByCookie
	}
	s, err := validate(c.Request())
	if err != nil {
		demo.Challenge(c.Response().Header(), err)
		return luciaecho.Error(c, err)
	}
	return c.JSON(http.StatusOK, s.User)
}

// fail shows the page of an error that a handler has returned. It leaves refusals of the library,
// which are for scripts, to echo's own handler.
func (a *app) fail(asJSON echo.HTTPErrorHandler) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		var known *echo.HTTPError
		switch {
		case c.Response().Committed:
			return
		case errors.Is(err, echo.ErrNotFound):
			err = demo.ErrNotFound
		case errors.Is(err, echo.ErrMethodNotAllowed):
			h := c.Response().Header()
			h.Set(echo.HeaderAllow, strings.TrimPrefix(h.Get(echo.HeaderAllow), "OPTIONS, "))
			err = demo.ErrMethod
		case errors.As(err, &known):
			asJSON(err, c)
			return
		}
		if err := a.page(c, views.Error, err); err != nil {
			asJSON(err, c)
		}
	}
}

// plainOptions treats OPTIONS as an unsupported method, as net/http and gin do. echo by itself
// answers it with the methods of the path.
func plainOptions(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, misses := c.Get(echo.ContextKeyHeaderAllow).(string); misses {
			return echo.MethodNotAllowedHandler(c)
		}
		return next(c)
	}
}
