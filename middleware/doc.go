// Package middleware is the HTTP side of lucia: it finds out the session of a
// request before the app's handler runs, refreshes it where its access token has
// expired, answers the routes for refresh, logout and the browser module, and
// renders the page data. All HTTP policy is here; the adapters only convert
// types.
//
// The threats it is made against: a token copied out of a page, a log or a cache
// (worthless without the fingerprint cookie, which no script can read); forged
// or altered tokens (signed, with one spelling each); a stolen cookie jar (found
// out once a newer token has been in use for a minute and a half and the older one
// comes); requests that another site makes a
// browser send, sign-in included (http.CrossOriginProtection); cookies planted
// by a neighbouring host (__Host- prefix; several sessions at once are none);
// answers with somebody's session in a shared cache (private, no-store). What no
// scheme without device-bound keys can tell from its owner is a thief who has
// the browser's HttpOnly cookies and refreshes in step with it.
//
// docs/protocol.md has the routes, cookies, headers and statuses.
package middleware
