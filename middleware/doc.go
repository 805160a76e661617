// Package middleware is the HTTP side of lucia. It determines the session of a request before the
// app's handler runs and refreshes the session if its access token has expired. It also serves
// the routes for refresh, logout and the browser module, and renders the page data. All HTTP
// policy is in this package; the adapters only convert types.
//
// It protects against these threats:
//
//   - A token copied from a page, a log or a cache is useless without the fingerprint cookie,
//     which scripts cannot read.
//   - Forged or altered tokens are rejected: tokens are signed and have only one spelling.
//   - A stolen cookie jar is detected when the older of two refresh tokens is presented after the
//     newer one has been in use for two minutes (Config.Settle and Config.Grace).
//   - Requests that another site makes a browser send, sign-ins included, are rejected
//     (http.CrossOriginProtection).
//   - Cookies planted by a neighboring host are refused by the __Host- prefix. A request with
//     cookies of several sessions has none.
//   - A shared cache stores no response with a person's session (private, no-store).
//
// It cannot detect a thief who has the browser's HttpOnly cookies and refreshes in step with it.
// No scheme without device-bound keys can.
//
// See docs/protocol.md for the routes, cookies, headers and statuses.
package middleware
