package luciaecho

import (
	"github.com/labstack/echo/v5"

	"github.com/lucia-go/lucia/middleware"
)

// Router is what routes are added to: *echo.Echo and *echo.Group.
type Router interface {
	Any(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) echo.RouteInfo
}

// Mount adds the routes of auth to echo's own table, for apps that want them
// behind a group's middleware or that run no [Middleware]. router is the app or
// the group whose prefix is auth.BasePath(), which is where pages look for the
// routes; Mount panics for any other group.
func Mount[U any](router Router, auth *middleware.Auth[U]) {
	prefix := ""
	if _, app := router.(*echo.Echo); app {
		prefix = auth.BasePath()
	}
	handler := echo.WrapHandler(auth.RoutesHandler())
	for _, route := range auth.Routes() {
		if added := router.Any(prefix+route, handler); added.Path != auth.BasePath()+route {
			panic("luciaecho: Mount at " + added.Path + ", want the group at " + auth.BasePath())
		}
		router.Any(prefix+route+"/", handler)
	}
}
