package luciagin

import (
	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/middleware"
)

// Router is what Mount adds routes to: *gin.Engine or *gin.RouterGroup.
type Router interface {
	gin.IRoutes
	BasePath() string
}

// Mount adds the routes of auth to gin's router, for apps that want them behind a group's
// middleware or that use no [Middleware]. router is the app or the group whose prefix is
// auth.BasePath(), where pages request the routes. Mount panics for any other group.
func Mount[U any](router Router, auth *middleware.Auth[U]) {
	prefix := ""
	switch router.BasePath() {
	case "/":
		prefix = auth.BasePath()
	case auth.BasePath(), auth.BasePath() + "/":
	default:
		panic("luciagin: Mount at " + router.BasePath() + ", want the group at " + auth.BasePath())
	}
	for _, route := range auth.Routes() {
		router.Any(prefix+route, gin.WrapH(auth.RoutesHandler()))
		router.Any(prefix+route+"/", gin.WrapH(auth.RoutesHandler()))
	}
}
