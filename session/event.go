package session

// EventKind is the kind of an [Event]. Every event is passed to OnEvent. Reuse is logged each
// time. Any other kind is logged at most once a second, with the number of lines left out since
// the last.
type EventKind string

const (
	// EventReuse: a refresh token was presented that an honest browser no longer has. The
	// affected sessions have been ended. Notify the user.
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
	// EventUnavailable: the store or LoadUser failed.
	EventUnavailable EventKind = "session state unavailable"
	// EventUserTooLarge: the tokens cannot carry what LoadUser returned (see [ErrUserTooLarge]).
	// Until the data is smaller, the user cannot sign in, and their sessions cannot be refreshed.
	// No session has been ended.
	EventUserTooLarge EventKind = "user data too large"
	// EventFeedLost: this process could not read the feed for Config.Timeout. Until
	// EventFeedRestored it does not know what other processes end, and does as Config.FeedLost
	// says.
	EventFeedLost EventKind = "feed lost"
	// EventFeedRestored: this process reads the feed again. It has caught up.
	EventFeedRestored EventKind = "feed restored"
)

// Event is something that an operator must see.
type Event struct {
	Kind   EventKind
	UserID string
	// SessionID is the zero ID if there is no session yet, at a sign-in, and if a call concerns
	// all of the user's sessions.
	SessionID ID
	// Presented is the generation of the token that was presented, or 0 if none was.
	Presented Generation
	// Err is the cause of EventUnavailable, EventUserTooLarge and EventFeedLost, and nil for other
	// kinds. It is for logs.
	Err error
}
