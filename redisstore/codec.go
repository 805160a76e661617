package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lucia-go/lucia/session"
)

// ErrVersion is the cause of an error if a session's record was written by another version of
// this package or by another program. That session can be neither refreshed nor confirmed until
// code that reads its record runs again. It can be ended. Other sessions are not affected.
var ErrVersion = errors.New("redisstore: record of an unknown version")

const (
	recordVersion = 1
	recordSize    = 29
	instantSize   = 6
	idSize        = len(session.ID{})

	// maxMillis is the largest number of milliseconds that fits into six bytes: the year 10889,
	// and far more than any time.Duration.
	maxMillis = 1<<48 - 1

	// unreadable is the outcome with which a script reports that a record does not have
	// recordVersion.
	unreadable = 255
)

// encoder packs the arguments of a script into the form that the head of the script describes. It
// keeps an error for a number that does not fit, because a truncated number would apply another
// rule.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) generation(g session.Generation) {
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(g))
}

func (e *encoder) instant(i session.Instant) { e.millis(int64(i)) }

func (e *encoder) duration(d time.Duration) { e.millis(int64(d / time.Millisecond)) }

func (e *encoder) millis(n int64) {
	if n < 0 || n > maxMillis {
		e.err = fmt.Errorf("redisstore: %d ms cannot be stored", n)
	}
	e.b = append(e.b, byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func encodeCreating(c session.CreateParams) ([]byte, error) {
	e := encoder{b: make([]byte, 0, 16)}
	e.duration(c.Policy.Idle)
	e.duration(c.Policy.Lifetime)
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(min(max(int64(c.Max), 1), math.MaxUint32)))
	return e.b, e.err
}

func encodeRefreshing(r session.RefreshParams) ([]byte, error) {
	e := encoder{b: make([]byte, 0, 57)}
	e.generation(r.Presented.Generation)
	e.instant(r.Presented.IssuedAt)
	e.instant(r.Presented.ExpiresAt)
	e.instant(r.Presented.HandedAt)
	e.duration(r.Policy.Grace)
	e.duration(r.Policy.Settle)
	e.duration(r.Policy.Idle)
	e.duration(r.Policy.Lifetime)
	var flags byte
	if r.RevokeUser {
		flags |= 1
	}
	if r.Policy.ByActivity {
		flags |= 2
	}
	e.b = append(e.b, flags)
	e.generation(r.Presented.Generation + 1) // wraps around as in the rule
	e.millis(activity(r.Presented))
	return e.b, e.err
}

// activity returns how long ago a person was active in milliseconds, plus 1, or 0 if none is
// known.
func activity(p session.Presented) int64 {
	if !p.Active {
		return 0
	}
	return int64(max(p.ActiveAgo, 0)/time.Millisecond) + 1
}

func encodeConfirming(c session.ConfirmParams) ([]byte, error) {
	e := encoder{b: make([]byte, 0, 16)}
	e.generation(c.Generation)
	e.instant(c.HandedAt)
	e.duration(c.Policy.Settle)
	return e.b, e.err
}

// decodeCreated reads the reply of create.lua.
func decodeCreated(reply string) (session.Record, error) {
	if len(reply) != instantSize+recordSize {
		return session.Record{}, badReply(reply)
	}
	return decodeRecord(reply[instantSize:])
}

// decodeRefreshment reads the reply of refresh.lua.
func decodeRefreshment(reply string) (session.RefreshResult, error) {
	const head = 1 + instantSize
	if len(reply) < head {
		return session.RefreshResult{}, badReply(reply)
	}
	r := session.RefreshResult{Outcome: session.Outcome(reply[0]), Now: instantAt(reply, 1)}
	rest := reply[head:]
	switch {
	case r.Outcome == unreadable:
		return session.RefreshResult{}, badVersion(rest)
	case r.Outcome > session.Reused, r.Outcome.Alive() && rest == "":
		return session.RefreshResult{}, badReply(reply)
	case rest == "":
		return r, nil
	}
	var err error
	r.Record, err = decodeRecord(rest)
	return r, err
}

// decodeConfirmed reads the reply of confirm.lua.
func decodeConfirmed(reply string) error {
	switch {
	case reply == "":
		return nil
	case reply[0] == unreadable && len(reply) > instantSize:
		return badVersion(reply[1+instantSize:])
	}
	return badReply(reply)
}

// decodeList reads the reply of list.lua and leaves out expired sessions.
func decodeList(reply string) (map[session.ID]session.Record, error) {
	const each = idSize + recordSize
	if len(reply) < instantSize || (len(reply)-instantSize)%each != 0 {
		return nil, badReply(reply)
	}
	now := instantAt(reply, 0)
	rest := reply[instantSize:]
	live := make(map[session.ID]session.Record, len(rest)/each)
	for ; rest != ""; rest = rest[each:] {
		rec, err := decodeRecord(rest[idSize:each])
		if err != nil {
			return nil, err
		}
		if rec.Live(now) {
			live[session.ID([]byte(rest[:idSize]))] = rec
		}
	}
	return live, nil
}

// decodeRecord reads a stored record, which record.lua describes.
func decodeRecord(v string) (session.Record, error) {
	if len(v) != recordSize || v[0] != recordVersion {
		return session.Record{}, badVersion(v)
	}
	return session.Record{
		Generation:  session.Generation(binary.BigEndian.Uint32([]byte(v[1:5]))),
		IssuedAt:    instantAt(v, 5),
		ConfirmedAt: instantAt(v, 11),
		CreatedAt:   instantAt(v, 17),
		ExpiresAt:   instantAt(v, 23),
	}, nil
}

// instantAt reads the six bytes of s that start at i.
func instantAt(s string, i int) session.Instant {
	var n session.Instant
	for _, c := range []byte(s[i : i+instantSize]) {
		n = n<<8 | session.Instant(c)
	}
	return n
}

func badVersion(v string) error {
	if v == "" {
		return fmt.Errorf("%w: empty", ErrVersion)
	}
	return fmt.Errorf("%w: %d", ErrVersion, v[0])
}

// badReply returns the error for a reply that no script of this package sends: a proxy or another
// program answered instead of Redis.
func badReply(reply string) error {
	return fmt.Errorf("redisstore: reply of %d bytes makes no sense", len(reply))
}
