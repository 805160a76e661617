package engine

import (
	"context"
	"errors"
)

// Reload returns the session with a new access token that has the current result of LoadUser. The
// refresh token does not rotate. The new access token has the times of the old one, because the
// store was not asked whether the session is alive. So a process that has ended the session
// refuses the new token like the old one, whichever process reloads it.
//
// Errors carry CodeInvalidAccessToken if the session's access token is invalid or this process
// has ended the session, CodeDatabaseFetchFailed if LoadUser failed, and CodeUnauthorized with
// ErrUserNotFound if the user no longer exists.
func (e *Engine[U]) Reload(ctx context.Context, s Session[U]) (Session[U], error) {
	v, _, err := e.verified(s.AccessToken)
	if err != nil {
		return Session[U]{}, err
	}
	t := &subject{userID: v.session.User.ID, id: v.session.ID, hash: v.hash, terms: v.session.Terms}
	a, err := callWithTimeout(e.callContext(withoutValues{ctx}, ctx), e.loads, func(ctx context.Context) (a refreshResult[U], err error) {
		user, err := e.loadUser(ctx, t)
		if errors.Is(err, ErrUserNotFound) {
			a.err, err = e.userGone(ctx, t, err)
			return a, err
		}
		if err != nil {
			return a, err
		}
		a.refreshed.Session = e.mintAccess(user, t, v.session.Generation, v.iat, v.session.ExpiresAt.Unix(), unixSeconds(v.session.ActiveAt))
		// It comes last, to include revocations during the call.
		if e.revocations.ended(t.userID, t.id, v.iat) {
			a = refreshResult[U]{err: accessErrors.revoked}
		}
		return a, nil
	})
	if err != nil {
		return Session[U]{}, e.unavailable(ctx, CodeDatabaseFetchFailed, t.userID, t.id, err)
	}
	if a.err != nil {
		return Session[U]{}, a.err
	}
	a.refreshed.Session.RefreshToken = s.RefreshToken
	return a.refreshed.Session, nil
}
