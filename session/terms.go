package session

import (
	"context"
	"time"
)

// Terms are the properties of a session that its sign-in fixes. They are signed into both tokens
// and do not change while the session lives.
type Terms struct {
	// AuthTime is when the user authenticated, in whole seconds of the app's clock (OpenID
	// Connect's auth_time). It is zero only if a version before 0.1.0 began the session.
	AuthTime time.Time
	// Short reports whether the session was begun with Remember(false): the browser forgets it when
	// it closes, and Config.Short limits it.
	Short bool
	// EndsBy is the latest time at which the session ends, in whole seconds, whatever the policy
	// allows. It is zero if the policy alone decides.
	EndsBy time.Time
	// Attributes are the app's own small map of values. It must not be modified, because requests
	// share it.
	Attributes map[string]string
	// Actor is the person who acts as the user, or nil if the users themselves signed in. It must
	// not be modified.
	Actor *Actor
}

// Actor is a person who acts as another user, such as an administrator who sees what a customer
// sees (the act claim of RFC 8693, section 4.1).
type Actor struct {
	// ID is the actor's own user id.
	ID string
	// Reason is why the actor acts as the user, in their own words, for the log. It may be empty.
	Reason string
	// SessionID is the actor's own session. The session of the user ends with it.
	SessionID ID
}

// Limits of [Terms].
const (
	// MaxAttributesBytes is the maximum length of the attributes in their JSON form.
	MaxAttributesBytes = 256
	// MaxReasonBytes is the maximum length of an actor's reason.
	MaxReasonBytes = 200
)

type termsKey struct{}

// termsContext is a context with terms.
type termsContext struct {
	context.Context
	terms Terms
}

// Value implements [context.Context].
func (c *termsContext) Value(key any) any {
	if key == (termsKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// WithTerms returns a context for LoadUser with the terms of the session that it loads the user
// for. The library calls it; a test of a LoadUser may, too.
func WithTerms(ctx context.Context, t Terms) context.Context {
	return &termsContext{ctx, t}
}

// TermsOf returns the terms of the session that LoadUser is called for, from LoadUser's context. It
// returns zero Terms for every other context.
func TermsOf(ctx context.Context) Terms {
	if c, ok := ctx.Value(termsKey{}).(*termsContext); ok {
		return c.terms
	}
	return Terms{}
}
