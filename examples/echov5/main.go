// Command echov5 is an app on echo v5 with templ and htmx in which people sign up, sign
// in, stay signed in, keep notes and sign out:
//
//	go run ./examples/echov5
//
// Sessions, users and notes are in memory; -db keeps them in a SQLite file, -redis in
// Redis. See -help.
package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echov5"
	"github.com/lucia-go/lucia/examples/internal/demo"
	"github.com/lucia-go/lucia/examples/internal/notes"
	"github.com/lucia-go/lucia/examples/internal/views"
)

func main() { demo.Main("echo v5", build) }

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
	if err := site.Assets.Add(views.Static); err != nil {
		return nil, nil, err
	}

	e := echo.New()
	e.HTTPErrorHandler = a.fail(echo.DefaultHTTPErrorHandler(false))
	e.Use(echomw.Recover(), luciaecho.Middleware(auth), plainOptions)
	reads := []string{http.MethodGet, http.MethodHead}
	e.Match(reads, "/", a.show(views.Home))
	e.Match(reads, "/signup", a.show(views.Signup))
	e.POST("/signup", a.enter(views.Signup, site.SignUp))
	e.Match(reads, "/login", a.show(views.Login))
	e.POST("/login", a.enter(views.Login, site.CheckPassword))
	e.Match(reads, "/profile", a.show(views.Profile), luciaecho.Require(auth))
	e.POST("/profile", a.saveProfile)
	e.Match(reads, "/events", echo.WrapHandler(site.Events(auth)), luciaecho.Require(auth))
	e.Match(reads, "/devices", a.devices, luciaecho.Require(auth))
	e.POST("/devices/end", a.endDevice)
	e.POST("/act", a.act)
	e.POST("/act/stop", a.stopActing)
	e.Match(reads, "/danger", a.show(views.Danger), luciaecho.RequireRecent(auth, site.Recent))
	e.Match(reads, "/again", a.show(views.Again), luciaecho.Require(auth))
	e.POST("/again", a.confirm, luciaecho.Require(auth))
	e.Match(reads, "/api/me", a.me)
	e.Match(reads, "/static/*", echo.WrapHandler(site.Assets))
	for _, route := range notes.Routes(auth, site) {
		e.Add(route.Method, "/notes"+route.Path, note(route.Handler), luciaecho.Require(auth))
	}
	return auth, e, nil
}

// show shows a page. If the session store is unavailable, it shows an error, because the page of
// a signed-out visitor would be misleading.
func (a *app) show(p views.Page) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if a.auth.Outcome(c.Request().Context()) == lucia.OutcomeUnavailable {
			return a.page(c, views.Error, demo.ErrUnavailable)
		}
		return a.page(c, p, nil)
	}
}

// page renders a page that reports err, if there is one, with the error's status.
func (a *app) page(c *echo.Context, p views.Page, err error) error {
	v := a.site.View(c.Response(), c.Request(), a.auth, err)
	return views.Write(c.Response(), c.Request(), v.Status, p(v))
}

// note runs a handler of the notes.
func note(handle notes.Handler) echo.HandlerFunc {
	return func(c *echo.Context) error { return handle(c.Response(), c.Request(), c.Param("id")) }
}

// enter signs in the user that who finds in the form of a page.
func (a *app) enter(p views.Page, who func(*http.Request) (demo.User, error)) echo.HandlerFunc {
	return func(c *echo.Context) error {
		user, err := who(c.Request())
		if err == nil {
			_, err = a.auth.SignIn(c.Response(), c.Request(), user.ID, lucia.Remember(demo.Remember(c.Request())))
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
func (a *app) saveProfile(c *echo.Context) error {
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

// devices shows where the person is signed in.
func (a *app) devices(c *echo.Context) error {
	v := a.site.View(c.Response(), c.Request(), a.auth, nil)
	sessions, err := a.auth.Sessions(c.Request().Context(), v.Session.User.ID)
	if err == nil {
		v.Devices, err = a.site.Devices(c.Request().Context(), sessions)
	}
	if err != nil {
		return a.page(c, views.Error, err)
	}
	return views.Write(c.Response(), c.Request(), v.Status, views.Devices(v))
}

// endDevice ends one session of the person, or all but that of the request.
func (a *app) endDevice(c *echo.Context) error {
	if err := a.endSessions(c.Response(), c.Request()); err != nil {
		return a.page(c, views.Error, err)
	}
	return c.Redirect(http.StatusSeeOther, "/devices")
}

func (a *app) endSessions(w http.ResponseWriter, r *http.Request) error {
	s, err := a.auth.ValidateFormSubmission(r)
	if err != nil {
		return err
	}
	id, others, err := demo.DeviceToEnd(r, s)
	switch {
	case err != nil:
		return err
	case others:
		_, err = a.auth.EndOthers(w, r)
		return err
	case id == s.ID:
		return a.auth.SignOut(w, r)
	}
	return a.auth.EndSession(r.Context(), s.User.ID, id)
}

// act begins a session in which the administrator acts as another user.
func (a *app) act(c *echo.Context) error {
	s, err := a.auth.ValidateFormSubmission(c.Request())
	var user demo.User
	var reason string
	if err == nil {
		user, reason, err = a.site.ActAs(c.Request(), s)
	}
	if err == nil {
		_, err = a.auth.SignIn(c.Response(), c.Request(), user.ID, lucia.Actor(s.User.ID, reason))
	}
	if err != nil {
		return a.page(c, views.Error, err)
	}
	return c.Redirect(http.StatusSeeOther, "/profile")
}

// stopActing returns to the administrator's own session. A second click finds it already there.
func (a *app) stopActing(c *echo.Context) error {
	err := a.auth.StopActing(c.Response(), c.Request())
	if err != nil && !errors.Is(err, lucia.CodeNotAuthenticated) {
		return a.page(c, views.Error, err)
	}
	return c.Redirect(http.StatusSeeOther, "/profile")
}

// confirm handles the form of the step-up page. It begins a new session of the same user and
// returns to the page that was refused.
func (a *app) confirm(c *echo.Context) error {
	err := a.site.ConfirmPassword(c.Request(), luciaecho.Session(c, a.auth))
	if err == nil {
		_, err = a.auth.StepUp(c.Response(), c.Request())
	}
	if err != nil {
		return a.page(c, views.Again, err)
	}
	return c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request(), "/danger"))
}

// me is for scripts and programs, which send the access token as a bearer token.
func (a *app) me(c *echo.Context) error {
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
	return func(c *echo.Context, err error) {
		if answer, _ := echo.UnwrapResponse(c.Response()); answer != nil && answer.Committed {
			return
		}
		var known *echo.HTTPError
		switch {
		case errors.Is(err, echo.ErrNotFound):
			err = demo.ErrNotFound
		case errors.Is(err, echo.ErrMethodNotAllowed):
			h := c.Response().Header()
			h.Set(echo.HeaderAllow, strings.TrimPrefix(h.Get(echo.HeaderAllow), "OPTIONS, "))
			err = demo.ErrMethod
		case errors.As(err, &known):
			asJSON(c, err)
			return
		}
		if err := a.page(c, views.Error, err); err != nil {
			asJSON(c, err)
		}
	}
}

// plainOptions treats OPTIONS as an unsupported method, as net/http and gin do. echo by itself
// answers it with the methods of the path.
func plainOptions(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if allow, misses := c.Get(echo.ContextKeyHeaderAllow).(string); misses {
			c.Response().Header().Set(echo.HeaderAllow, allow)
			return echo.ErrMethodNotAllowed
		}
		return next(c)
	}
}
