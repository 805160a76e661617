package middleware

import "github.com/lucia-go/lucia/session"

// Outcome describes how a request got its session, or why it has none. A page that is open to
// everyone checks for [OutcomeUnavailable]: it should not ask a person to sign in who may already
// be signed in.
type Outcome uint8

const (
	// OutcomeAnonymous: the request has no cookie of this library and no bearer token, or the
	// middleware has not run.
	OutcomeAnonymous Outcome = iota
	// OutcomeFresh: the access token is valid. The store was not accessed.
	OutcomeFresh
	// OutcomeSignedIn: this request signed in.
	OutcomeSignedIn
	// OutcomeRefreshed: the refresh token rotated (session.Rotated).
	OutcomeRefreshed
	// OutcomeCurrent: there is a new access token; the refresh token did not rotate. For the
	// upgrade to a WebSocket: the store confirmed the session, and there is no new token.
	OutcomeCurrent
	// OutcomeRepeated: the browser presented the previous refresh token and got the current one
	// again.
	OutcomeRepeated
	// OutcomeAdopted: the store had lost its last writes. The session continues.
	OutcomeAdopted
	// OutcomeExpired: the session has ended, or its access token has expired and there is no
	// refresh token.
	OutcomeExpired
	// OutcomeReused: a refresh token was presented that an honest browser no longer has.
	OutcomeReused
	// OutcomeUnavailable: the store or LoadUser failed. The session may be alive.
	OutcomeUnavailable
	// OutcomeDeferred: the session needs a refresh, and a request of this kind (an image, a
	// prefetch) does not start one.
	OutcomeDeferred
	// OutcomeInvalid: a token is malformed, forged or does not match the fingerprint cookie.
	OutcomeInvalid
	// OutcomeUnknownKey: a token is signed with a key that this process does not have.
	OutcomeUnknownKey
	// OutcomeCrossOrigin: an unsafe request came from another origin. Its cookies are ignored.
	OutcomeCrossOrigin
	// OutcomeAmbiguous: the request has cookies of several sessions. All are ignored.
	OutcomeAmbiguous
	// OutcomeSignedOut: this request signed out.
	OutcomeSignedOut
)

var outcomeNames = [...]string{
	"anonymous", "fresh", "signed in", "refreshed", "current", "repeated", "adopted", "expired", "reused",
	"unavailable", "deferred", "invalid", "unknown key", "cross-origin", "ambiguous", "signed out",
}

// String returns the outcome's name in lower case, for logs.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "invalid outcome"
}

// HasSession reports whether a request with this outcome has a session.
func (o Outcome) HasSession() bool {
	switch o {
	case OutcomeFresh, OutcomeSignedIn, OutcomeRefreshed, OutcomeCurrent, OutcomeRepeated, OutcomeAdopted:
		return true
	}
	return false
}

// outcomeOf converts the rule's outcome for a session that is alive.
func outcomeOf(o session.Outcome) Outcome {
	switch o {
	case session.Rotated:
		return OutcomeRefreshed
	case session.Current:
		return OutcomeCurrent
	case session.Repeated:
		return OutcomeRepeated
	}
	return OutcomeAdopted
}
