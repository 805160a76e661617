package fromginjwt

import (
	"net/http"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the API on lucia. POST /move exchanges a refresh token of gin-jwt for a session, once.
func After(config lucia.Config[people.Profile], old *ginjwt.GinJWTMiddleware) (http.Handler, error) {
	auth, err := lucia.New(config)
	if err != nil {
		return nil, err
	}
	g := gin.New()
	g.Use(luciagin.Middleware(auth))
	g.POST("/login", func(c *gin.Context) {
		var in Credentials
		if err := c.ShouldBindJSON(&in); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"message": "username and password are missing"})
			return
		}
		id, ok := people.Check(in.Username, in.Password)
		if !ok {
			c.JSON(http.StatusUnauthorized, gin.H{"message": "wrong name or password"})
			return
		}
		if _, err := auth.SignIn(c.Writer, c.Request, id); luciagin.Error(c, err) {
			return
		}
		c.Status(http.StatusNoContent)
	})
	g.POST("/move", moveOver(auth, old))
	api := g.Group("/api", luciagin.Require(auth))
	api.GET("/me", func(c *gin.Context) {
		user := luciagin.Session(c, auth).User
		c.JSON(http.StatusOK, gin.H{"id": user.ID, "name": user.Data.Name})
	})
	return g, nil
}

// moveOver begins a session for whoever has a refresh token of gin-jwt, and deletes that token. The
// page's script calls it once if loadSession() resolves to null. Remove it after
// RefreshTokenTimeout.
func moveOver(auth *lucia.Auth[people.Profile], old *ginjwt.GinJWTMiddleware) gin.HandlerFunc {
	return func(c *gin.Context) {
		token, err := c.Cookie(old.RefreshTokenCookieName)
		if err != nil {
			token = c.PostForm("refresh_token") // an app that keeps it in localStorage
		}
		id, err := old.RefreshTokenStore.Get(c, token)
		if err != nil {
			c.JSON(http.StatusUnauthorized, gin.H{"message": lucia.CodeUnauthorized})
			return
		}
		if _, err := auth.SignIn(c.Writer, c.Request, id.(string)); luciagin.Error(c, err) {
			return
		}
		if err := old.RefreshTokenStore.Delete(c, token); err != nil {
			c.Error(err)
		}
		for _, name := range []string{old.CookieName, old.RefreshTokenCookieName} {
			c.SetCookie(name, "", -1, "/", old.CookieDomain, old.SecureCookie, true)
		}
		c.Status(http.StatusNoContent)
	}
}
