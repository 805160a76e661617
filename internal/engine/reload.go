package engine

import (
	"context"
	"errors"
	"time"
)

// Reload returns the session with a new access token, made of what LoadUser now
// says of the user. The refresh token does not rotate, and the new access token
// expires when the old one would have: no store was asked whether the session
// goes on. That of a token that has expired has expired, too.
//
// Errors carry CodeInvalidAccessToken where the session's access token is none or
// this process has ended the session, CodeDatabaseFetchFailed where LoadUser failed,
// and CodeUnauthorized with ErrUserNotFound where the user is gone.
func (m *Manager[U]) Reload(ctx context.Context, s Session[U]) (Session[U], error) {
	v, _, err := m.verified(s.AccessToken)
	if err != nil {
		return Session[U]{}, err
	}
	t := subject{userID: v.session.User.ID, id: v.session.ID, hash: v.hash}
	a, err := callWithTimeout(withoutValues{ctx}, m.loads, func(ctx context.Context) (a refreshResult[U], err error) {
		user, err := m.loadUser(ctx, t)
		if errors.Is(err, ErrUserNotFound) {
			a.err, err = m.userGone(ctx, t, err)
			return a, err
		}
		if err != nil {
			return a, err
		}
		exp := v.session.ExpiresAt.Unix()
		iat := max(v.iat, min(time.Now().Unix(), exp-1)) // within the leeway now is past exp
		a.refreshed.Session = m.mintAccess(user, t, v.session.Generation, iat, exp)
		if m.endings.ended(t.userID, t.id, v.iat) { // asked last: meanwhile counts too
			a = refreshResult[U]{err: accessErrors.revoked}
		}
		return a, nil
	})
	if err != nil {
		return Session[U]{}, m.unavailable(ctx, CodeDatabaseFetchFailed, t.userID, t.id, err)
	}
	if a.err != nil {
		return Session[U]{}, a.err
	}
	a.refreshed.Session.RefreshToken = s.RefreshToken
	return a.refreshed.Session, nil
}
