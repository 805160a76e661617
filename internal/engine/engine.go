// Package engine begins, verifies, refreshes and ends sessions. It signs and seals their tokens,
// and calls the store and LoadUser. It does not depend on HTTP.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"time"
)

// Engine begins sessions, verifies and refreshes their tokens, and ends them. It does not depend
// on HTTP. U is the app's user data.
//
// An Engine is safe for concurrent use. If it has a feed it keeps one goroutine, which Close stops,
// and otherwise none while idle.
type Engine[U any] struct {
	config      Config[U] // without its secrets
	policy      Policy
	keys        keyring
	service     serviceKeys // empty without an issuer
	cache       tokenCache[U]
	revocations *revocations
	streams     *streams
	notices     noticeBoard
	follower    *follower         // nil if there is no feed
	started     int64             // Unix second
	repeats     *repeatCounter    // of refreshes
	peeks       *repeatCounter    // of upgrades
	expired     *recent[ID, bool] // sessions whose expiry has been reported
	deviceKeys  *recent[ID, int]  // how many keys were registered for a session
	// loads limits the calls that use LoadUser. stores limits those that use only the store, so
	// that people can sign out while the app's database hangs.
	loads     limiter
	stores    limiter
	refreshes calls[callKey, refreshResult[U]]
	confirms  *confirmer
	reporter  *reporter
	breaker   *breaker
}

// New returns an Engine. It returns an error that describes the problem if config is invalid.
func New[U any](config Config[U]) (*Engine[U], error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	keys, err := newKeyring(config.Secret, config.PreviousSecrets)
	if err != nil {
		return nil, err
	}
	service, err := config.serviceKeys()
	if err != nil {
		return nil, err
	}
	cache, err := newTokenCache[U](config.Cache)
	if err != nil {
		return nil, err
	}
	// No log line can then print them.
	config.Secret, config.PreviousSecrets, config.ServiceKeys = nil, nil, nil
	e := &Engine[U]{
		config:      config,
		policy:      config.policy(),
		keys:        keys,
		service:     service,
		cache:       cache,
		revocations: newRevocations(config.AccessTTL, config.leeway()),
		streams:     &streams{},
		started:     time.Now().Unix(),
		repeats:     newRepeatCounter(),
		peeks:       newRepeatCounter(),
		expired:     newRecent[ID, bool](maxCounted),
		deviceKeys:  newRecent[ID, int](maxCounted),
		loads:       newLimiter(config.Timeout),
		stores:      newLimiter(config.Timeout),
		reporter:    newReporter(config.Logger, config.OnEvent),
	}
	e.breaker = newBreaker(config.Timeout, e.reporter.report)
	e.config.Store = watchedStore{config.Store, e.breaker}
	e.confirms = newConfirmer(e.stores, e.breaker, e.config.Store.Confirm)
	e.notices = noticeBoard{e.revocations, e.streams}
	if feed := config.feed(); feed != nil {
		keep := time.Duration(e.revocations.keep) * time.Second
		e.follower = follow(feed, e.notices.applyFed, e.reporter, config.Timeout, keep)
		runtime.AddCleanup(e, (*follower).stopSoon, e.follower) // if Close is never called
	}
	return e, nil
}

// isBefore reports whether an access token may be of a session that began before Config.NotBefore.
// A refresh in this process looks at the record, so the tokens that it issues are accepted.
func (e *Engine[U]) isBefore(iat int64, authTime time.Time) bool {
	limit := e.config.NotBefore
	if limit.IsZero() {
		return false
	}
	return iat < limit.Unix() || iat < e.started && authTime.Before(limit)
}

// isOver reports whether a session began before Config.NotBefore.
func (e *Engine[U]) isOver(r Record) bool {
	return r.Generation != 0 && r.CreatedAt < InstantOf(e.config.NotBefore)
}

// Close stops reading the feed and waits until the reading has stopped. The Engine can still be
// used; it no longer knows what other processes end.
func (e *Engine[U]) Close() { e.follower.close() }

// SignedIn is the result of [Engine.Begin], with everything that the browser gets.
type SignedIn[U any] struct {
	Session Session[U]
	// Fingerprint and RefreshCookie are for cookies that scripts cannot read, so they are never
	// part of JSON.
	Fingerprint   Fingerprint `json:"-"`
	RefreshCookie SealedToken `json:"-"`
	// ExpiresIn is the lifetime of the refresh token, Lifetime that of the fingerprint.
	ExpiresIn time.Duration
	Lifetime  time.Duration
}

// LogValue returns the ids of the session and no token.
func (s SignedIn[U]) LogValue() slog.Value { return s.Session.LogValue() }

// SignInParams holds the arguments of [Engine.Begin].
type SignInParams struct {
	UserID string
	// Terms are the terms of the session. AuthTime is the time of the call if it is zero.
	Terms Terms
	// Former are sessions of the user that end with this sign-in, because the same browser had
	// them. They do not count towards MaxSessions. The caller ends them.
	Former []ID
	// Details are what lists of the user's sessions show. Begin adds the actor.
	Details Details
}

// SignIn is [Engine.Begin] without terms.
func (e *Engine[U]) SignIn(ctx context.Context, userID string) (*SignedIn[U], error) {
	return e.Begin(ctx, SignInParams{UserID: userID})
}

// Begin begins a session of the user (lucia-sveltekit's createUserSession). The caller has
// authenticated the user. Errors carry CodeInvalidUserID if the id is invalid or LoadUser does not
// know it, CodeInvalidTerms if the terms are invalid, CodeTooManySessions if the user has
// MaxSessions and AtMaxSessions is RefuseNew, and CodeDatabaseUpdateFailed if LoadUser or the store
// failed. After an error there is no session that a browser could use.
func (e *Engine[U]) Begin(ctx context.Context, p SignInParams) (*SignedIn[U], error) {
	if err := CheckUserID(p.UserID); err != nil {
		return nil, err
	}
	if p.Terms.AuthTime.IsZero() {
		p.Terms.AuthTime = time.Unix(time.Now().Unix(), 0)
	}
	if err := errors.Join(checkTerms(&p.Terms), limitTerms(&p.Terms)); err != nil {
		return nil, err
	}
	if err := e.breaker.admit(); err != nil {
		return nil, e.unavailable(ctx, CodeDatabaseUpdateFailed, p.UserID, ID{}, err)
	}
	s, err := callWithTimeout(e.callContext(withoutValues{ctx}, ctx), e.loads, func(ctx context.Context) (*SignedIn[U], error) {
		return e.signIn(ctx, p)
	})
	if gone, ok := errors.AsType[opaqueError](err); ok && gone.gone {
		return nil, fmt.Errorf("%w: %w", CodeInvalidUserID, gone)
	}
	if err != nil {
		return nil, e.unavailable(ctx, CodeDatabaseUpdateFailed, p.UserID, ID{}, err)
	}
	if s == nil {
		return nil, e.refused(p.UserID)
	}
	return s, nil
}

// ReportStepUp reports that a session has taken the place of one whose user authenticated again.
func (e *Engine[U]) ReportStepUp(userID string, id ID) {
	e.reporter.report(Event{Kind: EventSteppedUp, UserID: userID, SessionID: id})
}

// withoutValues is a context without its values. LoadUser must not depend on them at a sign-in,
// because a refresh does not have the values of the request.
type withoutValues struct{ context.Context }

// Value returns nil.
func (withoutValues) Value(any) any { return nil }

// AfterFunc lets package context derive contexts from it without a goroutine.
func (v withoutValues) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(v.Context, f) }

// callContext returns ctx with what Config.CallContext adds to it. ctx is the context of a call,
// without the values of the request that starts the call.
func (e *Engine[U]) callContext(ctx, request context.Context) context.Context {
	if e.config.CallContext == nil {
		return ctx
	}
	return e.config.CallContext(ctx, request)
}

// signIn returns nil if the store refuses the session.
func (e *Engine[U]) signIn(ctx context.Context, p SignInParams) (*SignedIn[U], error) {
	fp, hash := newFingerprint()
	t := &subject{userID: p.UserID, id: NewID(), hash: hash, terms: p.Terms}
	if p.Terms.Actor != nil {
		p.Details.ActorID = p.Terms.Actor.ID
	}
	m := e.revocations.mark(t)
	user, err := e.loadUser(ctx, t)
	if errors.Is(err, ErrUserNotFound) {
		return nil, opaqueError{err, true}
	}
	if err != nil {
		return nil, opaqueError{err, false}
	}
	made, err := e.config.Store.Create(ctx, CreateParams{
		UserID: t.userID, ID: t.id, Policy: e.policyOf(&t.terms, 0), Max: e.config.MaxSessions,
		Refuse: e.config.AtMaxSessions == RefuseNew, Former: p.Former, Details: p.Details,
	})
	if err != nil {
		return nil, opaqueError{err, false}
	}
	if !made.Created() {
		return nil, nil
	}
	e.madeRoom(ctx, t.userID, made.Ended)
	e.reportBegan(t)
	return e.signedIn(user, t, fp, made.Record, m)
}

// madeRoom announces the sessions that the store has ended to make room for a new one. A failure of
// the feed does not fail the sign-in, since the follower publishes them later.
func (e *Engine[U]) madeRoom(ctx context.Context, userID string, ended []ID) {
	for _, id := range ended {
		if err := e.announce(ctx, endOfSession(userID, id)); err != nil {
			e.reportUnavailable(userID, id, err)
		}
		e.reporter.report(Event{Kind: EventEnded, Cause: CauseLimit, UserID: userID, SessionID: id})
	}
}

// reportBegan reports that a session has begun, and that someone acts for its user.
func (e *Engine[U]) reportBegan(t *subject) {
	event := Event{Kind: EventBegan, UserID: t.userID, SessionID: t.id}
	if actor := t.terms.Actor; actor != nil {
		event.Actor, event.Reason = actor.ID, actor.Reason
	}
	e.reporter.report(event)
	if event.Actor != "" {
		event.Kind = EventActing
		e.reporter.report(event)
	}
}

func (e *Engine[U]) signedIn(user loadedUser[U], t *subject, fp Fingerprint, record Record, m mark) (*SignedIn[U], error) {
	claims := refreshClaimsOf(t, record)
	s := e.mint(user, t, record, claims, Presentation{Active: true}, record.IssuedAt, m)
	sealed, err := e.keys.seal(e.config.RefreshCookie, sealer{}, claims, record.IssuedAt)
	if err != nil {
		return nil, err
	}
	return &SignedIn[U]{
		Session:       s,
		Fingerprint:   fp,
		RefreshCookie: sealed,
		ExpiresIn:     e.cookieLife(record, record.IssuedAt),
		Lifetime:      e.config.Lifetime,
	}, nil
}

// SignOut ends one session at its user's request (lucia-sveltekit's invalidateRefreshToken). It
// returns nil if the session has already ended. Errors carry CodeInvalidUserID or
// CodeDatabaseUpdateFailed. After the latter it is unknown whether the session ended; repeating
// the call is harmless.
//
// The end of ctx does not stop the call, so that a person who signs out and leaves the page at
// once is signed out. It returns within Timeout.
func (e *Engine[U]) SignOut(ctx context.Context, userID string, id ID) error {
	return e.endSession(ctx, CauseUser, userID, id)
}

// EndSession is SignOut at the app's request. The two differ only in the cause of the event.
func (e *Engine[U]) EndSession(ctx context.Context, userID string, id ID) error {
	return e.endSession(ctx, CauseApp, userID, id)
}

func (e *Engine[U]) endSession(ctx context.Context, cause Cause, userID string, id ID) error {
	if err := CheckUserID(userID); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	err := e.end(ctx, func(ctx context.Context) error {
		if err := e.config.Store.Delete(ctx, userID, id); err != nil {
			return err
		}
		return e.announce(ctx, endOfSession(userID, id))
	})
	if err != nil {
		return e.unavailable(ctx, CodeDatabaseUpdateFailed, userID, id, err)
	}
	e.reporter.report(Event{Kind: EventEnded, Cause: cause, UserID: userID, SessionID: id})
	return nil
}

// RevokeUser ends all sessions of the user. Its errors and its use of ctx are those of SignOut.
// This process refuses their access tokens at once. Other processes refuse them as soon as they
// have read the feed, or accept them until they expire if there is no feed.
func (e *Engine[U]) RevokeUser(ctx context.Context, userID string) error {
	if err := CheckUserID(userID); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	err := e.end(ctx, func(ctx context.Context) error {
		if err := e.config.Store.DeleteUser(ctx, userID); err != nil {
			return err
		}
		return e.announce(ctx, endOfUser(userID))
	})
	if err != nil {
		return e.unavailable(ctx, CodeDatabaseUpdateFailed, userID, ID{}, err)
	}
	e.reporter.report(Event{Kind: EventEnded, Cause: CauseApp, UserID: userID})
	return nil
}

func (e *Engine[U]) end(ctx context.Context, call func(context.Context) error) error {
	_, err := callWithTimeout(ctx, e.stores, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, call(ctx)
	})
	return err
}

// Sessions returns the live sessions of the user, for a page that lists them. A Record has the
// times at which the session began and was last issued a refresh token. Errors carry
// CodeInvalidUserID or CodeDatabaseFetchFailed.
func (e *Engine[U]) Sessions(ctx context.Context, userID string) (map[ID]Entry, error) {
	if err := CheckUserID(userID); err != nil {
		return nil, err
	}
	if err := e.breaker.admit(); err != nil {
		return nil, e.unavailable(ctx, CodeDatabaseFetchFailed, userID, ID{}, err)
	}
	list, err := callWithTimeout(ctx, e.stores, func(ctx context.Context) (map[ID]Entry, error) {
		return e.config.Store.List(ctx, userID)
	})
	if err != nil {
		return nil, e.unavailable(ctx, CodeDatabaseFetchFailed, userID, ID{}, err)
	}
	maps.DeleteFunc(list, func(_ ID, l Entry) bool { return e.isOver(l.Record) })
	return list, nil
}

// Flush waits until no confirmation is in progress and no event waits for OnEvent. It returns an
// error if ctx ends first. An app calls it at shutdown, after its last request.
func (e *Engine[U]) Flush(ctx context.Context) error {
	return errors.Join(e.confirms.flush(ctx), e.reporter.flush(ctx))
}

// unavailable reports a failure of the store or of LoadUser in a call under ctx, unless the breaker
// has refused the call, and returns it with the code.
func (e *Engine[U]) unavailable(ctx context.Context, code Code, userID string, id ID, err error) error {
	if !errors.Is(ctx.Err(), context.Canceled) { // a caller that went away is no failure
		e.reportUnavailable(userID, id, err)
	}
	return fmt.Errorf("%w: %w", code, opaqueError{err, false})
}

func (e *Engine[U]) reportUnavailable(userID string, id ID, err error) {
	if errors.Is(err, errBreakerOpen) {
		return // EventBreakerOpened was reported
	}
	kind := EventUnavailable
	if errors.Is(err, ErrUserTooLarge) {
		kind = EventUserTooLarge
	}
	e.reporter.report(Event{Kind: kind, UserID: userID, SessionID: id, Err: err})
}
