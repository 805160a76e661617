// Package fromginsessions is an app on gin-contrib/sessions, before and after it moves to lucia.
package fromginsessions

import (
	"net/http"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/internal/moving/people"
)

// Name is the name of the session and of its cookie.
const Name = "shop"

// Before is the app on gin-contrib/sessions.
func Before(store sessions.Store) http.Handler {
	g := gin.New()
	g.Use(sessions.Sessions(Name, store))
	g.GET("/", func(c *gin.Context) {
		id, _ := sessions.Default(c).Get("userID").(string)
		people.Show(c.Writer, people.View{Name: people.Name(id), SignOut: "/logout"})
	})
	g.GET("/login", func(c *gin.Context) {
		people.ShowLogin(c.Writer, "")
	})
	g.POST("/login", func(c *gin.Context) {
		id, ok := people.Check(c.PostForm("username"), c.PostForm("password"))
		if !ok {
			c.String(http.StatusUnauthorized, "wrong name or password")
			return
		}
		session := sessions.Default(c)
		session.Set("userID", id)
		if err := session.Save(); err != nil {
			c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	g.POST("/logout", func(c *gin.Context) {
		session := sessions.Default(c)
		session.Clear()
		session.Options(sessions.Options{Path: "/", MaxAge: -1})
		if err := session.Save(); err != nil {
			c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	account := g.Group("/account", func(c *gin.Context) {
		if id, ok := sessions.Default(c).Get("userID").(string); ok {
			c.Set("userID", id)
			return
		}
		c.Redirect(http.StatusSeeOther, "/login")
		c.Abort()
	})
	account.GET("", func(c *gin.Context) {
		c.String(http.StatusOK, "Account of "+people.Name(c.GetString("userID")))
	})
	return g
}
