package middleware

import "github.com/lucia-go/lucia/session"

// Outcome says how a request came by its session, or why it has none. A page that is
// open to all looks for [Unavailable]: to ask a person to sign in who may well be
// signed in would be a lie.
type Outcome uint8

const (
	// Anonymous: the request carries nothing of ours, or the middleware has not run.
	Anonymous Outcome = iota
	// Fresh: the access token is valid. No store was asked.
	Fresh
	// SignedIn: this request signed in. (One of a script that came with nothing of
	// ours stays Anonymous, as it has nothing to remember it by; see ADR 9.)
	SignedIn
	// Refreshed: a new refresh token was made (session.Rotated).
	Refreshed
	// Current: the refresh token stays, with a new access token.
	Current
	// Repeated: the refresh token's successor was handed out again.
	Repeated
	// Adopted: the store had lost its last writes; the session goes on.
	Adopted
	// Expired: the session has ended, or its access token has and there is no
	// refresh token.
	Expired
	// Reused: a refresh token was presented that an honest browser no longer has.
	Reused
	// Unavailable: the store or LoadUser could not answer. The session may well
	// be alive.
	Unavailable
	// Deferred: the session needs a refresh, which a request of this kind (an
	// image, a prefetch) does not start.
	Deferred
	// Invalid: a token is malformed, forged or not of the fingerprint beside it.
	Invalid
	// UnknownKey: a token is under a key that this process does not have.
	UnknownKey
	// CrossOrigin: an unsafe request from another origin; its cookies are not
	// looked at.
	CrossOrigin
	// Ambiguous: cookies of several sessions at once; none is believed.
	Ambiguous
	// SignedOut: this request signed out.
	SignedOut
)

var outcomeNames = [...]string{
	"anonymous", "fresh", "signed in", "refreshed", "current", "repeated", "adopted", "expired", "reused",
	"unavailable", "deferred", "invalid", "unknown key", "cross-origin", "ambiguous", "signed out",
}

// String returns the outcome in lower case, as it stands in logs.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "invalid outcome"
}

// outcomeOf translates the rule's outcome.
func outcomeOf(o session.Outcome) Outcome {
	switch o {
	case session.Rotated:
		return Refreshed
	case session.Current:
		return Current
	case session.Repeated:
		return Repeated
	case session.Adopted:
		return Adopted
	case session.Reused:
		return Reused
	}
	return Expired
}
