package session

import (
	"bytes"
	"cmp"
	"context"
	"net/netip"
	"slices"
)

// Store keeps the records of sessions. Package memstore keeps them in memory, package redisstore
// in Redis, and package sqlstore in PostgreSQL or SQLite. Any other implementation must pass the
// conformance suite of package session/sessiontest.
//
// The contract:
//
//   - Every method is one atomic step on the sessions of one user, as if the
//     calls for that user were made one after the other. Calls for different users
//     are independent.
//   - "now" is the store's own clock, one for all processes that share the
//     store. It is read inside the atomic step.
//   - A record that has expired does not exist. The store may drop it at any
//     time, or never.
//   - A missing record is not an error. An error means that the store failed or
//     was unavailable. The step has then happened completely or not at all, and
//     which of the two is unknown. Repeating it is harmless.
//   - A store does not validate user ids, because the caller has checked them with
//     [CheckUserID]. Ids that differ in any byte are different users.
//   - Methods are safe for concurrent use and return soon after ctx ends. If ctx
//     has ended before the call, the method returns an error that wraps ctx.Err()
//     and changes nothing.
type Store interface {
	// Create stores [Begin] as session ID of the user, with its Details. It replaces a session that
	// already has that ID, since the call is repeated if its reply is lost. If the user then has
	// more than Max live sessions, [MakeRoom] says which others are deleted, or that the call is
	// refused and changes nothing.
	Create(ctx context.Context, c CreateParams) (CreateResult, error)

	// Refresh applies the rule, [Refresh], to one session. It never creates a record. If the
	// outcome is Reused, it deletes that session or all of the user's sessions.
	Refresh(ctx context.Context, r RefreshParams) (RefreshResult, error)

	// Confirm applies the second part of the rule, [Confirm], to one session. It never creates a
	// record.
	Confirm(ctx context.Context, c ConfirmParams) error

	// Delete ends one session. It returns nil if there is no such session.
	Delete(ctx context.Context, userID string, id ID) error

	// DeleteUser ends all sessions of the user. It returns nil if there is no such user.
	DeleteUser(ctx context.Context, userID string) error

	// List returns the live sessions of the user with their Details as Create was given them, in
	// no particular order, and an empty map if there are none. It serves pages that show people
	// their sessions, and the upgrade to a WebSocket when the access token has expired.
	List(ctx context.Context, userID string) (map[ID]Entry, error)
}

// CreateParams holds the arguments of [Store.Create].
type CreateParams struct {
	UserID string
	ID     ID
	Policy Policy
	// Max is the greatest number of live sessions of the user. It is at least 1.
	Max int
	// Refuse makes Create refuse a session beyond Max. If it is false, Create deletes others.
	Refuse bool
	// Former are sessions that end with this sign-in, because the same browser had them. They do
	// not count towards Max, and Create does not delete them; the caller does. There are at most a
	// few.
	Former  []ID
	Details Details
}

// CreateResult is the result of [Store.Create].
type CreateResult struct {
	// Record is the new session's record. It is the zero Record if the call was refused, because
	// the user has Max sessions already. Nothing then changed.
	Record Record
	// Ended are the live sessions that were deleted to make room.
	Ended []ID
}

// Created reports whether the session was created and not refused.
func (r CreateResult) Created() bool { return r.Record != (Record{}) }

// Details describe a session in the list of sessions that its user sees. A store keeps them
// unchanged.
type Details struct {
	// Label is a line of text that names the browser and the system, of at most MaxLabelBytes.
	Label string
	// Address is the prefix of the network address that signed in, or the zero Prefix. It is
	// masked and has no zone.
	Address netip.Prefix
	// ActorID is the user id of the actor, who acts as the user. It is empty if there is none. A
	// session with an ActorID does not count towards Max, and Create deletes none for it.
	ActorID string
}

// MaxLabelBytes is the maximum length of a label.
const MaxLabelBytes = 64

// Entry is a session in the list that [Store.List] returns.
type Entry struct {
	Record
	Details
}

// Candidate is a live session that Create may end to make room for another: what [MakeRoom] needs
// to know of it.
type Candidate struct {
	ID       ID
	IssuedAt Instant
	ActorID  string
}

// MakeRoom returns which of the user's live sessions Create deletes so that the new session makes
// no more than Max: those that were least recently issued a token, smallest IssuedAt first, then
// smallest ID. It returns false if Create refuses the new session instead, because there is no room
// and c.Refuse is set. live may include the session that is replaced. MakeRoom sorts live.
func MakeRoom(live []Candidate, c CreateParams) (ended []ID, ok bool) {
	if c.Details.ActorID != "" {
		return nil, true
	}
	live = slices.DeleteFunc(live, func(h Candidate) bool {
		return h.ID == c.ID || h.ActorID != "" || slices.Contains(c.Former, h.ID)
	})
	over := len(live) + 1 - max(c.Max, 1)
	if over <= 0 {
		return nil, true
	}
	if c.Refuse {
		return nil, false
	}
	slices.SortFunc(live, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.IssuedAt, b.IssuedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	for _, h := range live[:over] {
		ended = append(ended, h.ID)
	}
	return ended, true
}

// RefreshParams holds the arguments of [Store.Refresh].
type RefreshParams struct {
	UserID    string
	ID        ID
	Presented Presentation
	Policy    Policy
	// RevokeUser makes the outcome Reused delete all sessions of the user. If it is false, only
	// this session is deleted.
	RevokeUser bool
}

// RefreshResult is the result of [Store.Refresh].
type RefreshResult struct {
	Outcome Outcome
	// Record is the record after the step, or the zero Record if none remains.
	Record Record
	// Now is the store's clock at the step.
	Now Instant
}

// ConfirmParams holds the arguments of [Store.Confirm].
type ConfirmParams struct {
	UserID     string
	ID         ID
	Generation Generation
	// HandedAt is when the access token was handed out, on the clock of the app that issued it. A
	// difference between the clocks of hosts is harmless, because a confirmation may come somewhat
	// too early or too late.
	HandedAt Instant
	Policy   Policy
}
