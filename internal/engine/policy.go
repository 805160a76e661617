package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Short limits the sessions that are begun with Remember(false). The zero value of a field means
// its default.
type Short struct {
	// RefreshTTL is how long such a session lives while it is not used. Default 24 hours, or
	// Config.RefreshTTL if that is shorter.
	RefreshTTL time.Duration
	// Lifetime is the longest life of such a session. Default 7 days, or Config.Lifetime if that
	// is shorter.
	Lifetime time.Duration
}

// Defaults of [Short].
const (
	DefaultShortRefreshTTL = 24 * time.Hour
	DefaultShortLifetime   = 7 * 24 * time.Hour
)

// AtMaxSessions is what a sign-in beyond MaxSessions does.
type AtMaxSessions uint8

const (
	// EndOldest ends the session that was least recently issued a refresh token.
	EndOldest AtMaxSessions = iota
	// RefuseNew refuses the sign-in with CodeTooManySessions.
	RefuseNew
)

// MaxActing is the longest time for which someone may act as another user with one sign-in.
const MaxActing = time.Hour

// withDefaults returns the limits with the defaults that fit into a Config with defaults. They are
// never so short that they would end a session in use.
func (s Short) withDefaults(refreshTTL, lifetime, least time.Duration) Short {
	setDefault(&s.RefreshTTL, min(refreshTTL, max(DefaultShortRefreshTTL, least)))
	setDefault(&s.Lifetime, min(lifetime, max(DefaultShortLifetime, s.RefreshTTL)))
	return s
}

// validateShort checks Short in a Config with defaults.
func (c Config[U]) validateShort() error {
	s := c.Short
	switch {
	case s.Lifetime > c.Lifetime:
		return fmt.Errorf("lucia: Short.Lifetime %v is longer than Lifetime %v", s.Lifetime, c.Lifetime)
	case s.Lifetime < s.RefreshTTL:
		return fmt.Errorf("lucia: Short.Lifetime %v is shorter than Short.RefreshTTL %v", s.Lifetime, s.RefreshTTL)
	case s.RefreshTTL < c.AccessTTL:
		return fmt.Errorf("lucia: Short.RefreshTTL %v is shorter than AccessTTL %v", s.RefreshTTL, c.AccessTTL)
	case s.RefreshTTL < c.shortestIdle() && s.RefreshTTL < s.Lifetime:
		return fmt.Errorf("lucia: Short.RefreshTTL %v would end sessions in use, want at least %v", s.RefreshTTL, c.shortestIdle())
	case c.AtMaxSessions > RefuseNew:
		return fmt.Errorf("lucia: AtMaxSessions is %d, want EndOldest or RefuseNew", c.AtMaxSessions)
	}
	return nil
}

// policyOf returns the policy of a session with the given terms. ago is how long ago a person was
// active. EndsBy is on the app's clock, so the store is told how long the session still lives.
func (e *Engine[U]) policyOf(t *Terms, ago time.Duration) Policy {
	p := e.policy
	if t.Short {
		p.Lifetime = e.config.Short.Lifetime
		if !p.ByActivity {
			p.Idle = e.config.Short.RefreshTTL
		}
	}
	if !t.EndsBy.IsZero() {
		p.Idle = min(p.Idle, max(0, time.Until(t.EndsBy))+max(0, ago))
	}
	return p
}

// isPast reports whether the time of EndsBy has come.
func isPast(t *Terms, now time.Time) bool { return !t.EndsBy.IsZero() && !now.Before(t.EndsBy) }

// limitTerms returns an error unless the terms of a new session end in the future. It limits the
// session of an actor to MaxActing.
func limitTerms(t *Terms) error {
	now := time.Now()
	if isPast(t, now) {
		return fmt.Errorf("%w: the session would have ended by %v", session.CodeInvalidTerms, t.EndsBy)
	}
	if t.Actor == nil {
		return nil
	}
	t.Short = true
	if limit := now.Add(MaxActing).Truncate(time.Second); t.EndsBy.IsZero() || t.EndsBy.After(limit) {
		t.EndsBy = limit
	}
	return nil
}

// overBy returns the cause for which the terms of a session have ended it, or an empty cause.
// Either EndsBy has come, or the session of the actor has ended. It asks the store only for the
// latter.
func (e *Engine[U]) overBy(ctx context.Context, t *Terms) (Cause, error) {
	if t.EndsBy.IsZero() && t.Actor == nil {
		return "", nil
	}
	if isPast(t, time.Now()) {
		return session.CauseExpired, nil
	}
	if t.Actor == nil {
		return "", nil
	}
	live, err := e.config.Store.List(ctx, t.Actor.ID)
	if err != nil {
		return "", err
	}
	if own, ok := live[t.Actor.SessionID]; !ok || e.isOver(own.Record) {
		return session.CauseActor, nil
	}
	return "", nil
}

// checkOver refuses an access token of a session that its terms have ended, as far as this process
// knows.
func (e *Engine[U]) checkOver(v *verified[U], now time.Time) error {
	if isPast(&v.session.Terms, now) {
		return accessErrors.expired
	}
	if a := v.session.Actor; a != nil && e.revocations.ended(a.ID, a.SessionID, v.iat) {
		return accessErrors.revoked
	}
	return nil
}

// endOver ends a session that its terms have ended.
func (e *Engine[U]) endOver(ctx context.Context, t *subject, cause Cause) error {
	if err := e.config.Store.Delete(ctx, t.userID, t.id); err != nil {
		return err
	}
	if err := e.announce(ctx, endOfSession(t.userID, t.id)); err != nil {
		return err
	}
	e.reporter.report(actorOf(&t.terms, Event{Kind: EventEnded, Cause: cause, UserID: t.userID, SessionID: t.id}))
	return nil
}

// actorOf returns the event with the actor of the terms, if there is one.
func actorOf(t *Terms, event Event) Event {
	if t.Actor != nil {
		event.Actor, event.Reason = t.Actor.ID, t.Actor.Reason
	}
	return event
}

// refused reports a sign-in beyond MaxSessions and returns its error.
func (e *Engine[U]) refused(userID string) error {
	e.reporter.report(Event{Kind: session.EventSignInRefused, Cause: CauseLimit, UserID: userID})
	return fmt.Errorf("%w: the user has %d sessions", session.CodeTooManySessions, e.config.MaxSessions)
}

// StopActing ends a session in which someone acts as its user. Its errors and its use of ctx are
// those of SignOut.
func (e *Engine[U]) StopActing(ctx context.Context, s Session[U]) error {
	if err := e.endSession(ctx, CauseUser, s.User.ID, s.ID); err != nil {
		return err
	}
	e.reporter.report(actorOf(&s.Terms, Event{Kind: session.EventActingEnded, UserID: s.User.ID, SessionID: s.ID}))
	return nil
}

// EndOthers ends all sessions of the user except one, at the app's request. It returns how many it
// ended, and 0 with an error, although some sessions may then have ended. Its errors are those of
// EndSession. Repeating the call is harmless.
func (e *Engine[U]) EndOthers(ctx context.Context, userID string, but ID) (ended int, err error) {
	ctx = context.WithoutCancel(ctx)
	list, err := e.Sessions(ctx, userID)
	if err != nil {
		return 0, err
	}
	var failures []error
	for id := range list {
		if id == but {
			continue
		}
		if err := e.EndSession(ctx, userID, id); err != nil {
			failures = append(failures, err)
			continue
		}
		ended++
	}
	if failures != nil {
		return 0, errors.Join(failures...)
	}
	return ended, nil
}

// Lifetime returns the longest life of a session, for which browsers keep the fingerprint.
func (e *Engine[U]) Lifetime() time.Duration { return e.config.Lifetime }
