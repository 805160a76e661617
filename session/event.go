package session

import (
	"log/slog"
	"time"
)

// EventKind is the kind of an [Event]. Every event is passed to OnEvent. A kind is logged at most
// once a second, with the number of events left out since the last line, unless its comment or that
// of its group says otherwise.
type EventKind string

// The life of a session. These events make an audit trail. They are ordinary and are not logged.
const (
	// EventBegan: a user signed in, and a session began. Actor and Reason are set if it is a
	// session in which someone acts as the user.
	EventBegan EventKind = "session began"
	// EventEnded: a session ended, or all sessions of the user if SessionID is the zero ID. Cause
	// says why. Only the process that ends a session reports it, not the processes that learn of
	// it. Ending a session again reports it again.
	EventEnded EventKind = "session ended"
	// EventSteppedUp: the user of a session proved again who they are. SessionID is the session
	// that took its place. The event follows the EventBegan of that session.
	EventSteppedUp EventKind = "user authenticated again"
	// EventBound: a session was bound to a key of its browser's device.
	EventBound EventKind = "session bound to a device"
)

// Someone acts as a user. Each of these events is logged.
const (
	// EventActing: Actor began to act as the user, for Reason, in session SessionID. It follows
	// the EventBegan of that session.
	EventActing EventKind = "acting for a user began"
	// EventActingEnded: Actor stopped acting as the user. It follows the EventEnded of that
	// session. A session that ends in another way, such as by its expiry, has only an EventEnded.
	EventActingEnded EventKind = "acting for a user ended"
)

// Security incidents and other events of single users that an operator should see.
const (
	// EventReuse: a refresh token was presented that an honest browser no longer has. The
	// affected sessions have been ended. Notify the user. Each of these events is logged.
	EventReuse EventKind = "refresh token reuse detected"
	// EventAdopted: the store had lost its last writes. No session was lost.
	EventAdopted EventKind = "store lost a rotation, adopted from the token"
	// EventLateRepeat: the previous refresh token was presented later than the grace period after
	// its successor was issued, and was accepted, because the successor is not confirmed or was
	// confirmed only a moment ago. Most often a response was lost.
	EventLateRepeat EventKind = "refresh token repeated late"
	// EventManyRepeats: the same previous refresh token was presented late to this process for at
	// least the third time. The rule accepts it until its successor is confirmed by a browser
	// that keeps using it. A browser whose responses are lost repeatedly causes this event, and
	// so does a thief who discards what they are given. Ask the user, or call RevokeUser.
	EventManyRepeats EventKind = "refresh token repeated late again and again"
	// EventUserGone: LoadUser reported that the user no longer exists. All of the user's sessions
	// have been ended.
	EventUserGone EventKind = "user not found, sessions ended"
	// EventSignInRefused: a sign-in was refused although the app had authenticated the user.
	// Cause says why: CauseLimit if the user has as many sessions as they may have.
	EventSignInRefused EventKind = "sign-in refused"
	// EventBindingRefused: a browser's proof that it has the key of a bound session is not valid,
	// or the binding was refused. Err is the cause.
	EventBindingRefused EventKind = "device binding refused"
	// EventUnbound: the cookies of a session that is bound to a device were presented without the
	// proof of the device. Most often they were stolen.
	EventUnbound EventKind = "bound session presented without its device"
	// EventUserTooLarge: the tokens cannot carry what LoadUser returned (see [ErrUserTooLarge]).
	// Until the data is smaller, the user cannot sign in, and their sessions cannot be refreshed.
	// No session has been ended.
	EventUserTooLarge EventKind = "user data too large"
)

// The health of what sessions depend on. UserID may be empty.
const (
	// EventUnavailable: a call of the store or LoadUser failed. A call that the circuit breaker
	// refuses is not reported.
	EventUnavailable EventKind = "session state unavailable"
	// EventBreakerOpened: the store does not answer. Calls are refused at once, except one a
	// second, until one succeeds. No session has been ended. Err is the last failure.
	EventBreakerOpened EventKind = "session store does not answer, circuit breaker opened"
	// EventBreakerClosed: the store answers again.
	EventBreakerClosed EventKind = "session store answers again, circuit breaker closed"
	// EventFeedLost: this process could not read the feed for Config.Timeout. It is no longer told
	// which sessions other processes end, and does as Config.FeedLost says. Err is the failure.
	EventFeedLost EventKind = "feed of ended sessions lost"
	// EventFeedRestored: the feed works again, and this process has caught up.
	EventFeedRestored EventKind = "feed of ended sessions restored"
	// EventDropped: OnEvent is too slow. Err says how many events were dropped.
	EventDropped EventKind = "events dropped, OnEvent is too slow"
)

// Cause says why a session ended, or by whom.
type Cause string

const (
	// CauseUser: the user signed out, or signed in again in the same browser.
	CauseUser Cause = "user"
	// CauseApp: the app ended the session, by RevokeUser, EndSession or EndOthers.
	CauseApp Cause = "app"
	// CauseReuse: a refresh token was reused. The EventReuse before names the session.
	CauseReuse Cause = "reuse"
	// CauseLimit: the user began more sessions than they may have.
	CauseLimit Cause = "limit"
	// CauseIdle: no person used the session for IdleTimeout. It is reported when the browser
	// presents a token next.
	CauseIdle Cause = "idle"
	// CauseExpired: the refresh token expired. It is reported when the browser presents it next,
	// once by each process. Most expired sessions are never seen again.
	CauseExpired Cause = "expired"
	// CauseUserGone: LoadUser reported that the user no longer exists.
	CauseUserGone Cause = "user gone"
	// CauseActor: the session of the person who acted as the user has ended.
	CauseActor Cause = "actor"
	// CauseNotBefore: the session began before Config.NotBefore. It is reported when the browser
	// presents a token next.
	CauseNotBefore Cause = "not before"
)

// Event is something that an operator may want to know. It never contains a token, in whole or in
// part. Fields that do not apply to the kind are zero.
type Event struct {
	Kind EventKind
	// Time is when it happened, which may be some time before OnEvent is called.
	Time   time.Time
	UserID string
	// SessionID is the zero ID if there is no session yet, at a sign-in, and if a call concerns
	// all of the user's sessions.
	SessionID ID
	// Cause is set for EventEnded and EventSignInRefused.
	Cause Cause
	// Actor is the user id of the actor, and Reason is why they act as the user, in their own
	// words.
	Actor, Reason string
	// Presented is the generation of the token that was presented, or 0 if none was.
	Presented Generation
	// Err is the cause of an event that has one, or nil. It is for logs. Its text is that of the
	// store, LoadUser or the app.
	Err error
}

// LogValue returns the fields that are set, for slog.
func (e Event) LogValue() slog.Value {
	attrs := make([]slog.Attr, 1, 9)
	attrs[0] = slog.String("kind", string(e.Kind))
	if !e.Time.IsZero() {
		attrs = append(attrs, slog.Time("at", e.Time))
	}
	return slog.GroupValue(append(attrs, e.Attrs()...)...)
}

// Attrs returns the fields that are set, except Kind and Time, which a log record has itself.
func (e Event) Attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 7)
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	text("user_id", e.UserID)
	if e.SessionID != (ID{}) {
		text("session_id", e.SessionID.String())
	}
	text("cause", string(e.Cause))
	text("actor", e.Actor)
	text("reason", e.Reason)
	if e.Presented != 0 {
		attrs = append(attrs, slog.Uint64("presented", uint64(e.Presented)))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	return attrs
}
