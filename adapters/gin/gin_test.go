package luciagin_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/internal/adaptertest"
	"github.com/lucia-go/lucia/session"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

// add adds the app's routes.
func add(r gin.IRoutes, app adaptertest.App) {
	addBehind(r, app, luciagin.Require(app.Auth))
}

// addBehind adds the app's routes with another handler in place of Require.
func addBehind(r gin.IRoutes, app adaptertest.App, require gin.HandlerFunc) {
	for _, route := range app.Routes {
		var chain []gin.HandlerFunc
		if route.Require {
			chain = append(chain, require)
		}
		if route.Recent {
			chain = append(chain, luciagin.RequireRecent(app.Auth, adaptertest.RecentAge))
		}
		r.Any(route.Path, append(chain, func(c *gin.Context) {
			route.Handler(adaptertest.Call{
				W: c.Writer, R: c.Request,
				Session: func() *session.Session[adaptertest.Profile] { return luciagin.Session(c, app.Auth) },
				Get:     func() any { s, _ := c.Get(luciagin.Key); return s },
			})
		})...)
	}
}

func sessions(app adaptertest.App) gin.HandlerFunc {
	if app.Skip == nil {
		return luciagin.Middleware(app.Auth)
	}
	return luciagin.Middleware(app.Auth, func(c *gin.Context) bool { return app.Skip(c.Request) })
}

// used returns the ordinary app: Use, then the routes.
func used(app adaptertest.App) http.Handler {
	r := gin.New()
	if app.Recover {
		r.Use(gin.RecoveryWithWriter(io.Discard))
	}
	r.Use(sessions(app))
	add(r, app)
	return r
}

// strict responds with 405 if only another method has the path, and sets Allow before any
// middleware runs.
func strict(app adaptertest.App) http.Handler {
	r := used(app).(*gin.Engine)
	r.HandleMethodNotAllowed = true
	return r
}

// noRoute has handlers of its own for requests without a route.
func noRoute(app adaptertest.App) http.Handler {
	r := strict(app).(*gin.Engine)
	r.NoRoute(func(c *gin.Context) { c.String(http.StatusNotFound, "no such page") })
	r.NoMethod(func(c *gin.Context) { c.String(http.StatusMethodNotAllowed, "not like that") })
	return r
}

// caught has catch-all routes for some methods.
func caught(app adaptertest.App) http.Handler {
	r := gin.New()
	r.Use(sessions(app))
	r.GET("/*path", func(c *gin.Context) { c.String(http.StatusOK, "caught") })
	r.PUT("/*path", func(c *gin.Context) { c.String(http.StatusOK, "caught") })
	return r
}

func caughtStrictly(app adaptertest.App) http.Handler {
	r := caught(app).(*gin.Engine)
	r.HandleMethodNotAllowed = true
	return r
}

// empty has no route.
func empty(app adaptertest.App) http.Handler {
	r := gin.New()
	r.Use(sessions(app))
	return r
}

// mounted adds the routes to gin's router and uses no middleware.
func mounted(app adaptertest.App) http.Handler {
	r := gin.New()
	add(r, app)
	luciagin.Mount(r, app.Auth)
	return r
}

// mountedInGroup adds the routes to a group of a group with middleware.
func mountedInGroup(app adaptertest.App) http.Handler {
	r := gin.New()
	api := r.Group("/api", func(c *gin.Context) { c.Header("X-Group", "passed") })
	luciagin.Mount(api.Group("/auth"), app.Auth)
	return r
}

// mountedInGroupStrictly adds the routes to a group whose prefix ends in a slash, with gin's own
// response to other methods.
func mountedInGroupStrictly(app adaptertest.App) http.Handler {
	r := gin.New()
	r.HandleMethodNotAllowed = true
	luciagin.Mount(r.Group("/api/auth/"), app.Auth)
	return r
}

// bare has middleware that does nothing.
func bare(app adaptertest.App) http.Handler {
	nothing := func(*gin.Context) {}
	r := gin.New()
	r.Use(nothing)
	addBehind(r, app, nothing)
	return r
}

func TestGin(t *testing.T) {
	for name, h := range map[string]adaptertest.Harness{"Use": used, "HandleMethodNotAllowed": strict, "NoRoute and NoMethod": noRoute} {
		t.Run(name, func(t *testing.T) { adaptertest.Run(t, h) })
	}
}

func TestRoutesAnswerInEverySetup(t *testing.T) {
	for name, h := range map[string]adaptertest.Harness{
		"mounted": mounted, "mounted in a group": mountedInGroup, "mounted in a group, HandleMethodNotAllowed": mountedInGroupStrictly, "without any route": empty,
		"beside a catch-all": caught, "beside a catch-all, HandleMethodNotAllowed": caughtStrictly,
	} {
		t.Run(name, func(t *testing.T) { adaptertest.Routes(t, h) })
	}
}

func TestHostile(t *testing.T) { adaptertest.Hostile(t, used) }

func TestAllocations(t *testing.T) { adaptertest.Allocs(t, used, bare) }

func TestConcurrentReads(t *testing.T) { adaptertest.ConcurrentReads(t, used) }

func TestInChromium(t *testing.T) { adaptertest.Chromium(t, used) }
