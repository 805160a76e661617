package session

import (
	"context"
	"time"
)

// Feed is an optional part of a [Store]: a log of notices that all processes of an app read, so
// that a session that one process ends is refused by the others at once and not only when its
// access token expires. The stores of packages redisstore and sqlstore are Feeds, and package
// memstore has one for several Auths in one process. Any other implementation must pass
// sessiontest.RunFeed.
//
// The contract:
//
//   - A notice whose Publish returned nil is returned to every reader, in an order that all
//     readers share, until keep has passed.
//   - A notice may be returned more than once, for example after the log has lost its last
//     entries in a failover. Applying a notice again has no effect.
//   - An error of Publish means that it is unknown whether the notice is in the log. Publishing it
//     again is harmless.
//   - ReadFeed returns at once if there are no notices. It does not wait for any. Each process
//     calls it several times a second.
//   - Methods are safe for concurrent use and return soon after ctx ends. If ctx has ended before
//     the call, the method returns an error that wraps ctx.Err() and changes nothing.
type Feed interface {
	// Publish appends a notice. The log keeps it for at least keep and drops it at some time
	// after that.
	Publish(ctx context.Context, n Notice, keep time.Duration) error

	// ReadFeed returns the notices after a position, the oldest first, and the position to
	// continue from. It may limit their number; a call that returns none has reached the end. The
	// zero FeedPosition is the beginning. If the log no longer has the entry at the position,
	// ReadFeed starts at the beginning: the entry was lost, and those after it may be, too. With
	// an error, it returns neither notices nor a position, and the caller continues from after.
	ReadFeed(ctx context.Context, after FeedPosition) ([]Notice, FeedPosition, error)
}

// FeedPosition is a place in the log of a [Feed]. Only the Feed that returned it knows its
// meaning. The zero value is the beginning of the log.
type FeedPosition string

// Notice tells the processes of an app which access tokens they must no longer accept.
type Notice struct {
	Kind   NoticeKind
	UserID string
	// SessionID is the zero ID if the notice concerns all sessions of the user.
	SessionID ID
	// IssuedUntil is the Unix second up to which the tokens concerned were issued. A later token
	// was issued by a process that knew of the notice. IssuedUntil is some seconds after the
	// notice, because the clocks of an app's processes differ.
	IssuedUntil int64
}

// NoticeKind is what a [Notice] is about.
type NoticeKind uint8

const (
	// NoticeEnd: the sessions have ended, by a sign-out, a revocation, a reused token or because
	// the user is gone. The store no longer has them.
	NoticeEnd NoticeKind = 1
	// NoticeReload: the data of the user has changed. The sessions go on, and their next requests
	// load the user anew.
	NoticeReload NoticeKind = 2
)

// String returns "end" or "reload".
func (k NoticeKind) String() string {
	switch k {
	case NoticeEnd:
		return "end"
	case NoticeReload:
		return "reload"
	}
	return "invalid notice"
}

// ParseNoticeKind is the inverse of [NoticeKind]'s String method. It returns false for any other
// text.
func ParseNoticeKind(s string) (NoticeKind, bool) {
	for _, k := range [...]NoticeKind{NoticeEnd, NoticeReload} {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// FeedOf returns the [Feed] of a store: the store itself, or that of the store that it wraps. A
// store that wraps another one has a method Unwrap() Store. FeedOf returns nil if there is none.
func FeedOf(s Store) Feed {
	for s != nil {
		if f, ok := s.(Feed); ok {
			return f
		}
		wrapper, ok := s.(interface{ Unwrap() Store })
		if !ok {
			return nil
		}
		s = wrapper.Unwrap()
	}
	return nil
}

// NoFeed is a [Feed] that carries nothing. It switches off the feed of a store.
var NoFeed Feed = noFeed{}

type noFeed struct{}

func (noFeed) Publish(ctx context.Context, _ Notice, _ time.Duration) error { return ctx.Err() }

func (noFeed) ReadFeed(ctx context.Context, after FeedPosition) ([]Notice, FeedPosition, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	return nil, after, nil
}
