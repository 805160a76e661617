package fromechosessions

import (
	"net/http"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	"github.com/lucia-go/lucia/flash"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the app on lucia. Each old session is exchanged once.
func After(config lucia.Config[people.Profile], old sessions.Store, spent *people.Spent) (http.Handler, error) {
	auth, err := lucia.New(config)
	if err != nil {
		return nil, err
	}
	flashes, err := flash.New(flash.Config{Secret: config.Secret, Dev: config.Dev})
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(luciaecho.Middleware(auth), carryOver(auth, old, spent))
	home := func(c echo.Context) error {
		view := people.View{Head: lucia.PageData.HTML(c.Request().Context()), SignOut: "/logout"}
		if session := luciaecho.Session(c, auth); session != nil {
			view.Name = session.User.Data.Name
		}
		view.Notice, _ = flashes.Take(c.Response(), c.Request(), "notice")
		people.Show(c.Response(), view)
		return nil
	}
	e.GET("/", home)
	e.GET("/login", func(c echo.Context) error {
		people.ShowLogin(c.Response(), lucia.ReturnField(c.Request()).HTML(c.Request().Context()))
		return nil
	})
	e.POST("/login", func(c echo.Context) error {
		id, ok := people.Check(c.FormValue("username"), c.FormValue("password"))
		if !ok {
			flashes.Set(c.Response(), "notice", "Wrong name or password.")
			return home(c)
		}
		if _, err := auth.SignIn(c.Response(), c.Request(), id); err != nil {
			return luciaecho.Error(c, err)
		}
		return c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request(), "/"))
	})
	e.POST("/logout", func(c echo.Context) error {
		if err := auth.SignOut(c.Response(), c.Request()); err != nil {
			return luciaecho.Error(c, err)
		}
		flashes.Set(c.Response(), "notice", "You are signed out.")
		return c.Redirect(http.StatusSeeOther, "/")
	})
	e.GET("/account", func(c echo.Context) error {
		return c.String(http.StatusOK, "Account of "+luciaecho.Session(c, auth).User.Data.Name)
	}, luciaecho.Require(auth))
	return e, nil
}

// carryOver signs in the person whose old session the browser still has, once, and deletes its
// cookie. Remove carryOver MaxAge after the move, when the last old session has expired.
func carryOver(auth *lucia.Auth[people.Profile], old sessions.Store, spent *people.Spent) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			cookie, err := c.Cookie(Name)
			if err != nil || !lucia.IsPage(c.Request()) {
				return next(c)
			}
			session, err := old.Get(c.Request(), Name)
			if luciaecho.Session(c, auth) == nil {
				if id, ok := signedIn(session); err == nil && ok && spent.First(cookie.Value) {
					if _, err := auth.SignIn(c.Response(), c.Request(), id); err != nil {
						c.Logger().Error("old session: ", err)
						spent.Forget(cookie.Value)
						return next(c)
					}
				} else if spent.Wait(c.Response(), c.Request(), cookie.Value) {
					return nil // another tab has just been signed in
				}
			}
			session.Options.MaxAge = -1
			if err := session.Save(c.Request(), c.Response()); err != nil {
				c.Logger().Error("old session: ", err)
			}
			return next(c)
		}
	}
}
