package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
	"unicode/utf8"

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

// encoder packs the arguments of a script into the form that the script's first comment describes.
// It keeps an error for a number that does not fit, because a truncated number would change the
// outcome.
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

// encodeCreate returns the arguments of create.lua after the id: the numbers, the details, and
// the ids of the former sessions one after another.
func encodeCreate(c session.CreateParams) (numbers, details, former []byte, err error) {
	e := encoder{b: make([]byte, 0, 17)}
	e.duration(c.Policy.Idle)
	e.duration(c.Policy.Lifetime)
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(min(max(int64(c.Max), 1), math.MaxUint32)))
	var refuse byte
	if c.Refuse {
		refuse = 1
	}
	e.b = append(e.b, refuse)
	for _, id := range c.Former {
		former = append(former, id[:]...)
	}
	details, err = encodeDetails(c.Details)
	return e.b, details, former, errors.Join(e.err, err)
}

// Details follow the record if there are any. They are short, because a hash whose values have at
// most 64 bytes takes half the memory (hash-max-listpack-value):
//
//	byte  1      length of the label; 128 more if someone acts as the user
//	             the label
//	byte         0: no address; up to 33: the bits of an IPv4 prefix, plus 1; otherwise those of
//	             an IPv6 prefix, plus 34
//	             as many bytes of the address as hold the bits of the prefix
//	             the actor's id
const (
	acting = 128
	ipv4   = 1
	ipv6   = ipv4 + 32 + 1
)

func encodeDetails(d session.Details) ([]byte, error) {
	if d == (session.Details{}) {
		return nil, nil
	}
	if len(d.Label) > session.MaxLabelBytes {
		return nil, fmt.Errorf("redisstore: a label of %d bytes cannot be stored", len(d.Label))
	}
	head := byte(len(d.Label))
	if d.ActorID != "" {
		head |= acting
	}
	b := append([]byte{head}, d.Label...)
	if !d.Address.IsValid() {
		b = append(b, 0)
	} else {
		family := ipv6
		if d.Address.Addr().Is4() {
			family = ipv4
		}
		bits := d.Address.Bits()
		b = append(b, byte(family+bits))
		b = append(b, d.Address.Addr().AsSlice()[:(bits+7)/8]...)
	}
	return append(b, d.ActorID...), nil
}

// decodeDetails is the inverse of encodeDetails. It returns no details for a value that
// encodeDetails does not return.
func decodeDetails(v string) session.Details {
	d := readDetails(v)
	if again, err := encodeDetails(d); err != nil || string(again) != v || !utf8.ValidString(d.Label) {
		return session.Details{}
	}
	return d
}

func readDetails(v string) (d session.Details) {
	if v == "" {
		return d
	}
	n := int(v[0] &^ acting)
	v = v[1:]
	if len(v) <= n {
		return d
	}
	d.Label, v = v[:n], v[n:]
	kind := int(v[0])
	v = v[1:]
	if kind != 0 {
		size, bits := 4, kind-ipv4
		if kind >= ipv6 {
			size, bits = 16, kind-ipv6
		}
		if bits > 8*size || len(v) < (bits+7)/8 {
			return session.Details{}
		}
		all := make([]byte, size)
		v = v[copy(all, v[:(bits+7)/8]):]
		addr, _ := netip.AddrFromSlice(all)
		d.Address = netip.PrefixFrom(addr, bits)
	}
	d.ActorID = v
	return d
}

func encodeRefresh(r session.RefreshParams) ([]byte, error) {
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
func activity(p session.Presentation) int64 {
	if !p.Active {
		return 0
	}
	return int64(max(p.ActiveAgo, 0)/time.Millisecond) + 1
}

func encodeConfirm(c session.ConfirmParams) ([]byte, error) {
	e := encoder{b: make([]byte, 0, 16)}
	e.generation(c.Generation)
	e.instant(c.HandedAt)
	e.duration(c.Policy.Settle)
	return e.b, e.err
}

// decodeCreate reads the reply of create.lua.
func decodeCreate(reply string) (r session.CreateResult, err error) {
	const head = instantSize + recordSize
	if len(reply) == instantSize {
		return session.CreateResult{}, nil // refused
	}
	if len(reply) < head || (len(reply)-head)%idSize != 0 {
		return r, badReply(reply)
	}
	r.Record, err = decodeRecord(reply[instantSize:head])
	if err == nil && r.Record.Generation == 0 {
		return session.CreateResult{}, badReply(reply)
	}
	for rest := reply[head:]; rest != ""; rest = rest[idSize:] {
		r.Ended = append(r.Ended, session.ID([]byte(rest[:idSize])))
	}
	return r, err
}

// decodeRefresh reads the reply of refresh.lua.
func decodeRefresh(reply string) (session.RefreshResult, error) {
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

// decodeConfirm reads the reply of confirm.lua.
func decodeConfirm(reply string) error {
	switch {
	case reply == "":
		return nil
	case reply[0] == unreadable && len(reply) > instantSize:
		return badVersion(reply[1+instantSize:])
	}
	return badReply(reply)
}

// decodeList reads the reply of list.lua and leaves out expired sessions.
func decodeList(reply string) (map[session.ID]session.Entry, error) {
	const each = idSize + 2 + recordSize
	if len(reply) < instantSize {
		return nil, badReply(reply)
	}
	now := instantAt(reply, 0)
	rest := reply[instantSize:]
	live := make(map[session.ID]session.Entry, len(rest)/each)
	for rest != "" {
		if len(rest) < each {
			return nil, badReply(reply)
		}
		id, size := session.ID([]byte(rest[:idSize])), int(rest[idSize])<<8|int(rest[idSize+1])
		rest = rest[idSize+2:]
		if size < recordSize || len(rest) < size {
			return nil, badReply(reply)
		}
		rec, err := decodeRecord(rest[:recordSize])
		if err != nil {
			return nil, err
		}
		if rec.Live(now) {
			live[id] = session.Entry{Record: rec, Details: decodeDetails(rest[recordSize:size])}
		}
		rest = rest[size:]
	}
	return live, nil
}

// decodeRecord reads a stored record, which record.lua describes. Details may follow it.
func decodeRecord(v string) (session.Record, error) {
	if len(v) < recordSize || v[0] != recordVersion {
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

// badReply returns the error for a reply that no script of this package sends. A proxy or another
// program has answered instead of Redis.
func badReply(reply string) error {
	return fmt.Errorf("redisstore: malformed reply of %d bytes", len(reply))
}
