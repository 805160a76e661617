package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lucia-go/lucia/session"
)

// checkTerms returns an error that carries CodeInvalidTerms if tokens cannot carry the terms.
func checkTerms(t *Terms) error {
	if size := len(attributesJSON(t.Attributes)); size > session.MaxAttributesBytes {
		return fmt.Errorf("%w: attributes of %d bytes in JSON, at most %d", session.CodeInvalidTerms, size, session.MaxAttributesBytes)
	}
	for name, value := range t.Attributes {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return fmt.Errorf("%w: attribute %q is empty or not valid UTF-8", session.CodeInvalidTerms, name)
		}
	}
	for _, at := range []time.Time{t.AuthTime, t.EndsBy} {
		if !at.IsZero() && !isTermTime(at) {
			return fmt.Errorf("%w: %v is out of range", session.CodeInvalidTerms, at)
		}
	}
	if t.Actor == nil {
		return nil
	}
	if err := CheckUserID(t.Actor.ID); err != nil {
		return fmt.Errorf("%w: actor: %w", session.CodeInvalidTerms, err)
	}
	if len(t.Actor.Reason) > session.MaxReasonBytes || !isText(t.Actor.Reason) {
		return fmt.Errorf("%w: the reason is longer than %d bytes or not a line of text", session.CodeInvalidTerms, session.MaxReasonBytes)
	}
	return nil
}

// isTermTime reports whether t is a whole second that tokens can carry.
func isTermTime(t time.Time) bool {
	return 0 < t.Unix() && t.Unix() < maxUnix && t.Nanosecond() == 0
}

// isText reports whether s is valid UTF-8 without control characters.
func isText(s string) bool {
	for _, c := range s {
		if unicode.IsControl(c) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// attributesJSON returns the attributes in their only JSON form, with sorted names. It is empty
// if there are none.
func attributesJSON(attributes map[string]string) []byte {
	if len(attributes) == 0 {
		return nil
	}
	b, _ := json.Marshal(attributes) // strings always marshal
	return b
}

// The terms of a session are the last claims of both tokens, in this order. A claim with its zero
// value is left out, so that it takes no room in the cookies.
const (
	authTimeHead   = `,"auth_time":`
	shortClaim     = `,"short":true`
	endsByHead     = `,"ends_by":`
	attributesHead = `,"attributes":`
	actorHead      = `,"act":{"sub":`
	actorSession   = `,"sid":"`
	actorReason    = `","reason":`
)

// appendTerms appends the claims of the terms.
func appendTerms(b []byte, t *Terms) []byte {
	b = appendTime(b, authTimeHead, t.AuthTime)
	if t.Short {
		b = append(b, shortClaim...)
	}
	b = appendTime(b, endsByHead, t.EndsBy)
	if len(t.Attributes) > 0 {
		b = append(b, attributesHead...)
		b = append(b, attributesJSON(t.Attributes)...)
	}
	if t.Actor != nil {
		b = append(b, actorHead...)
		b = appendJSONString(b, t.Actor.ID)
		b = append(b, actorSession...)
		b, _ = t.Actor.SessionID.AppendText(b) // never fails
		b = append(b, actorReason...)
		b = appendJSONString(b, t.Actor.Reason)
		b = append(b, '}')
	}
	return b
}

func appendTime(b []byte, head string, at time.Time) []byte {
	if at.IsZero() {
		return b
	}
	return strconv.AppendInt(append(b, head...), at.Unix(), 10)
}

// terms reads what appendTerms writes.
func (s *scanner) terms(t *Terms) {
	t.AuthTime = s.time(authTimeHead)
	t.Short = s.skip(shortClaim)
	t.EndsBy = s.time(endsByHead)
	if s.skip(attributesHead) {
		t.Attributes, s.ok = parseAttributes(s.take(objectLen(s.rest)))
	}
	if s.skip(actorHead) {
		t.Actor = new(session.Actor)
		t.Actor.ID = s.string()
		s.text(actorSession)
		s.base64(t.Actor.SessionID[:])
		s.text(actorReason)
		t.Actor.Reason = s.string()
		s.text("}")
	}
	s.ok = s.ok && checkTerms(t) == nil
}

// time reads an optional claim in seconds. number rejects zero.
func (s *scanner) time(head string) (at time.Time) {
	if s.skip(head) {
		at = time.Unix(s.number(), 0)
	}
	return at
}

// string reads a JSON string as appendJSONString writes it.
func (s *scanner) string() (v string) {
	quoted := s.take(stringLen(s.rest))
	if s.ok {
		v, s.ok = parseJSONString(quoted)
	}
	return v
}

// stringLen returns the length of the JSON string at the start of b, or more than len(b).
func stringLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b) + 1
}

// objectLen returns the length of the JSON object of strings at the start of b, or more than
// len(b).
func objectLen(b []byte) int {
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i += stringLen(b[i:])
		case '}':
			return i + 1
		default:
			i++
		}
	}
	return len(b) + 1
}

// parseAttributes parses attributes in the form of attributesJSON.
func parseAttributes(data []byte) (attributes map[string]string, ok bool) {
	if len(data) > session.MaxAttributesBytes || json.Unmarshal(data, &attributes) != nil || len(attributes) == 0 {
		return nil, false
	}
	return attributes, bytes.Equal(attributesJSON(attributes), data)
}

// Flags of a sealed token's contents. Each but flagShort adds a field, in the order of the flags:
//
//	auth time, s 5 | ends by, s 5 | attributes: length 2, JSON |
//	actor: session id 16, length 2, user id, length 1, reason | device's key 33
//
// The device's key is not one of the terms, and is there exactly if the generation is bound.
const (
	flagAuthTime = 1 << iota
	flagShort
	flagEndsBy
	flagAttributes
	flagActor
	flagDevice

	knownFlags = flagAuthTime | flagShort | flagEndsBy | flagAttributes | flagActor | flagDevice
)

// termFlags returns the flags of the terms.
func termFlags(t *Terms) (flags byte) {
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagAuthTime, !t.AuthTime.IsZero())
	set(flagShort, t.Short)
	set(flagEndsBy, !t.EndsBy.IsZero())
	set(flagAttributes, len(t.Attributes) > 0)
	set(flagActor, t.Actor != nil)
	return flags
}

// appendTermFields appends the fields of the terms.
func appendTermFields(b []byte, t *Terms) []byte {
	if !t.AuthTime.IsZero() {
		b = appendUint(b, secondsLen, uint64(t.AuthTime.Unix()))
	}
	if !t.EndsBy.IsZero() {
		b = appendUint(b, secondsLen, uint64(t.EndsBy.Unix()))
	}
	if len(t.Attributes) > 0 {
		attributes := attributesJSON(t.Attributes)
		b = binary.BigEndian.AppendUint16(b, uint16(len(attributes)))
		b = append(b, attributes...)
	}
	if a := t.Actor; a != nil {
		b = append(b, a.SessionID[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.ID)))
		b = append(b, a.ID...)
		b = append(b, byte(len(a.Reason)))
		b = append(b, a.Reason...)
	}
	return b
}

// termFields reads what appendTermFields writes.
func (s *scanner) termFields(flags byte, t *Terms) {
	t.Short = flags&flagShort != 0
	if flags&flagAuthTime != 0 {
		t.AuthTime = s.seconds()
	}
	if flags&flagEndsBy != 0 {
		t.EndsBy = s.seconds()
	}
	if flags&flagAttributes != 0 {
		data := s.take(int(s.uint(2)))
		if s.ok {
			t.Attributes, s.ok = parseAttributes(data)
		}
	}
	if flags&flagActor != 0 {
		t.Actor = new(session.Actor)
		copy(t.Actor.SessionID[:], s.take(len(t.Actor.SessionID)))
		t.Actor.ID = string(s.take(int(s.uint(2))))
		t.Actor.Reason = string(s.take(int(s.uint(1))))
	}
	s.ok = s.ok && checkTerms(t) == nil
}

// uint reads a number of n bytes, big endian.
func (s *scanner) uint(n int) (v uint64) {
	for _, digit := range s.take(n) {
		v = v<<8 | uint64(digit)
	}
	return v
}

// seconds reads a time in seconds, which is not zero.
func (s *scanner) seconds() time.Time {
	v := s.uint(secondsLen)
	s.ok = s.ok && v != 0
	return time.Unix(int64(v), 0)
}
