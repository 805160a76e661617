// Command gin is an app on gin with html/template in which people sign up, sign
// in, stay signed in and sign out:
//
//	go run ./examples/gin
//
// Sessions and users are in memory; -db keeps both in a SQLite file, -redis in Redis.
// See -help.
package main

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/examples/internal/demo"
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	demo.Main("gin", build)
}

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

	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false // /login/ is not a page
	r.SetHTMLTemplate(site.Templates)
	r.Use(gin.Recovery(), luciagin.Middleware(auth)) // before the routes
	reads := []string{http.MethodGet, http.MethodHead}
	r.Match(reads, "/", a.show("home"))
	r.Match(reads, "/signup", a.show("signup"))
	r.POST("/signup", a.enter("signup", site.SignUp))
	r.Match(reads, "/login", a.show("login"))
	r.POST("/login", a.enter("login", site.CheckPassword))
	r.Match(reads, "/profile", luciagin.Require(auth), a.show("profile"))
	r.POST("/profile", a.saveProfile)
	r.Match(reads, "/events", luciagin.Require(auth), gin.WrapH(site.Events(auth)))
	r.Match(reads, "/devices", luciagin.Require(auth), a.devices)
	r.POST("/devices/end", a.endDevice)
	r.POST("/act", a.act)
	r.POST("/act/stop", a.stopActing)
	r.Match(reads, "/danger", luciagin.RequireRecent(auth, site.Recent), a.show("danger"))
	r.Match(reads, "/again", luciagin.Require(auth), a.show("again"))
	r.POST("/again", luciagin.Require(auth), a.confirm)
	r.Match(reads, "/api/me", a.me)
	r.Match(reads, "/static/*name", gin.WrapH(site.Assets))
	r.NoRoute(a.fail(demo.ErrNotFound))
	r.NoMethod(a.fail(demo.ErrMethod))
	return auth, r, nil
}

// show shows a page. If the session store is unavailable, it shows an error, because the page of
// a signed-out visitor would be misleading.
func (a *app) show(page string) gin.HandlerFunc {
	return func(c *gin.Context) {
		if a.auth.Outcome(c.Request.Context()) == lucia.OutcomeUnavailable {
			a.page(c, "error", demo.ErrUnavailable)
			return
		}
		a.page(c, page, nil)
	}
}

// page renders a page. If err is not nil, the page reports it and has the error's status.
func (a *app) page(c *gin.Context, name string, err error) {
	v := a.site.View(c.Writer, c.Request, a.auth, err)
	c.HTML(v.Status, name, v)
}

// enter signs in the user that who finds in the form of a page.
func (a *app) enter(page string, who func(*http.Request) (demo.User, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, err := who(c.Request)
		if err == nil {
			_, err = a.auth.SignIn(c.Writer, c.Request, user.ID, lucia.Remember(demo.Remember(c.Request)))
		}
		if err != nil {
			a.page(c, page, err)
			return
		}
		c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request, "/profile"))
	}
}

// saveProfile handles a form with the session's hidden field.
func (a *app) saveProfile(c *gin.Context) {
	s, err := a.auth.ValidateFormSubmission(c.Request)
	if err == nil {
		err = a.site.SaveBio(c.Request.Context(), s.User.ID, c.PostForm("bio"))
	}
	if err == nil {
		err = a.auth.Reload(c.Writer, c.Request) // the new access token contains the change
	}
	if err != nil {
		a.page(c, "profile", err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/profile")
}

// devices shows where the person is signed in.
func (a *app) devices(c *gin.Context) {
	v := a.site.View(c.Writer, c.Request, a.auth, nil)
	sessions, err := a.auth.Sessions(c.Request.Context(), v.Session.User.ID)
	if err == nil {
		v.Devices, err = a.site.Devices(c.Request.Context(), sessions)
	}
	if err != nil {
		a.page(c, "error", err)
		return
	}
	c.HTML(http.StatusOK, "devices", v)
}

// endDevice ends one session of the person, or all but that of the request.
func (a *app) endDevice(c *gin.Context) {
	if err := a.endSessions(c.Writer, c.Request); err != nil {
		a.page(c, "error", err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/devices")
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
func (a *app) act(c *gin.Context) {
	s, err := a.auth.ValidateFormSubmission(c.Request)
	var user demo.User
	var reason string
	if err == nil {
		user, reason, err = a.site.ActAs(c.Request, s)
	}
	if err == nil {
		_, err = a.auth.SignIn(c.Writer, c.Request, user.ID, lucia.Actor(s.User.ID, reason))
	}
	if err != nil {
		a.page(c, "error", err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/profile")
}

// stopActing returns to the administrator's own session. A second click finds it already there.
func (a *app) stopActing(c *gin.Context) {
	err := a.auth.StopActing(c.Writer, c.Request)
	if err != nil && !errors.Is(err, lucia.CodeNotAuthenticated) {
		a.page(c, "error", err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/profile")
}

// confirm handles the form of the step-up page. It begins a new session of the same user and
// returns to the page that was refused.
func (a *app) confirm(c *gin.Context) {
	err := a.site.ConfirmPassword(c.Request, luciagin.Session(c, a.auth))
	if err == nil {
		_, err = a.auth.StepUp(c.Writer, c.Request)
	}
	if err != nil {
		a.page(c, "again", err)
		return
	}
	c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request, "/danger"))
}

// me is for scripts and programs, which send the access token as a bearer token.
func (a *app) me(c *gin.Context) {
	validate := a.auth.ValidateRequest
	if a.site.Hardened() { // scripts have no token in hardened mode
		validate = a.auth.ValidateRequestByCookie
	}
	s, err := validate(c.Request)
	if err != nil {
		demo.Challenge(c.Writer.Header(), err)
		luciagin.Error(c, err)
		return
	}
	c.JSON(http.StatusOK, s.User)
}

// deny shows this site's page, instead of the library's, during an outage of the session store.
// Require answers all other refusals itself.
func (a *app) deny(w http.ResponseWriter, r *http.Request, denial *lucia.Denial) error {
	if !demo.IsOutage(denial) {
		return denial
	}
	a.site.Render(w, "error", a.site.View(w, r, a.auth, demo.ErrUnavailable))
	return nil
}

// fail shows the page of an error.
func (a *app) fail(err error) gin.HandlerFunc {
	return func(c *gin.Context) { a.page(c, "error", err) }
}
