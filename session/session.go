// Package session is the contract between the parts of lucia: sessions, users, tokens, error codes
// and events, the [Store] interface, and the rotation rule, [Refresh] and [Confirm]. It imports
// only the standard library. Authors of stores implement Store and check it with package
// sessiontest.
package session

import (
	"log/slog"
	"time"
)

// Session is a signed-in session as the app and its pages see it. Its JSON form is that of
// lucia-sveltekit 0.9:
//
//	{"user":{"user_id":"…",…},"access_token":"…","refresh_token":"…"}
//
// An empty token is left out. The other fields are not part of the JSON form.
//
// Requests that carry the same access token may share a Session, so what User.Data and Terms point
// to must not be modified.
type Session[U any] struct {
	User         User[U]      `json:"user"`
	AccessToken  AccessToken  `json:"access_token,omitempty"`
	RefreshToken RefreshToken `json:"refresh_token,omitempty"`

	// ID identifies the session. It stays the same from sign-in to sign-out.
	ID ID `json:"-"`
	// Generation is the refresh token's generation when the access token was issued.
	Generation Generation `json:"-"`
	// IssuedAt and ExpiresAt bound the lifetime of the access token, in whole seconds of the
	// app's clock.
	IssuedAt  time.Time `json:"-"`
	ExpiresAt time.Time `json:"-"`
	// ActiveAt is the last activity of a person that the app knew of when it issued the access
	// token, in whole seconds of the app's clock. Later page views are not included. It is zero
	// without IdleTimeout.
	ActiveAt time.Time `json:"-"`

	// Terms are what was fixed at the sign-in, such as AuthTime, Attributes and Actor.
	Terms `json:"-"`
}

// Bound reports whether the session is bound to a key of the browser's device. Without the device,
// the cookies of a bound session are of use only until the access token expires. Bound returns
// false for a nil Session.
func (s *Session[U]) Bound() bool { return s != nil && s.Generation.Bound() }

// ExpiresIn returns the remaining lifetime of the access token at now. It is never negative, and
// 0 for a nil Session.
func (s *Session[U]) ExpiresIn(now time.Time) time.Duration {
	if s == nil {
		return 0
	}
	return max(0, s.ExpiresAt.Sub(now))
}

// LogValue returns the ids of the session, its user and its actor, and no tokens or user data.
func (s Session[U]) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("user_id", s.User.ID),
		slog.String("session_id", s.ID.String()),
		slog.Uint64("generation", uint64(s.Generation)),
	}
	if s.Actor != nil {
		attrs = append(attrs, slog.String("actor_id", s.Actor.ID))
	}
	return slog.GroupValue(attrs...)
}
