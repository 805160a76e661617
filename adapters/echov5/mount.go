package luciaecho

import (
	"github.com/labstack/echo/v5"

	"github.com/lucia-go/lucia/middleware"
)

// Router is what Mount adds routes to: *echo.Echo or *echo.Group.
type Router interface {
	Any(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) echo.RouteInfo
}

// Mount adds the routes of auth to echo's router, for apps that want them behind a group's
// middleware or that use no [Middleware]. router is the app or the group whose prefix is
// auth.BasePath(), where pages request the routes. Mount panics for any other group.
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
