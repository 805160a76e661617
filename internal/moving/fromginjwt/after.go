package fromginjwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	"github.com/appleboy/gin-jwt/v3/core"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"

	"github.com/lucia-go/lucia"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the API on lucia. POST /move exchanges a refresh token of gin-jwt for a session, and
// POST /move-access an access token, each once.
func After(config lucia.Config[people.Profile], old *ginjwt.GinJWTMiddleware, spent *people.Spent) (http.Handler, error) {
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
		if _, err := auth.SignIn(c.Writer, c.Request, id); err != nil {
			luciagin.Error(c, err)
			return
		}
		c.Status(http.StatusNoContent)
	})
	g.POST("/logout", func(c *gin.Context) {
		if err := auth.SignOut(c.Writer, c.Request); err != nil {
			luciagin.Error(c, err)
			return
		}
		c.Status(http.StatusNoContent)
	})
	g.POST("/move", moveOver(auth, old, spent))
	g.POST("/move-access", moveAccess(auth, old.Key, spent))
	api := g.Group("/api", luciagin.Require(auth))
	api.GET("/me", func(c *gin.Context) {
		user := luciagin.Session(c, auth).User
		c.JSON(http.StatusOK, gin.H{"id": user.ID, "name": user.Data.Name})
	})
	api.GET("/users/:id", onlyAdmins(auth), func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"name": people.Name(c.Param("id"))})
	})
	return g, nil
}

// onlyAdmins takes the place of the old API's Authorizer. Requests reach it after Require.
func onlyAdmins(auth *lucia.Auth[people.Profile]) gin.HandlerFunc {
	return func(c *gin.Context) {
		user := luciagin.Session(c, auth).User
		if !people.IsAdmin(user.ID) {
			c.AbortWithStatusJSON(http.StatusForbidden, gin.H{"message": "only admins may do this"})
			return
		}
		c.Set("user", user.ID) // for handlers that read what IdentityHandler has set
	}
}

// moveOver begins a session for a client with a refresh token of gin-jwt, once, and deletes that
// token. The page's script calls it once if loadSession() resolves to null. Remove it after
// RefreshTokenTimeout.
func moveOver(auth *lucia.Auth[people.Profile], old *ginjwt.GinJWTMiddleware, spent *people.Spent) gin.HandlerFunc {
	return func(c *gin.Context) {
		token, err := c.Cookie(old.RefreshTokenCookieName)
		if err != nil {
			token = c.PostForm("refresh_token") // an app that keeps it in localStorage
		}
		// The Redis store tries without end.
		ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
		defer cancel()
		user, err := old.RefreshTokenStore.Get(ctx, token)
		id, ok := user.(string) // the type that Authenticator returns
		if err != nil && !errors.Is(err, core.ErrRefreshTokenNotFound) && !errors.Is(err, core.ErrRefreshTokenExpired) {
			// The answer is a 503, and the client tries again.
			luciagin.Error(c, fmt.Errorf("%w: %w", lucia.CodeDatabaseFetchFailed, err))
			return
		}
		if err != nil || !ok || !spent.First(token) {
			luciagin.Error(c, lucia.CodeUnauthorized)
			return
		}
		if _, err := auth.SignIn(c.Writer, c.Request, id); err != nil {
			spent.Forget(token)
			luciagin.Error(c, err)
			return
		}
		if err := old.RefreshTokenStore.Delete(ctx, token); err != nil {
			c.Error(err)
		}
		for _, name := range []string{old.CookieName, old.RefreshTokenCookieName} {
			c.SetCookie(name, "", -1, "/", old.CookieDomain, old.SecureCookie, true)
		}
		c.Status(http.StatusNoContent)
	}
}

// moveAccess begins a session for a client with an access token of gin-jwt v2 or v3, once for each
// token. Remove it when the last old token has expired: Timeout after the move.
func moveAccess(auth *lucia.Auth[people.Profile], oldKey []byte, spent *people.Spent) gin.HandlerFunc {
	return func(c *gin.Context) {
		token, _ := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return oldKey, nil },
			jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithJSONNumber())
		id, ok := claims["user"] // the claim that PayloadFunc has set
		if err != nil || !ok || !spent.First(token) {
			luciagin.Error(c, lucia.CodeUnauthorized)
			return
		}
		if _, err := auth.SignIn(c.Writer, c.Request, fmt.Sprint(id)); err != nil {
			spent.Forget(token)
			luciagin.Error(c, err)
			return
		}
		c.Status(http.StatusNoContent)
	}
}
