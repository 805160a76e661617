package engine

import (
	"context"
	"time"
)

// neverActive is the activity in a token if none is known.
func (e *Engine[U]) neverActive() int64 {
	if e.policy.ByActivity {
		return 1
	}
	return 0
}

// activeAt returns the last activity that the token records.
func (v *verified[U]) activeAt() int64 {
	if v.session.ActiveAt.IsZero() {
		return 0
	}
	return v.session.ActiveAt.Unix()
}

// NoteActivity tells the store that a person was active in a bound session. It is for a request
// with the valid access token of s and without a proof. It is no refresh: the new access token,
// which records the activity, expires when that of s does, and there is no new refresh cookie. So a
// copied cookie jar is of use no longer than without the call. Errors are those of
// [Engine.Refresh].
//
// NoteActivity does nothing until the first bound token may be presented to the store.
func (e *Engine[U]) NoteActivity(ctx context.Context, ago time.Duration, fingerprint Fingerprint, c RefreshCredential, s *Session[U]) (Refreshed[U], error) {
	unchanged := Refreshed[U]{Outcome: Current, Session: *s}
	v, _, err := e.verified(s.AccessToken)
	if err != nil || !c.Bound() || !e.inForce(c, time.Now()) {
		return unchanged, nil
	}
	c.proved = true // for the activity only
	r, err := e.RefreshActive(ctx, ago, fingerprint, c)
	if err != nil {
		return Refreshed[U]{}, err
	}
	t := &subject{userID: c.UserID, id: c.SessionID, hash: v.hash, terms: c.terms, device: c.device}
	user, err := e.encodeUser(r.Session.User, &t.terms)
	if err != nil {
		return unchanged, nil
	}
	active := e.neverActive()
	if at := r.Session.ActiveAt; !at.IsZero() {
		active = at.Unix()
	}
	noted := e.mintAccess(user, t, s.Generation, v.iat, s.ExpiresAt.Unix(), active)
	noted.RefreshToken = s.RefreshToken
	return Refreshed[U]{Outcome: Current, Session: noted}, nil
}
