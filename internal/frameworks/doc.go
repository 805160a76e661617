// Package frameworks tries the library with the routers, the middleware and the
// WebSocket libraries that apps use beside it. It is a module of its own, so that none
// of them is among the dependencies of an app.
package frameworks
