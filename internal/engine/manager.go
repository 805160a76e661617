package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Manager is the session domain: it begins sessions, verifies and refreshes
// their tokens and ends them. It knows nothing of HTTP. U is the app's user
// data.
//
// A Manager is safe for concurrent use. It keeps no goroutine while idle.
type Manager[U any] struct {
	config  Config[U] // without its secrets
	policy  Policy
	keys    keyring
	cache   tokenCache[U]
	endings revocations
	repeats *repeatCounter
	// loads bounds what calls LoadUser, stores what calls the store alone: an
	// app's database that hangs must not keep anyone from signing out.
	loads    limiter
	stores   limiter
	flights  calls[callKey, refreshResult[U]]
	confirms *confirmer
	reporter *reporter
}

// New returns a Manager, or an error that says what is wrong with config.
func New[U any](config Config[U]) (*Manager[U], error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	keys, err := newKeyring(config.Secret, config.PreviousSecrets)
	if err != nil {
		return nil, err
	}
	cache, err := newTokenCache[U](config.Cache)
	if err != nil {
		return nil, err
	}
	config.Secret, config.PreviousSecrets = nil, nil // nothing prints what is not there
	m := &Manager[U]{
		config:   config,
		policy:   config.policy(),
		keys:     keys,
		cache:    cache,
		endings:  newRevocations(),
		repeats:  newRepeatCounter(),
		loads:    newLimiter(config.Timeout),
		stores:   newLimiter(config.Timeout),
		reporter: newReporter(config.Logger, config.OnEvent),
	}
	m.confirms = newConfirmer(m.stores, config.Store.Confirm)
	return m, nil
}

// SignedIn is the result of [Manager.SignIn]: all that a browser is to be given.
type SignedIn[U any] struct {
	Session Session[U]
	// Fingerprint and RefreshCookie are for cookies that no script can read, and
	// therefore never in JSON.
	Fingerprint   Fingerprint `json:"-"`
	RefreshCookie SealedToken `json:"-"`
	// ExpiresIn and Lifetime are how long the refresh token and the fingerprint
	// live.
	ExpiresIn time.Duration
	Lifetime  time.Duration
}

// LogValue returns that of the session: ids, and no token.
func (s SignedIn[U]) LogValue() slog.Value { return s.Session.LogValue() }

// SignIn begins a session of the user (the original's createUserSession). The
// caller has made sure who the user is. Errors carry CodeInvalidUserID for an
// id that cannot be one or that LoadUser does not know, and
// CodeDatabaseUpdateFailed where LoadUser or the store failed; there is then no
// session that anyone could use.
func (m *Manager[U]) SignIn(ctx context.Context, userID string) (*SignedIn[U], error) {
	if err := CheckUserID(userID); err != nil {
		return nil, err
	}
	s, err := callWithTimeout(withoutValues{ctx}, m.loads, func(ctx context.Context) (*SignedIn[U], error) {
		return m.signIn(ctx, userID)
	})
	if gone, ok := errors.AsType[opaqueError](err); ok && gone.gone {
		return nil, fmt.Errorf("%w: %w", CodeInvalidUserID, gone)
	}
	if err != nil {
		return nil, m.unavailable(ctx, CodeDatabaseUpdateFailed, userID, ID{}, err)
	}
	return s, nil
}

// withoutValues is a context without its values: LoadUser is to depend on them nowhere,
// since a refresh has nobody's.
type withoutValues struct{ context.Context }

// Value returns nil.
func (withoutValues) Value(any) any { return nil }

// AfterFunc lets package context derive from it without a goroutine.
func (v withoutValues) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(v.Context, f) }

func (m *Manager[U]) signIn(ctx context.Context, userID string) (*SignedIn[U], error) {
	fp, hash := newFingerprint()
	t := subject{userID: userID, id: NewID(), hash: hash}
	user, err := m.loadUser(ctx, t)
	if errors.Is(err, ErrUserNotFound) {
		return nil, opaqueError{err, true}
	}
	if err != nil {
		return nil, opaqueError{err, false}
	}
	order, started := m.endings.next(), time.Now().Unix()
	record, err := m.config.Store.Create(ctx, CreateParams{UserID: userID, ID: t.id, Policy: m.policy, Max: m.config.MaxSessions})
	if err != nil {
		return nil, opaqueError{err, false}
	}
	m.endings.begin(userID, t.id, order, started)
	return m.signedIn(user, t, fp, record, started)
}

func (m *Manager[U]) signedIn(user loadedUser[U], t subject, fp Fingerprint, record Record, started int64) (*SignedIn[U], error) {
	s := m.mint(user, t, record, record.IssuedAt, started)
	sealed, err := m.keys.seal(m.config.RefreshCookie, sealer{}, refreshClaimsOf(t, record), record.IssuedAt)
	if err != nil {
		return nil, err
	}
	return &SignedIn[U]{
		Session:       s,
		Fingerprint:   fp,
		RefreshCookie: sealed,
		ExpiresIn:     record.ExpiresAt.Sub(record.IssuedAt),
		Lifetime:      m.config.Lifetime,
	}, nil
}

// Verify checks an access token and the fingerprint beside it (the original's
// getUserFromAccessToken). It asks no store.
//
// Errors carry CodeInvalidAccessToken and the reason. ErrExpired and ErrRevoked are
// reported only if everything else holds: VerifyEnded then returns the session.
func (m *Manager[U]) Verify(token AccessToken, fingerprint Fingerprint) (Session[U], error) {
	v, cached, err := m.verified(token)
	if err != nil {
		return Session[U]{}, err
	}
	if !v.of(fingerprint, cached) {
		return Session[U]{}, accessErrors.fingerprint
	}
	now := time.Now()
	if now.After(v.session.ExpiresAt.Add(m.config.leeway())) || now.Before(v.session.IssuedAt.Add(-maxLeeway)) {
		if cached {
			m.cache.remove(token)
		}
		return Session[U]{}, accessErrors.expired
	}
	if m.ended(v) {
		return Session[U]{}, accessErrors.revoked
	}
	if !cached {
		m.cache.put(v, fingerprint)
	}
	m.sighted(v, now)
	return v.session, nil
}

// VerifyEnded is Verify for a token whose life may be over and whose session may have
// been ended: it says whose session the token names, for signing out and for forms
// that were open for long.
func (m *Manager[U]) VerifyEnded(token AccessToken, fingerprint Fingerprint) (Session[U], error) {
	v, cached, err := m.verified(token)
	if err != nil {
		return Session[U]{}, err
	}
	if !v.of(fingerprint, cached) {
		return Session[U]{}, accessErrors.fingerprint
	}
	return v.session, nil
}

// SignOut ends one session (the original's invalidateRefreshToken). A session
// that has already ended is no error. Errors carry CodeInvalidUserID, or
// CodeDatabaseUpdateFailed: whether the session ended is then unknown, and repeating
// the call is harmless.
//
// The end of ctx does not stop it: a person who signs out and leaves the page
// at once has signed out. It takes no longer than Timeout.
func (m *Manager[U]) SignOut(ctx context.Context, userID string, id ID) error {
	if err := CheckUserID(userID); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	err := m.end(ctx, func(ctx context.Context) error { return m.config.Store.Delete(ctx, userID, id) })
	if err != nil {
		return m.unavailable(ctx, CodeDatabaseUpdateFailed, userID, id, err)
	}
	m.endings.endSession(userID, id)
	return nil
}

// RevokeUser ends all sessions of the user. Errors, and what the end of ctx
// does, are those of SignOut. Access tokens are honoured until they expire, except
// by the process that called RevokeUser, which refuses them at once. (It remembers
// the last 32,768 users at least of whom sessions were ended.)
func (m *Manager[U]) RevokeUser(ctx context.Context, userID string) error {
	if err := CheckUserID(userID); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	err := m.end(ctx, func(ctx context.Context) error { return m.config.Store.DeleteUser(ctx, userID) })
	if err != nil {
		return m.unavailable(ctx, CodeDatabaseUpdateFailed, userID, ID{}, err)
	}
	m.endings.endUser(userID)
	return nil
}

func (m *Manager[U]) end(ctx context.Context, call func(context.Context) error) error {
	_, err := callWithTimeout(ctx, m.stores, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, call(ctx)
	})
	return err
}

// Sessions returns the live sessions of the user, for a page that shows them: a
// Record says when one began and when it was last given a refresh token. Errors
// carry CodeInvalidUserID or CodeDatabaseFetchFailed.
func (m *Manager[U]) Sessions(ctx context.Context, userID string) (map[ID]Record, error) {
	if err := CheckUserID(userID); err != nil {
		return nil, err
	}
	list, err := callWithTimeout(ctx, m.stores, func(ctx context.Context) (map[ID]Record, error) {
		return m.config.Store.List(ctx, userID)
	})
	if err != nil {
		return nil, m.unavailable(ctx, CodeDatabaseFetchFailed, userID, ID{}, err)
	}
	return list, nil
}

// Flush waits until no confirmation is under way, or ctx ends. An app calls it at
// shutdown, after its last request.
func (m *Manager[U]) Flush(ctx context.Context) error { return m.confirms.flush(ctx) }

// unavailable reports a failure of the store or of LoadUser in a call under ctx
// and gives it its code.
func (m *Manager[U]) unavailable(ctx context.Context, code Code, userID string, id ID, err error) error {
	if !errors.Is(ctx.Err(), context.Canceled) { // else the caller went away; nobody failed
		m.reportUnavailable(userID, id, err)
	}
	return fmt.Errorf("%w: %w", code, opaqueError{err, false})
}

func (m *Manager[U]) reportUnavailable(userID string, id ID, err error) {
	kind := EventUnavailable
	if errors.Is(err, ErrUserTooLarge) {
		kind = EventUserTooLarge
	}
	m.reporter.report(Event{Kind: kind, UserID: userID, SessionID: id, Err: err})
}
