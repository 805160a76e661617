package session

import (
	"log/slog"
	"time"
)

// Session is a signed-in session as the app and its pages see it. Its JSON form
// is the seed's:
//
//	{"user":{"user_id":"…",…},"access_token":"…","refresh_token":"…"}
//
// where an empty token is left out. The remaining fields are not on the wire.
//
// A Session may be shared between requests that carry the same access token, so
// what User.Data points to must not be changed.
type Session[U any] struct {
	User         User[U]      `json:"user"`
	AccessToken  AccessToken  `json:"access_token,omitempty"`
	RefreshToken RefreshToken `json:"refresh_token,omitempty"`

	// ID names the session; it stays the same from sign-in to sign-out.
	ID ID `json:"-"`
	// Generation is the refresh token's generation when the access token was
	// made.
	Generation Generation `json:"-"`
	// IssuedAt and ExpiresAt bound the life of the access token, in whole
	// seconds of the app's clock.
	IssuedAt  time.Time `json:"-"`
	ExpiresAt time.Time `json:"-"`
}

// ExpiresIn returns how long the access token still lives at now, never less
// than 0; 0 for a nil Session.
func (s *Session[U]) ExpiresIn(now time.Time) time.Duration {
	if s == nil {
		return 0
	}
	return max(0, s.ExpiresAt.Sub(now))
}

// LogValue returns the ids of the session and its user, no token and no user
// data.
func (s Session[U]) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("user_id", s.User.ID),
		slog.String("session_id", s.ID.String()),
		slog.Uint64("generation", uint64(s.Generation)),
	)
}
