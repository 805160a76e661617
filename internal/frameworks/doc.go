// Package frameworks tests the library with the routers, the middleware and the WebSocket
// libraries that apps use beside it. It is a module of its own, so that none of them becomes a
// dependency of an app.
package frameworks
