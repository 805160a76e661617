// Package frameworks tests the library with the routers, the middleware, the WebSocket libraries
// and the JWT libraries that apps and other services use with it. It is a separate module, so that
// none of them becomes a dependency of an app.
package frameworks
