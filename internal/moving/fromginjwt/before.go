// Package fromginjwt is an API on gin-jwt, before and after it moves to lucia.
package fromginjwt

import (
	"net/http"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"

	"github.com/lucia-go/lucia/internal/moving/people"
)

// Credentials are the body of a request to the API's login.
type Credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Middleware returns the app's gin-jwt. Browsers have the tokens in cookies. Other programs send
// the access token as a bearer token.
func Middleware(key []byte) (*ginjwt.GinJWTMiddleware, error) {
	return ginjwt.New(&ginjwt.GinJWTMiddleware{
		Key:            key,
		Timeout:        15 * time.Minute,
		MaxRefresh:     30 * 24 * time.Hour,
		IdentityKey:    "user",
		SendCookie:     true,
		SecureCookie:   true,
		CookieHTTPOnly: true,
		TokenLookup:    "header: Authorization, cookie: jwt",
		Authorizer: func(c *gin.Context, id any) bool {
			user, _ := id.(string)
			return c.FullPath() != "/api/users/:id" || people.IsAdmin(user)
		},
		PayloadFunc: func(id any) jwt.MapClaims { return jwt.MapClaims{"user": id} },
		Authenticator: func(c *gin.Context) (any, error) {
			var in Credentials
			if err := c.ShouldBindJSON(&in); err != nil {
				return nil, ginjwt.ErrMissingLoginValues
			}
			id, ok := people.Check(in.Username, in.Password)
			if !ok {
				return nil, ginjwt.ErrFailedAuthentication
			}
			return id, nil
		},
	})
}

// Before is the API on gin-jwt.
func Before(mw *ginjwt.GinJWTMiddleware) http.Handler {
	g := gin.New()
	g.POST("/login", mw.LoginHandler)
	g.POST("/refresh", mw.RefreshHandler)
	g.POST("/logout", mw.LogoutHandler)
	api := g.Group("/api", mw.MiddlewareFunc())
	api.GET("/me", func(c *gin.Context) {
		id, _ := ginjwt.ExtractClaims(c)["user"].(string)
		c.JSON(http.StatusOK, gin.H{"id": id, "name": people.Name(id)})
	})
	api.GET("/users/:id", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"name": people.Name(c.Param("id"))})
	})
	return g
}
