package contend

import (
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	echov5 "github.com/labstack/echo/v5"
)

// newMux returns a net/http app whose page shows what name returns, or 401 for
// "".
func newMux(name func(r *http.Request) string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, r *http.Request) {
		n := name(r)
		if n == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8") // as echo's and gin's String do
		io.WriteString(w, n)
	})
	return mux
}

// newEcho returns an echo app with the same page.
func newEcho(name func(c echo.Context) string, use ...echo.MiddlewareFunc) *echo.Echo {
	e := echo.New()
	e.Use(use...)
	e.GET(Path, func(c echo.Context) error {
		n := name(c)
		if n == "" {
			return c.NoContent(http.StatusUnauthorized)
		}
		return c.String(http.StatusOK, n)
	})
	return e
}

// newEchoV5 returns an echo v5 app with the same page.
func newEchoV5(name func(c *echov5.Context) string, use ...echov5.MiddlewareFunc) *echov5.Echo {
	e := echov5.New()
	e.Use(use...)
	e.GET(Path, func(c *echov5.Context) error {
		n := name(c)
		if n == "" {
			return c.NoContent(http.StatusUnauthorized)
		}
		return c.String(http.StatusOK, n)
	})
	return e
}

// newGin returns a gin app with the same page.
func newGin(name func(c *gin.Context) string, use ...gin.HandlerFunc) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(use...)
	e.GET(Path, func(c *gin.Context) {
		n := name(c)
		if n == "" {
			c.Status(http.StatusUnauthorized)
			return
		}
		c.String(http.StatusOK, "%s", n)
	})
	return e
}

// fillers returns cookies that no contender reads.
func fillers(users int) []string {
	cookies := make([]string, users)
	for i := range cookies {
		cookies[i] = threeCookies("access_token", token(user(i)))
	}
	return cookies
}

func bareHTTP(env Env) (*App, error) {
	name := Name(0)
	return &App{Handler: newMux(func(*http.Request) string { return name }), Cookies: fillers(env.Users)}, nil
}

func bareEcho(env Env) (*App, error) {
	name := Name(0)
	return &App{Handler: newEcho(func(echo.Context) string { return name }), Cookies: fillers(env.Users)}, nil
}

func bareEchoV5(env Env) (*App, error) {
	name := Name(0)
	return &App{Handler: newEchoV5(func(*echov5.Context) string { return name }), Cookies: fillers(env.Users)}, nil
}

func bareGin(env Env) (*App, error) {
	name := Name(0)
	return &App{Handler: newGin(func(*gin.Context) string { return name }), Cookies: fillers(env.Users)}, nil
}
