// Package fromechojwt is an app on echo-jwt, before and after it moves to lucia.
package fromechojwt

import (
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia/internal/moving/people"
)

const (
	cookieName = "token"
	lifetime   = 72 * time.Hour
)

// Before is the app on echo-jwt, with the token in a cookie. The token lives three days, because
// there is no refresh.
func Before(key []byte) http.Handler {
	e := echo.New()
	e.GET("/login", func(c echo.Context) error {
		people.ShowLogin(c.Response(), "")
		return nil
	})
	e.POST("/login", func(c echo.Context) error {
		id, ok := people.Check(c.FormValue("username"), c.FormValue("password"))
		if !ok {
			return echo.NewHTTPError(http.StatusUnauthorized, "wrong name or password")
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
			Subject:   id,
			ExpiresAt: jwt.NewNumericDate(time.Now().Add(lifetime)),
		}).SignedString(key)
		if err != nil {
			return err
		}
		c.SetCookie(&http.Cookie{
			Name: cookieName, Value: token, Path: "/", MaxAge: int(lifetime / time.Second),
			HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
		})
		return c.Redirect(http.StatusSeeOther, "/account")
	})
	e.POST("/logout", func(c echo.Context) error {
		c.SetCookie(&http.Cookie{Name: cookieName, Path: "/", MaxAge: -1}) // the token stays valid
		return c.Redirect(http.StatusSeeOther, "/login")
	})
	account := e.Group("/account", echojwt.WithConfig(echojwt.Config{
		SigningKey:  key,
		TokenLookup: "cookie:" + cookieName,
		ErrorHandler: func(c echo.Context, _ error) error {
			return c.Redirect(http.StatusSeeOther, "/login")
		},
	}))
	account.GET("", func(c echo.Context) error {
		id, err := c.Get("user").(*jwt.Token).Claims.GetSubject()
		if err != nil {
			return err
		}
		people.Show(c.Response(), people.View{Name: people.Name(id), SignOut: "/logout"})
		return nil
	})
	return e
}
