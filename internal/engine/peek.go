package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Peek checks in the store whether the session of refresh tokens is alive, without making a new
// generation. It is for a request whose response may not deliver cookies, such as the upgrade to a
// WebSocket. Repeating it with the current token is never a sign of theft. Credentials and errors
// are those of [Engine.Refresh]. In addition, it returns CodeUnauthorized for a predecessor whose
// response must have been lost. The browser gets the successor from a request that can deliver it.
// A reused token ends the sessions that it ends in Refresh.
//
// The Session has neither token, because an access token would be of a generation that the browser
// may not have. ExpiresAt is when the next Peek is due.
func (e *Engine[U]) Peek(ctx context.Context, fingerprint Fingerprint, credentials ...RefreshCredential) (Session[U], error) {
	req, err := newRefreshRequest(fingerprint, credentials)
	if err != nil {
		return Session[U]{}, err
	}
	if err := e.breaker.admit(); err != nil {
		return Session[U]{}, e.unavailable(ctx, CodeDatabaseFetchFailed, req.userID, req.id, err)
	}
	type result struct {
		session Session[U]
		err     error
	}
	r, err := callWithTimeout(e.callContext(withoutValues{ctx}, ctx), e.loads, func(ctx context.Context) (r result, err error) {
		m := e.revocations.mark(&req.subject)
		if cause, err := e.overBy(ctx, &req.terms); cause != "" || err != nil {
			r.err = errMissing // the next refresh ends it
			return r, err
		}
		user, err := e.loadUser(ctx, &req.subject)
		if errors.Is(err, ErrUserNotFound) {
			r.err, err = e.userGone(ctx, &req.subject, err)
			return r, err
		}
		if err != nil {
			return r, err
		}
		live, err := e.config.Store.List(ctx, req.userID)
		if err != nil {
			return r, err
		}
		now := time.Now()
		listed, found := live[req.id]
		record := listed.Record
		if !found || e.isOver(record) || !isRecent(record, req.presented, e.policy, InstantOf(now)) {
			r.err = fmt.Errorf("%w: no session of this refresh token", CodeUnauthorized)
			return r, e.judge(ctx, req, record, InstantOf(now))
		}
		due := now.Add(max(0, min(e.config.AccessTTL, record.ExpiresAt.Sub(InstantOf(now)))))
		if end := req.terms.EndsBy; !end.IsZero() && end.Before(due) {
			due = end
		}
		r.session = Session[U]{
			User: user.user, ID: req.id, Generation: req.presented.Generation, Terms: req.terms,
			IssuedAt: time.Unix(e.revocations.issue(&req.subject, m), 0), ExpiresAt: due,
		}
		return r, nil
	})
	if err != nil {
		return Session[U]{}, e.unavailable(ctx, CodeDatabaseFetchFailed, req.userID, req.id, err)
	}
	return r.session, r.err
}

// judge lets the store decide about a token that looks reused. It returns the failure of that call.
// It reports a late predecessor at most once in Grace, and never as many repeats: a page whose
// response was lost may try to open its socket every second for hours.
func (e *Engine[U]) judge(ctx context.Context, req refreshRequest, record Record, now Instant) error {
	switch outcome, _ := session.Refresh(record, req.presented, e.policyOf(&req.terms, 0), now); outcome {
	case session.Repeated:
		key := generationKey{req.id, req.presented.Generation}
		if e.peeks.count(key, e.policy.Grace) != "" {
			e.reporter.report(Event{Kind: EventLateRepeat, UserID: req.userID, SessionID: req.id, Presented: key.gen})
		}
	case Reused:
		_, err := e.refresh(ctx, &req)
		return err
	}
	return nil
}

// isRecent reports whether an honest browser may have the presented token of a live session. It may
// have the current generation, a later one that the store has lost, or the predecessor while a
// response may be in transit. now is the app's clock, whose error affects only the predecessor.
func isRecent(record Record, p Presentation, policy Policy, now Instant) bool {
	switch n := record.Generation; {
	case p.Generation > n:
		return now < p.ExpiresAt
	case p.Generation == n:
		return true
	default:
		return p.Generation == n-1 && now <= record.IssuedAt.Add(policy.Grace)
	}
}
