package session

// EventKind says what an [Event] is. Each event is passed to OnEvent. Reuse is
// logged each time, any other kind at most once a second, with the number of
// lines left out since the last.
type EventKind string

const (
	// EventReuse: a refresh token was presented that an honest browser no longer
	// has. The sessions concerned have been ended; tell the user.
	EventReuse EventKind = "refresh token reuse detected"
	// EventAdopted: the store had lost its last writes. No session was lost.
	EventAdopted EventKind = "store lost a rotation, adopted from the token"
	// EventLateRepeat: a predecessor was presented later than the grace period
	// after its successor was made, and answered: the successor is not confirmed, or
	// was a moment ago. Most often a lost answer.
	EventLateRepeat EventKind = "refresh token repeated late"
	// EventManyRepeats: the same predecessor was presented late to this process a
	// third time or more. Until its successor is confirmed, by a browser that goes on
	// using it, the rule answers it for ever; a browser whose answers are lost time
	// and again looks like that, and so does a thief who drops what he is given. Ask
	// the user, or call RevokeUser.
	EventManyRepeats EventKind = "refresh token repeated late again and again"
	// EventUserGone: LoadUser said that the user does not exist any more. All of
	// the user's sessions have been ended.
	EventUserGone EventKind = "user not found, sessions ended"
	// EventUnavailable: the store or LoadUser failed.
	EventUnavailable EventKind = "session state unavailable"
	// EventUserTooLarge: tokens cannot carry what LoadUser returned (see
	// [ErrUserTooLarge]). Until that is less, the user cannot sign in, and sessions
	// cannot be refreshed; none is ended.
	EventUserTooLarge EventKind = "user data too large"
)

// Event is something that an operator must see.
type Event struct {
	Kind   EventKind
	UserID string
	// SessionID is the zero ID where there is none yet, at a sign-in, and where a
	// call concerns all of the user's.
	SessionID ID
	// Presented is the generation of the token that was presented, 0 where none
	// was.
	Presented Generation
	// Err is the cause of EventUnavailable and EventUserTooLarge, else nil. It is
	// for logs.
	Err error
}
