package engine

import (
	"encoding/base64"

	"github.com/lucia-go/lucia/session"
)

// Types of package session, under the same names.
type (
	ID           = session.ID
	Generation   = session.Generation
	Instant      = session.Instant
	Record       = session.Record
	Presentation = session.Presentation
	Policy       = session.Policy
	Outcome      = session.Outcome
	AccessToken  = session.AccessToken
	RefreshToken = session.RefreshToken
	Code         = session.Code
	Event        = session.Event
	EventKind    = session.EventKind
	Cause        = session.Cause
	Store        = session.Store
	Terms        = session.Terms

	CreateParams  = session.CreateParams
	CreateResult  = session.CreateResult
	Details       = session.Details
	Entry         = session.Entry
	RefreshParams = session.RefreshParams
	RefreshResult = session.RefreshResult
	ConfirmParams = session.ConfirmParams

	Session[U any] = session.Session[U]
	User[U any]    = session.User[U]
)

const (
	FirstGeneration  = session.FirstGeneration
	BoundGenerations = session.BoundGenerations

	Missing  = session.Missing
	Repeated = session.Repeated
	Current  = session.Current
	Adopted  = session.Adopted
	Reused   = session.Reused

	CodeUnauthorized         = session.CodeUnauthorized
	CodeDatabaseFetchFailed  = session.CodeDatabaseFetchFailed
	CodeDatabaseUpdateFailed = session.CodeDatabaseUpdateFailed
	CodeInvalidAccessToken   = session.CodeInvalidAccessToken
	CodeInvalidRefreshToken  = session.CodeInvalidRefreshToken
	CodeInvalidUserID        = session.CodeInvalidUserID

	EventBegan          = session.EventBegan
	EventEnded          = session.EventEnded
	EventSteppedUp      = session.EventSteppedUp
	EventBound          = session.EventBound
	EventActing         = session.EventActing
	EventActingEnded    = session.EventActingEnded
	EventReuse          = session.EventReuse
	EventAdopted        = session.EventAdopted
	EventLateRepeat     = session.EventLateRepeat
	EventManyRepeats    = session.EventManyRepeats
	EventUserGone       = session.EventUserGone
	EventSignInRefused  = session.EventSignInRefused
	EventBindingRefused = session.EventBindingRefused
	EventUnbound        = session.EventUnbound
	EventUserTooLarge   = session.EventUserTooLarge
	EventUnavailable    = session.EventUnavailable
	EventBreakerOpened  = session.EventBreakerOpened
	EventBreakerClosed  = session.EventBreakerClosed
	EventFeedLost       = session.EventFeedLost
	EventFeedRestored   = session.EventFeedRestored
	EventDropped        = session.EventDropped

	CauseUser      = session.CauseUser
	CauseApp       = session.CauseApp
	CauseReuse     = session.CauseReuse
	CauseLimit     = session.CauseLimit
	CauseIdle      = session.CauseIdle
	CauseExpired   = session.CauseExpired
	CauseUserGone  = session.CauseUserGone
	CauseNotBefore = session.CauseNotBefore
)

var (
	ErrUserNotFound = session.ErrUserNotFound
	ErrUserTooLarge = session.ErrUserTooLarge

	NewID       = session.NewID
	ParseID     = session.ParseID
	CheckUserID = session.CheckUserID
	InstantOf   = session.InstantOf
)

var strictBase64 = base64.RawURLEncoding.Strict()
