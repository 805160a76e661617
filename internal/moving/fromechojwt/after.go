package fromechojwt

import (
	"log"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the app on lucia. Each old token is accepted once.
func After(config lucia.Config[people.Profile], oldKey []byte, spent *people.Spent) (http.Handler, error) {
	auth, err := lucia.New(config)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(luciaecho.Middleware(auth), carryOver(auth, oldKey, spent))
	e.GET("/login", func(c echo.Context) error {
		people.ShowLogin(c.Response(), lucia.ReturnField(c.Request()).HTML(c.Request().Context()))
		return nil
	})
	e.POST("/login", func(c echo.Context) error {
		id, ok := people.Check(c.FormValue("username"), c.FormValue("password"))
		if !ok {
			return echo.NewHTTPError(http.StatusUnauthorized, "wrong name or password")
		}
		if _, err := auth.SignIn(c.Response(), c.Request(), id); err != nil {
			return luciaecho.Error(c, err)
		}
		return c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request(), "/account"))
	})
	e.GET("/account", func(c echo.Context) error {
		ctx := c.Request().Context()
		people.Show(c.Response(), people.View{
			Name:    luciaecho.Session(c, auth).User.Data.Name,
			Head:    lucia.PageData.HTML(ctx),
			Field:   lucia.FormField.HTML(ctx),
			SignOut: auth.BasePath() + "/logout",
		})
		return nil
	}, luciaecho.Require(auth))
	return e, nil
}

// carryOver signs in the person whose old token the browser still has, once, and deletes its
// cookie. Remove carryOver three days after the move, when the last old token has expired.
func carryOver(auth *lucia.Auth[people.Profile], oldKey []byte, spent *people.Spent) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			cookie, err := c.Cookie(cookieName)
			if err != nil || !lucia.IsPage(c.Request()) {
				return next(c)
			}
			var claims jwt.RegisteredClaims
			_, err = jwt.ParseWithClaims(cookie.Value, &claims, func(*jwt.Token) (any, error) { return oldKey, nil },
				jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
			if luciaecho.Session(c, auth) == nil {
				if err == nil && spent.First(cookie.Value) {
					if _, err := auth.SignIn(c.Response(), c.Request(), claims.Subject); err != nil {
						log.Print("old token: ", err)
						spent.Forget(cookie.Value)
						return next(c)
					}
				} else if spent.Wait(c.Response(), c.Request(), cookie.Value) {
					return nil // another tab has just been signed in
				}
			}
			c.SetCookie(&http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
			return next(c)
		}
	}
}
