// Package rotation compares the rules by which servers rotate refresh tokens. Each rule is a small
// simulation that follows its server's source code or documents; lucia's is the library's own code.
// The scenarios run every rule through the same failures and thefts. docs/rotation.md shows the
// results.
package rotation

import "time"

// Token is a refresh token as a browser holds it. An access token is named by the refresh token
// that it was handed out with.
type Token struct {
	// N identifies the token in its session.
	N int
	// Parent is the token that was exchanged for this one.
	Parent int
	// Issued, Expires and Handed are the times that lucia signs and seals into its token. The
	// other rules do not use them.
	Issued, Expires, Handed time.Duration
}

// Verdict is a rule's answer to a refresh token.
type Verdict int

const (
	// Accepted: the request gets new tokens.
	Accepted Verdict = iota
	// Refused: this request gets no tokens. Other tokens of the session stay valid.
	Refused
	// Ended: the rule took the token for stolen and ended the session.
	Ended
	// Undocumented: neither the documents nor the source code that the rule follows say what
	// happens.
	Undocumented
)

// Rule is a server's rotation rule with the state of one session. Times are since the sign-in.
type Rule interface {
	// SignIn begins the session.
	SignIn() Token
	// Refresh exchanges a refresh token.
	Refresh(now time.Duration, t Token) (Token, Verdict)
	// Use is a request with the access token that was handed out with t.
	Use(now time.Duration, t Token)
	// Snapshot saves what the store holds. Calling restore is the loss of all later writes.
	Snapshot() (restore func())
}

// Chooser is a rule that considers every token of a request. A tab that was asleep
// presents the token of its page beside the browser's cookie.
type Chooser interface {
	Choose(page, cookie Token) Token
}

// Entry is a rule with its name and its source.
type Entry struct {
	Name    string
	Version string
	Setting string
	Source  string // the URL of the source code or document that the simulation follows
	Title   string // the title of a document without a version, and the day on which it was read
	Ends    string // what ends when a token is taken for stolen
	New     func() Rule
}
