package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// A sealed token is
//
//	key id "." session id "." base64url(nonce, AES-256-GCM(contents))
//
// with a key of the session's own, so that random nonces are safe for as many seals as a session
// can have (NIST SP 800-38D allows 2^32 per key). The additional data binds it to the cookie's
// name, the key id and the session.
//
// The contents are the claims of the refresh token as numbers of a fixed length (big endian), then
// the fields of the terms that the flags name, and the user id last:
//
//	flags 1 | handed at, ms 6 | generation 4 | issued, s 5 | expires, s 5 |
//	fingerprint hash 32 | terms | user id
//
// The token itself is signed again when it is needed, because signing is deterministic and the
// token takes three times the space.
//
// Each form of the contents has a key id of its own. A process that does not know a form yet
// finds an unknown key: it keeps the cookie, and a newer process reads it. A flag that a process
// does not know has the same effect.

// sealer is the AEAD of one session under one key set. The sealer that opened a token also seals
// its successor, because deriving the key is the greatest cost.
type sealer struct {
	aead cipher.AEAD
	keys *keySet // nil in the zero sealer
	id   ID
}

func newSealer(k *keySet, id ID) (sealer, error) {
	const purpose = "session/"
	info, _ := id.AppendText(append(make([]byte, 0, len(purpose)+idLen), purpose...)) // never fails
	key, err := hkdf.Expand(sha256.New, k.seal, string(info), 32)
	if err != nil {
		return sealer{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead, k, id}, err
}

// appendSealData appends the additional data of a sealed token.
func appendSealData(b []byte, cookie, keyID, sid string) []byte {
	b = append(b, cookie...)
	b = append(b, 0)
	b = append(b, keyID...)
	b = append(b, 0)
	return append(b, sid...)
}

// Lengths of the contents and of what sealing adds to them.
const (
	flagsLen    = 1
	instantLen  = 6
	secondsLen  = 5
	sealedFixed = flagsLen + instantLen + 4 + 2*secondsLen + sha256.Size
	nonceLen    = 12
	tagLen      = 16
)

// errNotSealable means that the store returned a record with impossible numbers.
var errNotSealable = errors.New("lucia: the record's generation or times are out of range")

// appendContents appends the contents of a sealed token handed out at handed.
func (c *refreshClaims) appendContents(b []byte, handed Instant) ([]byte, error) {
	if !c.valid() || handed < 0 || handed >= 1<<(8*instantLen) {
		return nil, errNotSealable
	}
	b = append(b, termFlags(&c.Terms)|c.deviceFlag())
	b = appendUint(b, instantLen, uint64(handed))
	b = binary.BigEndian.AppendUint32(b, uint32(c.Generation))
	b = appendUint(b, secondsLen, uint64(c.IssuedAt))
	b = appendUint(b, secondsLen, uint64(c.ExpiresAt))
	b = append(b, c.FingerprintHash[:]...)
	b = appendTermFields(b, &c.Terms)
	if c.Generation.Bound() {
		b = append(b, c.Device[:]...)
	}
	return append(b, c.UserID...), nil
}

// deviceFlag returns the flag of the key.
func (c *refreshClaims) deviceFlag() byte {
	if c.Generation.Bound() {
		return flagDevice
	}
	return 0
}

// parseContents is the inverse of appendContents. The session id is not part of the contents.
func (c *refreshClaims) parseContents(b []byte) (handed Instant, err error) {
	s := scanner{b, true}
	flags := byte(s.uint(flagsLen))
	if s.ok && flags&^knownFlags != 0 { // a flag of a newer process
		return 0, refreshErrors.unknownKey
	}
	handed = Instant(s.uint(instantLen))
	c.Generation = Generation(s.uint(4))
	c.IssuedAt = int64(s.uint(secondsLen))
	c.ExpiresAt = int64(s.uint(secondsLen))
	copy(c.FingerprintHash[:], s.take(sha256.Size))
	s.termFields(flags, &c.Terms)
	if flags&flagDevice != 0 {
		copy(c.Device[:], s.take(len(c.Device)))
	}
	c.UserID = string(s.rest)
	if !s.ok || !c.valid() || CheckUserID(c.UserID) != nil || flags&flagDevice != c.deviceFlag() {
		return 0, refreshErrors.malformed
	}
	return handed, nil
}

// appendUint appends the last n bytes of v, big endian.
func appendUint(b []byte, n int, v uint64) []byte {
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], v)
	return append(b, all[8-n:]...)
}

// seal encrypts the claims of a refresh token, handed out at handed, for the cookie of that name.
// It uses s if s is the sealer of this session and key set.
func (r keyring) seal(cookie string, s sealer, claims *refreshClaims, handed Instant) (SealedToken, error) {
	k := r.current
	if s.keys != k || s.id != claims.SessionID {
		var err error
		if s, err = newSealer(k, claims.SessionID); err != nil {
			return "", err
		}
	}
	var letters [idLen]byte
	sid, _ := claims.SessionID.AppendText(letters[:0]) // never fails
	contents := contentsLen(claims.UserID, &claims.Terms)
	if claims.Generation.Bound() {
		contents += len(claims.Device)
	}
	room := make([]byte, 0, len(cookie)+1+kidLen+1+idLen+nonceLen+2*contents+tagLen)
	data := appendSealData(room, cookie, k.sealID, string(sid))
	all, err := claims.appendContents(data, handed)
	if err != nil {
		return "", err
	}
	box := s.aead.Seal(all[len(all):], nil, all[len(data):], data)
	var b strings.Builder
	b.Grow(sealedLen(contents))
	b.WriteString(k.sealID)
	b.WriteByte('.')
	b.Write(sid)
	b.WriteByte('.')
	writeBase64(&b, box)
	return SealedToken(b.String()), nil
}

// contentsLen returns the length of the contents of a sealed token.
func contentsLen(userID string, t *Terms) int {
	n := sealedFixed + len(userID)
	if !t.AuthTime.IsZero() {
		n += secondsLen
	}
	if !t.EndsBy.IsZero() {
		n += secondsLen
	}
	if len(t.Attributes) > 0 {
		n += 2 + len(attributesJSON(t.Attributes))
	}
	if t.Actor != nil {
		n += len(t.Actor.SessionID) + 2 + len(t.Actor.ID) + 1 + len(t.Actor.Reason)
	}
	return n
}

// sealedLen returns the length of the sealed form of n bytes of contents.
func sealedLen(n int) int {
	return kidLen + 1 + idLen + 1 + base64.RawURLEncoding.EncodedLen(nonceLen+n+tagLen)
}

// opened is the contents of a sealed token and the sealer that opened it.
type opened struct {
	claims refreshClaims
	handed Instant
	sealer sealer
}

// unseal is the inverse of seal. It also opens the form of versions before 0.1.0, which has the key
// set's kid as its key id and contains the time of handing out in 8 bytes and the refresh token.
func (r keyring) unseal(cookie string, sealed SealedToken) (o opened, err error) {
	keyID, sid, data, ok := cutToken(string(sealed))
	if !ok || len(keyID) != kidLen {
		return opened{}, refreshErrors.malformed
	}
	id, err := ParseID(sid)
	if err != nil {
		return opened{}, refreshErrors.malformed
	}
	k := r.find(func(k *keySet) bool { return k.sealID == keyID || k.kid == keyID })
	if k == nil {
		if hasLettersOnly(keyID, sid, data) {
			return opened{}, refreshErrors.unknownKey
		}
		return opened{}, refreshErrors.malformed
	}
	box, err := strictBase64.DecodeString(data) // skips line ends, hence the length
	if err != nil || len(box) != base64.RawURLEncoding.DecodedLen(len(data)) {
		return opened{}, refreshErrors.malformed
	}
	if o.sealer, err = newSealer(k, id); err != nil {
		return opened{}, err
	}
	aad := appendSealData(make([]byte, 0, len(cookie)+1+kidLen+1+idLen), cookie, keyID, sid)
	plain, err := o.sealer.aead.Open(box[:0], nil, box, aad)
	if err != nil {
		return opened{}, refreshErrors.malformed
	}
	if keyID == k.kid {
		o.handed, err = r.parseEarlier(&o.claims, plain)
		if err == nil && o.claims.SessionID != id {
			err = refreshErrors.malformed
		}
	} else {
		o.handed, err = o.claims.parseContents(plain)
		o.claims.SessionID = id
	}
	if err != nil {
		return opened{}, err
	}
	return o, nil
}

// parseEarlier parses the contents of the earlier form.
func (r keyring) parseEarlier(c *refreshClaims, plain []byte) (Instant, error) {
	const handedLen = 8
	if len(plain) < handedLen {
		return 0, refreshErrors.malformed
	}
	handed := Instant(binary.BigEndian.Uint64(plain))
	return handed, r.open(string(plain[handedLen:]), refreshKey, c, &refreshErrors)
}
