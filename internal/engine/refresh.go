package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
)

// Refreshed is the result of [Engine.Refresh].
type Refreshed[U any] struct {
	Outcome Outcome
	// Session has a new access token and the current refresh token.
	Session Session[U]
	// RefreshCookie is the new value of the refresh cookie. It is empty if the cookie must not
	// change, because the request's cookie already is of that generation.
	RefreshCookie SealedToken `json:"-"` // for a cookie that scripts cannot read
	// ExpiresIn is how long the browser keeps the refresh cookie: as long as the session lives
	// unless it is refreshed. With IdleTimeout it is longer, because an activity may extend the
	// session without setting the cookie again.
	ExpiresIn time.Duration

	user json.RawMessage // as the access token carries it
}

// LogValue returns the outcome and the session's ids, and no token.
func (r Refreshed[U]) LogValue() slog.Value {
	return slog.GroupValue(slog.String("outcome", r.Outcome.String()), slog.Any("session", r.Session))
}

// Refresh exchanges refresh tokens for new ones (lucia-sveltekit's refreshTokens). The
// credentials are those of one request, its bearer token and its refresh cookies in any order.
// Credentials that do not match the fingerprint are ignored.
//
// Errors carry
//   - CodeInvalidRefreshToken if no credential remains, or if they name different sessions;
//   - CodeUnauthorized with ErrUnproved if a credential is bound and the request proves nothing;
//   - CodeUnauthorized if the session has ended, with ErrReused if this token ended it, and with
//     ErrUserNotFound if the user no longer exists;
//   - CodeDatabaseFetchFailed if LoadUser or the store failed or took longer than Timeout, or ctx
//     ended. Nothing is lost; the same call may succeed later.
//
// Concurrent calls with the same credentials share one call of LoadUser and the store, which has
// a context of its own. If the ctx of one caller ends, the other callers are not affected.
//
// Refresh is for background refreshes. With IdleTimeout it does not extend the session; see
// [Engine.RefreshActive].
func (e *Engine[U]) Refresh(ctx context.Context, fingerprint Fingerprint, credentials ...RefreshCredential) (Refreshed[U], error) {
	return e.refreshAs(ctx, Presentation{}, fingerprint, credentials)
}

// RefreshActive is Refresh for a request which shows that a person was active ago before it.
func (e *Engine[U]) RefreshActive(ctx context.Context, ago time.Duration, fingerprint Fingerprint, credentials ...RefreshCredential) (Refreshed[U], error) {
	return e.refreshAs(ctx, Presentation{Active: true, ActiveAgo: ago}, fingerprint, credentials)
}

// refreshAs refreshes with the activity in as.
func (e *Engine[U]) refreshAs(ctx context.Context, as Presentation, fingerprint Fingerprint, credentials []RefreshCredential) (Refreshed[U], error) {
	req, err := newRefreshRequest(fingerprint, credentials)
	if err != nil {
		return Refreshed[U]{}, err
	}
	if e.policy.ByActivity {
		req.presented.Active, req.presented.ActiveAgo = as.Active, as.ActiveAgo
	}
	a, err := e.refreshes.do(ctx, e.callContext(context.Background(), ctx), req.key(), e.loads, e.breaker,
		func(ctx context.Context) (refreshResult[U], error) { return e.refresh(ctx, &req) },
		func(err error) { e.reportUnavailable(req.userID, req.id, err) })
	if err != nil {
		return Refreshed[U]{}, fmt.Errorf("%w: %w", CodeDatabaseFetchFailed, opaqueError{err, false})
	}
	return a.refreshed, a.err
}

// refreshResult is what callers share: the result, and the error for a session that has ended.
// Any other failure, including a panic, means that the session store is unavailable, whatever
// code it carries. Only a step that succeeded in the store ends a session.
type refreshResult[U any] struct {
	refreshed Refreshed[U]
	err       error
}

// refreshRequest is what a request presents of one session.
type refreshRequest struct {
	subject
	presented Presentation
	bearer    Generation // 0 if there is none
	cookie    Generation // 0 if there is none
	sealer    sealer     // the sealer that opened a cookie, or none
}

// newRefreshRequest combines the credentials of one request into the rule's input.
func newRefreshRequest(fingerprint Fingerprint, credentials []RefreshCredential) (req refreshRequest, err error) {
	hash, ok := hashFingerprint(fingerprint)
	if !ok {
		return refreshRequest{}, refreshErrors.fingerprint
	}
	req.hash = hash
	found := false
	for i := range credentials {
		c := &credentials[i]
		if !req.hash.is(c.hash) || c.handedAt == 0 && alsoSealed(c, credentials, i) {
			continue
		}
		if found && (c.SessionID != req.id || c.UserID != req.userID) {
			return refreshRequest{}, refreshErrors.malformed
		}
		if c.Bound() && !c.proved {
			return refreshRequest{}, errUnproved
		}
		found = true
		req.userID, req.id = c.UserID, c.SessionID
		req.add(c)
	}
	if !found {
		return refreshRequest{}, refreshErrors.fingerprint
	}
	return req, nil
}

// alsoSealed reports whether the cookie contains the refresh token of credential c, a bearer token.
// That is the usual case. The cookie proves more than the bearer token, and requests that have only
// the cookie can then share the call.
func alsoSealed(c *RefreshCredential, credentials []RefreshCredential, at int) bool {
	for i := range credentials {
		if o := &credentials[i]; i != at && o.handedAt != 0 && o.sameToken(c) {
			return true
		}
	}
	return false
}

func (req *refreshRequest) add(c *RefreshCredential) {
	if c.handedAt == 0 {
		req.bearer = max(req.bearer, c.generation)
	} else {
		req.cookie, req.sealer = max(req.cookie, c.generation), c.sealer
	}
	p := &req.presented
	switch {
	case c.generation > p.Generation:
		req.terms, req.device = c.terms, c.device
		*p = Presentation{Generation: c.generation, IssuedAt: c.issuedAt, ExpiresAt: c.expiresAt, HandedAt: c.handedAt}
	case c.generation == p.Generation:
		p.HandedAt = max(p.HandedAt, c.handedAt) // the later one proves less
	}
}

var (
	errReused  = fmt.Errorf("%w: %w", CodeUnauthorized, ErrReused)
	errMissing = fmt.Errorf("%w: there is no such session", CodeUnauthorized)
)

// callKey is equal for calls that may share a result.
type callKey struct {
	id             ID
	hash           fingerprintHash
	bearer, cookie Generation
	device         dbsc.Key
	active         bool
	activeAgo      time.Duration
}

func (req *refreshRequest) key() callKey {
	p := &req.presented
	return callKey{req.id, req.hash, req.bearer, req.cookie, req.device, p.Active, p.ActiveAgo}
}

// refresh makes the call. LoadUser runs first. So a failure of LoadUser, or a cookie that would be
// too large, leaves the session unchanged.
func (e *Engine[U]) refresh(ctx context.Context, req *refreshRequest) (a refreshResult[U], err error) {
	m := e.revocations.mark(&req.subject)
	if cause, err := e.overBy(ctx, &req.terms); cause != "" || err != nil {
		a.err = errMissing
		if err == nil {
			err = e.endOver(ctx, &req.subject, cause)
		}
		return a, err
	}
	user, err := e.loadUser(ctx, &req.subject)
	if errors.Is(err, ErrUserNotFound) {
		a.err, err = e.userGone(ctx, &req.subject, err)
		return a, err
	}
	if err != nil {
		return a, err
	}
	step, err := e.config.Store.Refresh(ctx, RefreshParams{
		UserID: req.userID, ID: req.id, Presented: req.presented,
		Policy: e.policyOf(&req.terms, req.presented.ActiveAgo), RevokeUser: !e.config.RevokeSessionOnly,
	})
	if err != nil {
		return a, err
	}
	if step.Outcome.Alive() && e.isOver(step.Record) {
		if err := e.config.Store.Delete(ctx, req.userID, req.id); err != nil {
			return a, err
		}
		step = RefreshResult{Outcome: Missing, Now: step.Now}
		e.reporter.report(Event{Kind: EventEnded, Cause: CauseNotBefore, UserID: req.userID, SessionID: req.id})
	}
	if err := e.observe(ctx, req, step); err != nil {
		return a, err
	}
	switch {
	case step.Outcome == Reused:
		a.err = errReused
		return a, nil
	case !step.Outcome.Alive():
		a.err = errMissing
		return a, nil
	}
	a.refreshed, err = e.answer(user, req, step, m)
	return a, err
}

// answer makes the tokens for an outcome that keeps the session alive.
func (e *Engine[U]) answer(user loadedUser[U], req *refreshRequest, step RefreshResult, m mark) (Refreshed[U], error) {
	handed := step.Now
	// This is the first proof.
	if unbound := !step.Record.Generation.Bound(); unbound && req.device != (dbsc.Key{}) {
		step.Record.Generation = e.keys.current.firstBound(req.device)
		handed = max(handed, InstantOf(time.Now())).Add(e.config.leeway())
	}
	claims := refreshClaimsOf(&req.subject, step.Record)
	r := Refreshed[U]{
		Outcome:   step.Outcome,
		Session:   e.mint(user, &req.subject, step.Record, claims, req.presented, step.Now, m),
		ExpiresIn: e.cookieLife(step.Record, step.Now),
		user:      user.json,
	}
	if (step.Outcome == Current || step.Outcome == Adopted) && req.cookie == step.Record.Generation {
		return r, nil // setting the cookie again would postpone its settling
	}
	var err error
	r.RefreshCookie, err = e.keys.seal(e.config.RefreshCookie, req.sealer, claims, handed)
	return r, err
}

// cookieLife returns how long the browser keeps a refresh cookie.
func (e *Engine[U]) cookieLife(record Record, now Instant) time.Duration {
	if !e.policy.ByActivity {
		return record.ExpiresAt.Sub(now)
	}
	return max(record.ExpiresAt.Sub(now), min(e.config.RefreshTTL, record.CreatedAt.Add(e.config.Lifetime).Sub(now)))
}

// userGone ends the sessions of a user whom LoadUser no longer knows. It returns either the error
// for the caller or the failure of the store.
func (e *Engine[U]) userGone(ctx context.Context, t *subject, why error) (gone, failure error) {
	if err := e.config.Store.DeleteUser(ctx, t.userID); err != nil {
		return nil, err
	}
	if err := e.announce(ctx, endOfUser(t.userID)); err != nil {
		return nil, err
	}
	e.reporter.report(Event{Kind: EventUserGone, UserID: t.userID, SessionID: t.id})
	e.reporter.report(Event{Kind: EventEnded, Cause: CauseUserGone, UserID: t.userID})
	return fmt.Errorf("%w: %w", CodeUnauthorized, opaqueError{why, true}), nil
}

// observe records and reports the effects of a step besides its result. It returns the failure of
// the feed, if the step has ended sessions.
func (e *Engine[U]) observe(ctx context.Context, req *refreshRequest, step RefreshResult) error {
	event := Event{UserID: req.userID, SessionID: req.id, Presented: req.presented.Generation}
	switch {
	case step.Outcome == Missing:
		// Other processes do not need to know.
		e.apply(e.revocations.now(endOfSession(req.userID, req.id)))
		if req.presented.ExpiresAt <= step.Now && e.expired.put(req.id, true) {
			event.Kind, event.Cause = EventEnded, e.causeOfExpiry(req)
			e.reporter.report(event)
		}
		return nil
	case step.Outcome == Reused:
		return e.observeReuse(ctx, event)
	case step.Outcome == Adopted && isFirstBound(req.presented.Generation):
		event.Kind = EventBound
	case step.Outcome == Adopted:
		event.Kind = EventAdopted
	case isLate(step, e.policy.Grace):
		event.Kind = e.repeats.count(generationKey{req.id, req.presented.Generation}, 0)
	default:
		return nil
	}
	e.reporter.report(event)
	return nil
}

// isLate reports whether the predecessor was presented again later than grace after its successor
// was issued. The rule accepts this, but an operator should see it.
func isLate(r RefreshResult, grace time.Duration) bool {
	return r.Outcome == Repeated && r.Now > r.Record.IssuedAt.Add(grace)
}

// causeOfExpiry returns why the session of an expired refresh token ended. With IdleTimeout the
// cause is a lack of activity, unless Lifetime ended the session first.
func (e *Engine[U]) causeOfExpiry(req *refreshRequest) Cause {
	// Tokens have whole seconds.
	ends := InstantOf(req.terms.AuthTime).Add(e.policyOf(&req.terms, 0).Lifetime - time.Second)
	if e.policy.ByActivity && req.presented.ExpiresAt < ends {
		return CauseIdle
	}
	return CauseExpired
}

// observeReuse records and reports that a reused token has ended its session or all sessions of
// the user. It returns the failure of the feed.
func (e *Engine[U]) observeReuse(ctx context.Context, event Event) error {
	event.Kind = EventReuse
	ended := Event{Kind: EventEnded, Cause: CauseReuse, UserID: event.UserID}
	notice := endOfUser(event.UserID)
	if e.config.RevokeSessionOnly {
		ended.SessionID = event.SessionID
		notice = endOfSession(event.UserID, event.SessionID)
	}
	failure := e.announce(ctx, notice)
	e.reporter.report(event)
	e.reporter.report(ended)
	return failure
}
