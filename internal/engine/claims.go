package engine

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/lucia-go/lucia/internal/dbsc"
)

// parser is the claims of one kind of token. Claims have only one spelling: parse accepts what
// append writes and nothing else. So no claim can be unknown, duplicated, in another case or in
// another place.
type parser interface {
	parse(data []byte) bool
}

const (
	accessVersion = 2
	accessRole    = "access_token"
	refreshRole   = "refresh_token"
)

// accessClaims are the claims of an access token, in the order in which they are written.
type accessClaims struct {
	User json.RawMessage // as json.Marshal writes it
	commonClaims
}

// refreshClaims are the claims of a refresh token, in the order in which they are written.
type refreshClaims struct {
	UserID string
	commonClaims
	// Device is the key of which a bound session needs a proof. Only the sealed form contains it.
	// The signed form, which pages contain, refreshes no bound session.
	Device dbsc.Key
}

// commonClaims are the last claims of both kinds of tokens.
type commonClaims struct {
	FingerprintHash fingerprintHash
	SessionID       ID
	Generation      Generation
	IssuedAt        int64
	ExpiresAt       int64
	Terms           Terms
	// ActiveAt is the last known activity of a person. It is 0 without IdleTimeout and in refresh
	// tokens.
	ActiveAt int64
}

// The fixed text between the values.
const (
	accessHead  = `{"ver":2,"user":`
	refreshHead = `{"user_id":`
	hashHead    = `,"fingerprint_hash":"`
	accessMid   = `","role":"` + accessRole + `","sid":"`
	refreshMid  = `","role":"` + refreshRole + `","sid":"`
	genHead     = `","gen":`
	iatHead     = `,"iat":`
	expHead     = `,"exp":`
	activeHead  = `,"active_at":`
)

func (c *accessClaims) append(b []byte) []byte {
	b = append(b, accessHead...)
	b = append(b, c.User...)
	return c.appendCommon(b, accessMid)
}

func (c *refreshClaims) append(b []byte) []byte {
	b = append(b, refreshHead...)
	b = appendJSONString(b, c.UserID)
	return c.appendCommon(b, refreshMid)
}

func (c *commonClaims) appendCommon(b []byte, mid string) []byte {
	b = append(b, hashHead...)
	b = base64.RawURLEncoding.AppendEncode(b, c.FingerprintHash[:])
	b = append(b, mid...)
	b = base64.RawURLEncoding.AppendEncode(b, c.SessionID[:])
	b = append(b, genHead...)
	b = strconv.AppendUint(b, uint64(c.Generation), 10)
	b = append(b, iatHead...)
	b = strconv.AppendInt(b, c.IssuedAt, 10)
	b = append(b, expHead...)
	b = strconv.AppendInt(b, c.ExpiresAt, 10)
	b = appendTerms(b, &c.Terms)
	if c.ActiveAt != 0 {
		b = append(b, activeHead...)
		b = strconv.AppendInt(b, c.ActiveAt, 10)
	}
	return append(b, '}')
}

// parse parses the claims. They refer to a part of data. parse does not check whether User decodes
// into the app's type.
func (c *accessClaims) parse(data []byte) bool {
	user, ok := c.parseCommon(data, accessHead, accessMid)
	c.User = user
	return ok && isCompact(user)
}

// read parses the claims of a token that was verified before.
func (c *accessClaims) read(token AccessToken) bool {
	_, payload, _, ok := splitToken(string(token))
	if !ok {
		return false
	}
	data, err := strictBase64.DecodeString(payload)
	return err == nil && c.parse(data)
}

func (c *refreshClaims) parse(data []byte) bool {
	id, ok := c.parseCommon(data, refreshHead, refreshMid)
	if ok {
		c.UserID, ok = parseJSONString(id)
	}
	return ok && c.ActiveAt == 0 && CheckUserID(c.UserID) == nil
}

// parseCommon parses the common claims and returns the value between head and them. They begin at
// the first hashHead, unless that is the name of an attribute. What follows such an attribute is
// never the rest of the common claims, because attributes have no numbers. What follows a hashHead
// within the value never extends to the end of data. So at most one hashHead fits.
func (c *commonClaims) parseCommon(data []byte, head, mid string) (value []byte, ok bool) {
	if !bytes.HasPrefix(data, []byte(head)) {
		return nil, false
	}
	for end := len(head); ; end += len(hashHead) {
		next := bytes.Index(data[end:], []byte(hashHead))
		if next < 0 {
			return nil, false
		}
		end += next
		if c.parseFrom(data[end+len(hashHead):], mid) {
			return data[len(head):end], true
		}
	}
}

// parseFrom parses the common claims after hashHead.
func (c *commonClaims) parseFrom(data []byte, mid string) bool {
	*c = commonClaims{} // without what an earlier call has found
	s := scanner{data, true}
	s.base64(c.FingerprintHash[:])
	s.text(mid)
	s.base64(c.SessionID[:])
	s.text(genHead)
	gen := s.number()
	s.text(iatHead)
	c.IssuedAt = s.number()
	s.text(expHead)
	c.ExpiresAt = s.number()
	s.terms(&c.Terms)
	if s.skip(activeHead) {
		c.ActiveAt = s.number() // which rejects zero
	}
	s.text("}")
	c.Generation = Generation(gen)
	return s.ok && len(s.rest) == 0 && int64(c.Generation) == gen && c.valid()
}

// maxUnix keeps the seconds of a claim within 48 bits of milliseconds.
const maxUnix = 1 << 37

func (c *commonClaims) valid() bool {
	return c.Generation >= FirstGeneration && 0 < c.IssuedAt && c.IssuedAt < c.ExpiresAt && c.ExpiresAt < maxUnix &&
		c.ActiveAt <= c.IssuedAt
}

// scanner reads the parts that append writes, one after another. It sets ok to false if it finds
// anything else.
type scanner struct {
	rest []byte
	ok   bool
}

// take returns the next n bytes.
func (s *scanner) take(n int) []byte {
	if !s.ok || len(s.rest) < n {
		s.ok = false
		return nil
	}
	b := s.rest[:n]
	s.rest = s.rest[n:]
	return b
}

func (s *scanner) text(want string) {
	if string(s.take(len(want))) != want {
		s.ok = false
	}
}

// skip reports whether the rest begins with want, and takes it if so.
func (s *scanner) skip(want string) bool {
	if !s.ok || len(s.rest) < len(want) || string(s.rest[:len(want)]) != want {
		return false
	}
	s.rest = s.rest[len(want):]
	return true
}

// base64 fills dst.
func (s *scanner) base64(dst []byte) {
	src := s.take(base64.RawURLEncoding.EncodedLen(len(dst)))
	if !s.ok {
		return
	}
	n, err := strictBase64.Decode(dst, src) // skips line ends, hence n
	s.ok = err == nil && n == len(dst)
}

// number reads a number of 1 to 18 digits without a leading zero.
func (s *scanner) number() (n int64) {
	const maxDigits = 18
	i := 0
	for i < min(len(s.rest), maxDigits) && '0' <= s.rest[i] && s.rest[i] <= '9' {
		n = n*10 + int64(s.rest[i]-'0')
		i++
	}
	if digits := s.take(i); len(digits) == 0 || digits[0] == '0' {
		s.ok = false
	}
	return n
}

// isCompact reports whether json.Marshal would write data in the same way: without white space
// between tokens and without the characters that it escapes for HTML.
func isCompact(data []byte) bool {
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '<' || c == '>' || c == '&':
			return false
		// U+2028, U+2029.
		case c == 0xe2 && i+2 < len(data) && data[i+1] == 0x80 && data[i+2]&^1 == 0xa8:
			return false
		case c == '"':
			inString = !inString
		case c == '\\' && inString:
			i++
		case c <= ' ' && !inString:
			return false
		}
	}
	return true
}

// appendJSONString appends s as json.Marshal writes it.
func appendJSONString(b []byte, s string) []byte {
	if isPlain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(b, quoted...)
}

// parseJSONString is the inverse of appendJSONString. It rejects every other spelling.
func parseJSONString(data []byte) (s string, ok bool) {
	if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' && isPlain(data[1:n-1]) {
		return string(data[1 : n-1]), true
	}
	if json.Unmarshal(data, &s) != nil {
		return "", false
	}
	return s, bytes.Equal(appendJSONString(nil, s), data)
}

// isPlain reports whether json.Marshal writes s unchanged.
func isPlain[T string | []byte](s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
