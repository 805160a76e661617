package middleware

import "github.com/lucia-go/lucia/session"

// Outcome says how a request came by its session, or why it has none. A page that is
// open to all looks for [OutcomeUnavailable]: to ask a person to sign in who may well be
// signed in would be a lie.
type Outcome uint8

const (
	// OutcomeAnonymous: the request carries nothing of ours, or the middleware has not run.
	OutcomeAnonymous Outcome = iota
	// OutcomeFresh: the access token is valid. No store was asked.
	OutcomeFresh
	// OutcomeSignedIn: this request signed in.
	OutcomeSignedIn
	// OutcomeRefreshed: a new refresh token was made (session.Rotated).
	OutcomeRefreshed
	// OutcomeCurrent: the refresh token stays, with a new access token; or the request is
	// the upgrade to a WebSocket and the store was asked, with no token at all.
	OutcomeCurrent
	// OutcomeRepeated: the refresh token's successor was handed out again.
	OutcomeRepeated
	// OutcomeAdopted: the store had lost its last writes; the session goes on.
	OutcomeAdopted
	// OutcomeExpired: the session has ended, or its access token has and there is no
	// refresh token.
	OutcomeExpired
	// OutcomeReused: a refresh token was presented that an honest browser no longer has.
	OutcomeReused
	// OutcomeUnavailable: the store or LoadUser could not answer. The session may well
	// be alive.
	OutcomeUnavailable
	// OutcomeDeferred: the session needs a refresh, which a request of this kind (an
	// image, a prefetch) does not start.
	OutcomeDeferred
	// OutcomeInvalid: a token is malformed, forged or not of the fingerprint beside it.
	OutcomeInvalid
	// OutcomeUnknownKey: a token is under a key that this process does not have.
	OutcomeUnknownKey
	// OutcomeCrossOrigin: an unsafe request from another origin; its cookies are not
	// looked at.
	OutcomeCrossOrigin
	// OutcomeAmbiguous: cookies of several sessions at once; none is believed.
	OutcomeAmbiguous
	// OutcomeSignedOut: this request signed out.
	OutcomeSignedOut
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

// HasSession reports whether a request with this outcome has a session.
func (o Outcome) HasSession() bool {
	switch o {
	case OutcomeFresh, OutcomeSignedIn, OutcomeRefreshed, OutcomeCurrent, OutcomeRepeated, OutcomeAdopted:
		return true
	}
	return false
}

// outcomeOf translates the rule's outcome of a session that lives on.
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
