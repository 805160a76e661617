// Package client keeps a Go program signed in to an app that uses this library. The program may
// be a command-line tool, a service or a test.
//
// It offers the four calls of lucia-sveltekit 0.9. [Client.GetSession] returns an observable
// store that holds the session. [Client.SignOut] ends the session. [Client.RefreshTokens] renews
// its tokens. [Client.HandleSilentRefresh] renews them a minute before they expire for as long as
// the program runs. Two more are for Go programs: [Client.SignIn] signs in through the app's own
// login form, and [Transport] is a RoundTripper that authenticates the program's requests to the
// app and renews the tokens when needed.
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
// # Outcomes
//
// Every exchange with the server has one of three outcomes.
//
//   - Success.
//   - The session is gone. The server answered with status 401 and the library's code for that
//     route. The store becomes empty, the saved session is removed, and the error is
//     session.CodeUnauthorized, or session.CodeNotAuthenticated for a sign-out. The outcome is
//     the same, without a request to the server, if another run of the program has removed the
//     saved session, because it signed out or could not save newer tokens.
//   - The outcome is unknown: the network failed, the call timed out, or the server sent a 408, a
//     429, a 5xx or an invalid answer. The session is kept, and the same call may
//     succeed later.
//
// # Trust
//
// The client sends the library's tokens and cookies to the origin of Config.BaseURL (same
// scheme, host and port) and to no other. It does not verify signatures, because it has no key.
// It reads the payload of the access token as a statement of the server. The server, which
// verifies tokens, decides what the user may do.
package client
