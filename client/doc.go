// Package client keeps a Go program signed in to an app that uses this library:
// a command-line tool, a service, a test.
//
// It offers the seed's four calls. [Client.GetSession] returns an observable
// store with the session; [Client.SignOut] ends it; [Client.RefreshTokens]
// renews its tokens; [Client.HandleSilentRefresh] renews them a minute before
// they expire for as long as the program runs. Beside them stand
// [Client.SignIn], which goes through the app's own login form, and
// [Transport], a RoundTripper that signs an app's requests and renews the
// tokens when they need it.
//
//	c, err := client.New[Profile](ctx, client.Config{
//		BaseURL:    "https://app.example",
//		TokenStore: client.NewFileStore(path), // stay signed in between runs
//	})
//	…
//	_, err = c.SignIn(ctx, "/login", url.Values{"username": {name}, "password": {password}})
//	…
//	resp, err := c.HTTPClient().Get("https://app.example/api/me")
//
// # Ok, gone, later
//
// Every exchange with the server comes to one of three outcomes. Ok needs no
// words. Gone means that the server said in its own words, a 401 with the code
// of the route, that the session is no more: the store becomes empty, the saved
// session is removed, and the error is session.CodeUnauthorized (for a
// sign-out, session.CodeNotAuthenticated). The same follows where another run of
// the program has removed the saved session, be it to sign out or because it could
// not save newer tokens; the server is not asked then. Everything else is later: no
// network, a time-out, 408, 429, 5xx, an answer that makes no sense. The
// session stays, and the same call may succeed in a moment.
//
// # What it trusts
//
// Tokens and cookies of the library go to the origin of Config.BaseURL (same
// scheme, host and port) and nowhere else. The client cannot verify signatures
// and does not try: it reads the access token's payload as what the server
// says. Who the user is matters to the server alone, which does verify.
package client
