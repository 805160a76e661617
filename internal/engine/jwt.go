package engine

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxTokenBytes bounds what is looked at at all, before any parsing.
const maxTokenBytes = 8 << 10

// maxLeeway bounds how far apart the clocks of an app's hosts may be. Hosts run NTP.
const maxLeeway = 30 * time.Second

// leeway is how long after its expiry an access token is still accepted, for clocks
// that differ: a tenth of AccessTTL, so that a short-lived token is short-lived.
func (c Config[U]) leeway() time.Duration { return min(c.AccessTTL/10, maxLeeway) }

// sign returns the JWT of claims as their append writes them.
func sign(k *keySet, key jwtKey, payload []byte) string {
	var b strings.Builder
	b.Grow(len(k.header) + tokenSeparator + base64.RawURLEncoding.EncodedLen(len(payload)) + signatureLen)
	b.WriteString(k.header)
	b.WriteByte('.')
	writeBase64(&b, payload)
	signature, _ := jwt.SigningMethodHS256.Sign(b.String(), key) // fails only for a key that is no []byte
	b.WriteByte('.')
	writeBase64(&b, signature)
	return b.String()
}

// writeBase64 writes data in base64url, without an allocation where b has room.
func writeBase64(b *strings.Builder, data []byte) {
	var piece [256]byte
	const whole = len(piece) / 4 * 3
	for len(data) > whole {
		b.Write(base64.RawURLEncoding.AppendEncode(piece[:0], data[:whole]))
		data = data[whole:]
	}
	b.Write(base64.RawURLEncoding.AppendEncode(piece[:0], data))
}

// payloadRoom holds the claims of ordinary tokens.
const payloadRoom = 512

// signatureLen is the length of an HMAC-SHA256 in base64url.
const signatureLen = 43

// keyOf picks the key of a key set that verifies one kind of token.
type keyOf func(*keySet) jwtKey

func accessKey(k *keySet) jwtKey  { return k.access }
func refreshKey(k *keySet) jwtKey { return k.refresh }

// open verifies token's form and signature and decodes its claims. golang-jwt
// verifies the signature; its parser is not used, because it accepts what this
// library does not: other header members, other spellings of the same token,
// claims twice or in other cases. That it reads what this one signs is tested.
func (r keyring) open(token string, pick keyOf, c parser, f *tokenErrors) error {
	header, payload, signature, ok := splitToken(token)
	if !ok {
		return f.malformed
	}
	k := r.find(func(k *keySet) bool { return k.header == header })
	if k == nil {
		if isOurHeader(header) {
			return f.unknownKey
		}
		return f.malformed
	}
	signed := token[:len(header)+1+len(payload)]
	sig, err := strictBase64.DecodeString(signature)
	if err != nil || jwt.SigningMethodHS256.Verify(signed, sig, pick(k)) != nil {
		return f.malformed
	}
	data, err := strictBase64.DecodeString(payload)
	if err != nil || !c.parse(data) {
		return f.malformed
	}
	return nil
}

// splitToken takes a token apart; ok says that it is three non-empty segments of
// base64url letters. (Go's strict base64 decoding skips CR and LF.)
func splitToken(token string) (header, payload, signature string, ok bool) {
	if len(token) > maxTokenBytes {
		return "", "", "", false
	}
	header, rest, ok1 := strings.Cut(token, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	ok = ok1 && ok2 && isBase64URL(header) && isBase64URL(payload) && isBase64URL(signature)
	return header, payload, signature, ok
}

// isBase64URL reports whether s is one or more letters of base64url.
func isBase64URL(s string) bool {
	for i := range len(s) {
		if !base64Letters[s[i]] {
			return false
		}
	}
	return s != ""
}

var base64Letters = func() (is [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		is[c] = true
	}
	return is
}()

// isOurHeader reports whether a header segment is one that this library writes
// under some key.
func isOurHeader(header string) bool {
	data, err := strictBase64.DecodeString(header)
	if err != nil {
		return false
	}
	var h struct {
		Kid string `json:"kid"`
	}
	return json.Unmarshal(data, &h) == nil && len(h.Kid) == kidLen && isBase64URL(h.Kid) && headerSegment(h.Kid) == header
}
