package rotate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	"github.com/appleboy/gin-jwt/v3/core"
	ginstore "github.com/appleboy/gin-jwt/v3/store"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/rueidis"

	"github.com/lucia-go/lucia/benchmarks/contend"
)

// openRueidis opens rueidis, the client of gin-jwt's store, for the floor, and opens that store.
func openRueidis(addr string) (*Conn, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}})
	if err != nil {
		return nil, err
	}
	config := ginstore.DefaultRedisConfig()
	config.Addr = addr
	tokens, err := ginstore.NewRedisRefreshTokenStore(config)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &Conn{
		Contenders: []Contender{
			{bareName, 1, with(client, bareRueidis)},
			{"gin-jwt v3, the store alone", 3, with(tokens, ginStore)},
			{"gin-jwt v3, RefreshHandler", 3, with(tokens, ginRoute)},
		},
		Flush: func(ctx context.Context) error { return client.Do(ctx, client.B().Flushall().Build()).Error() },
		Close: func() { client.Close(); tokens.Close() },
	}, nil
}

// bareRueidis is bare with rueidis.
func bareRueidis(client rueidis.Client, n int) (Exchange, error) {
	script := rueidis.NewLuaScript(compareAndSet)
	err := each(preparers, n, func(i int) error {
		return client.Do(ctx, client.B().Set().Key(name("bare", i)).Value("old").Ex(year).Build()).Error()
	})
	return func(i int) (string, error) {
		done, err := script.Exec(ctx, client, []string{name("bare", i)}, []string{"old", "new"}).AsInt64()
		if err != nil || done == 0 {
			return "", err
		}
		return "new", nil
	}, err
}

// seed stores n refresh tokens as gin-jwt's LoginHandler does.
func seed(tokens *ginstore.RedisRefreshTokenStore, n int) error {
	return each(preparers, n, func(i int) error {
		return tokens.Set(ctx, name("gin", i), contend.ID(i), time.Now().Add(year))
	})
}

// ginStore calls gin-jwt's store as its RefreshHandler does: it looks the token up, stores its
// successor and deletes it.
func ginStore(tokens *ginstore.RedisRefreshTokenStore, n int) (Exchange, error) {
	return func(i int) (string, error) {
		user, err := tokens.Get(ctx, name("gin", i))
		if errors.Is(err, core.ErrRefreshTokenNotFound) {
			return "", nil
		}
		successor := rand.Text() + rand.Text()
		if err == nil {
			err = tokens.Set(ctx, successor, user, time.Now().Add(year))
		}
		if err == nil {
			err = tokens.Delete(ctx, name("gin", i))
		}
		return successor, err
	}, seed(tokens, n)
}

// ginRoute is a complete refresh of gin-jwt: its RefreshHandler, with cookies.
func ginRoute(tokens *ginstore.RedisRefreshTokenStore, n int) (Exchange, error) {
	mw, err := ginjwt.New(&ginjwt.GinJWTMiddleware{
		Realm:             "app",
		Key:               contend.Key(),
		IdentityKey:       "user",
		PayloadFunc:       func(user any) jwt.MapClaims { return jwt.MapClaims{"user": user} },
		Timeout:           15 * time.Minute,
		SendCookie:        true,
		SecureCookie:      true,
		CookieHTTPOnly:    true,
		RefreshTokenStore: tokens,
	})
	if err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	app := gin.New()
	app.POST("/refresh", mw.RefreshHandler)
	fresh := httptest.NewRequest("POST", "/refresh", http.NoBody)
	return func(i int) (string, error) {
		r := *fresh
		r.Header = http.Header{"Cookie": {"refresh_token=" + name("gin", i)}}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, &r)
		switch w.Code {
		case http.StatusOK:
			return w.Header()["Set-Cookie"][1], nil
		case http.StatusUnauthorized:
			return "", nil
		}
		return "", fmt.Errorf("status %d", w.Code)
	}, seed(tokens, n)
}
