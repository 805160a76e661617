// Package fromechosessions is an app on echo with gorilla/sessions, before and after it moves to
// lucia.
package fromechosessions

import (
	"net/http"
	"strconv"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia/internal/moving/people"
)

// Name is the name of the session and of its cookie.
const Name = "shop"

// Before is the app on gorilla/sessions. store.Get is what echo-contrib's session.Get calls. The
// ids of users are numbers. A sign-out leaves the id in the session.
func Before(store sessions.Store) http.Handler {
	e := echo.New()
	home := func(c echo.Context) error {
		session, _ := store.Get(c.Request(), Name) // an error means a new session
		view := people.View{SignOut: "/logout"}
		if id, ok := signedIn(session); ok {
			view.Name = people.Name(id)
		}
		if flashes := session.Flashes(); len(flashes) > 0 {
			view.Notice, _ = flashes[0].(string)
			if err := session.Save(c.Request(), c.Response()); err != nil {
				return err
			}
		}
		people.Show(c.Response(), view)
		return nil
	}
	e.GET("/", home)
	e.GET("/login", func(c echo.Context) error {
		people.ShowLogin(c.Response(), "")
		return nil
	})
	e.POST("/login", func(c echo.Context) error {
		session, _ := store.Get(c.Request(), Name)
		id, ok := people.Check(c.FormValue("username"), c.FormValue("password"))
		if !ok {
			session.AddFlash("Wrong name or password.")
			return home(c)
		}
		number, err := strconv.Atoi(id[1:])
		if err != nil {
			return err
		}
		session.Values["user_id"], session.Values["authenticated"] = number, true
		if err := session.Save(c.Request(), c.Response()); err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	e.POST("/logout", func(c echo.Context) error {
		session, _ := store.Get(c.Request(), Name)
		session.Values["authenticated"] = false
		session.AddFlash("You are signed out.")
		if err := session.Save(c.Request(), c.Response()); err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	e.GET("/account", func(c echo.Context) error {
		session, _ := store.Get(c.Request(), Name)
		id, ok := signedIn(session)
		if !ok {
			return c.Redirect(http.StatusSeeOther, "/login")
		}
		return c.String(http.StatusOK, "Account of "+people.Name(id))
	})
	return e
}

// signedIn returns the id of the user who is signed in to the old app.
func signedIn(session *sessions.Session) (userID string, ok bool) {
	id, ok := session.Values["user_id"].(int)
	return "u" + strconv.Itoa(id), ok && session.Values["authenticated"] == true
}
