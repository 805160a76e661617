package luciatest_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
)

// The documentation on testing handlers shows the three tests below, one for each framework.

func TestGreetingOnNetHTTP(t *testing.T) {
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
	mux := http.NewServeMux()
	mux.Handle("GET /hello", kit.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Hello, " + kit.Auth.Session(r.Context()).User.Data.Username))
	})))
	browser := luciatest.NewBrowser(t, nethttp.Wrap(kit.Auth, mux))
	if page := browser.Open("/hello").Page(); page.URL.Path != "/login" {
		t.Errorf("a signed-out visitor gets %s", page.URL)
	}
	if page := kit.SignIn(browser, "u1").Open("/hello").Page(); page.Body != "Hello, ada" {
		t.Errorf("ada gets %d %s", page.Status, page.Body)
	}
}

func TestGreetingOnEcho(t *testing.T) {
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
	app := echo.New()
	app.Use(luciaecho.Middleware(kit.Auth))
	app.GET("/hello", func(c echo.Context) error {
		return c.String(http.StatusOK, "Hello, "+luciaecho.Session(c, kit.Auth).User.Data.Username)
	}, luciaecho.Require(kit.Auth))
	browser := luciatest.NewBrowser(t, app)
	if page := browser.Open("/hello").Page(); page.URL.Path != "/login" {
		t.Errorf("a signed-out visitor gets %s", page.URL)
	}
	if page := kit.SignIn(browser, "u1").Open("/hello").Page(); page.Body != "Hello, ada" {
		t.Errorf("ada gets %d %s", page.Status, page.Body)
	}
}

func TestGreetingOnGin(t *testing.T) {
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
	app := gin.New()
	app.Use(luciagin.Middleware(kit.Auth))
	app.GET("/hello", luciagin.Require(kit.Auth), func(c *gin.Context) {
		c.String(http.StatusOK, "Hello, "+luciagin.Session(c, kit.Auth).User.Data.Username)
	})
	browser := luciatest.NewBrowser(t, app)
	if page := browser.Open("/hello").Page(); page.URL.Path != "/login" {
		t.Errorf("a signed-out visitor gets %s", page.URL)
	}
	if page := kit.SignIn(browser, "u1").Open("/hello").Page(); page.Body != "Hello, ada" {
		t.Errorf("ada gets %d %s", page.Status, page.Body)
	}
}
