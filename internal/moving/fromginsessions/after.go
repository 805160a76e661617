package fromginsessions

import (
	"log"
	"net/http"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the app on lucia. Each old session is exchanged once.
func After(config lucia.Config[people.Profile], old sessions.Store, spent *people.Spent) (http.Handler, error) {
	auth, err := lucia.New(config)
	if err != nil {
		return nil, err
	}
	g := gin.New()
	g.Use(luciagin.Middleware(auth), sessions.Sessions(Name, old), carryOver(auth, spent))
	g.GET("/", func(c *gin.Context) {
		view := people.View{
			Head:    lucia.PageData.HTML(c.Request.Context()),
			Field:   lucia.FormField.HTML(c.Request.Context()),
			SignOut: auth.BasePath() + "/logout",
		}
		if session := luciagin.Session(c, auth); session != nil {
			view.Name = session.User.Data.Name
		}
		people.Show(c.Writer, view)
	})
	g.GET("/login", func(c *gin.Context) {
		people.ShowLogin(c.Writer, lucia.ReturnField(c.Request).HTML(c.Request.Context()))
	})
	g.POST("/login", func(c *gin.Context) {
		id, ok := people.Check(c.PostForm("username"), c.PostForm("password"))
		if !ok {
			c.String(http.StatusUnauthorized, "wrong name or password")
			return
		}
		if _, err := auth.SignIn(c.Writer, c.Request, id); err != nil {
			luciagin.Error(c, err)
			return
		}
		c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request, "/"))
	})
	g.GET("/account", luciagin.Require(auth), func(c *gin.Context) {
		c.String(http.StatusOK, "Account of "+luciagin.Session(c, auth).User.Data.Name)
	})
	return g, nil
}

// carryOver signs in the person whose old session the browser still has, once, and deletes its
// cookie. Remove carryOver and sessions.Sessions when the last old session has expired.
func carryOver(auth *lucia.Auth[people.Profile], spent *people.Spent) gin.HandlerFunc {
	return func(c *gin.Context) {
		cookie, err := c.Request.Cookie(Name)
		if err != nil || !lucia.IsPage(c.Request) {
			return
		}
		session := sessions.Default(c)
		if luciagin.Session(c, auth) == nil {
			if id, ok := session.Get("userID").(string); ok && spent.First(cookie.Value) {
				if _, err := auth.SignIn(c.Writer, c.Request, id); err != nil {
					log.Print("old session: ", err)
					spent.Forget(cookie.Value)
					return
				}
			} else if spent.Wait(c.Writer, c.Request, cookie.Value) {
				c.Abort() // another tab has just been signed in
				return
			}
		}
		session.Clear()
		session.Options(sessions.Options{Path: "/", MaxAge: -1})
		if err := session.Save(); err != nil {
			log.Print("old session: ", err)
		}
	}
}
