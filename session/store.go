package session

import (
	"context"
	"time"
)

// Store keeps the records of sessions. Package memstore keeps them in memory,
// package redisstore in Redis, package sqlstore in PostgreSQL or SQLite; any other passes the conformance suite of
// package session/sessiontest.
//
// The contract:
//
//   - Every method is one atomic step on the sessions of one user, as if the
//     calls for that user came one after the other. Calls for different users
//     are independent.
//   - "now" is the store's own clock, one for all processes that share the
//     store. It is read inside the atomic step.
//   - A record that has expired does not exist. The store may drop it whenever
//     it likes, or never.
//   - What is missing is not an error. An error means that the store failed or
//     could not be asked; the step then happened wholly or not at all, and which
//     of the two is unknown. Repeating it is harmless.
//   - A store does not judge user ids: the caller has checked them with
//     [CheckUserID]. Ids that differ in any byte are different users.
//   - Methods are safe for concurrent use and return soon after ctx ends. A ctx
//     that has ended before the call is an error that wraps ctx.Err(), and
//     nothing happens.
type Store interface {
	// Create stores [Begin] as session ID of the user, in place of a session that
	// has that ID (a call repeated after its reply was lost). Where the user then has
	// more than Max live sessions, those least recently issued a token go:
	// smallest IssuedAt first, then smallest ID. The new one stays.
	Create(ctx context.Context, c CreateParams) (Record, error)

	// Refresh applies the rule, [Refresh], to one session. It never makes a
	// record. On Reused it deletes that session or all of the user's sessions.
	Refresh(ctx context.Context, r RefreshParams) (RefreshResult, error)

	// Confirm applies the rule's other half, [Confirm], to one session. It never
	// makes a record.
	Confirm(ctx context.Context, c ConfirmParams) error

	// Delete ends one session. No such session: nil.
	Delete(ctx context.Context, userID string, id ID) error

	// DeleteUser ends all sessions of the user. No such user: nil.
	DeleteUser(ctx context.Context, userID string) error

	// List returns the live sessions of the user, in no particular order; none
	// where there is none. It serves pages that show a person their
	// sessions, and the upgrade to a WebSocket whose access token has expired.
	List(ctx context.Context, userID string) (map[ID]Record, error)
}

// CreateParams is the argument of [Store.Create].
type CreateParams struct {
	UserID string
	ID     ID
	Policy Policy
	// Max is the greatest number of live sessions a user may have. It is at
	// least 1.
	Max int
}

// RefreshParams is the argument of [Store.Refresh].
type RefreshParams struct {
	UserID    string
	ID        ID
	Presented Presented
	Policy    Policy
	// RevokeUser says what goes on Reused: all sessions of the user (true) or
	// this session only.
	RevokeUser bool
}

// RefreshResult is the result of [Store.Refresh].
type RefreshResult struct {
	Outcome Outcome
	// Record is the record after the step; the zero Record where none remains.
	Record Record
	// Now is the store's clock at the step.
	Now Instant
}

// Late reports whether the predecessor was repeated later than grace after its
// successor was made: harmless by the rule, but for the operator to see.
func (r RefreshResult) Late(grace time.Duration) bool {
	return r.Outcome == Repeated && r.Now > r.Record.IssuedAt.Add(grace)
}

// ConfirmParams is the argument of [Store.Confirm].
type ConfirmParams struct {
	UserID     string
	ID         ID
	Generation Generation
	// HandedAt is when the access token that was seen was handed out: by the clock of
	// an app that made it, since a confirmation that comes too early or too late by
	// the skew of hosts' clocks does no harm.
	HandedAt Instant
	Policy   Policy
}
