package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// A sealed token is
//
//	kid "." session-id "." base64url(nonce, AES-256-GCM(handed-at, refresh token))
//
// under a key of the session's own, so that random nonces are safe for as many
// seals as a session will ever see (NIST SP 800-38D allows 2^32 a key). The
// additional data binds it to the cookie's name, the key and the session.

// sealer is the AEAD of one session under one key set. What has opened a token
// seals its successor: deriving the key is what costs most.
type sealer struct {
	aead     cipher.AEAD
	kid, sid string
}

func newSealer(k *keySet, sid string) (sealer, error) {
	key, err := hkdf.Expand(sha256.New, k.seal, "session/"+sid, 32)
	if err != nil {
		return sealer{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead, k.kid, sid}, err
}

func sealData(cookie, kid, sid string) []byte {
	return []byte(cookie + "\x00" + kid + "\x00" + sid)
}

// seal encrypts a refresh token handed out at handed for the cookie of that
// name. s is used if it is the right one.
func (r keyring) seal(cookie string, id ID, s sealer, token RefreshToken, handed Instant) (SealedToken, error) {
	k, sid := r.current, id.String()
	if s.kid != k.kid || s.sid != sid {
		var err error
		if s, err = newSealer(k, sid); err != nil {
			return "", err
		}
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(token)), uint64(handed))
	plain = append(plain, token...)
	box := s.aead.Seal(nil, nil, plain, sealData(cookie, k.kid, sid))
	var b strings.Builder
	b.Grow(sealedLen(len(token)))
	b.WriteString(k.kid)
	b.WriteByte('.')
	b.WriteString(sid)
	b.WriteByte('.')
	writeBase64(&b, box)
	return SealedToken(b.String()), nil
}

// sealOverhead is by how much a sealed token's contents exceed the token: the
// time, the nonce and the tag.
const sealOverhead = 8 + 12 + 16

// sealedLen returns the length of the sealed form of a refresh token of n bytes.
func sealedLen(n int) int {
	return kidLen + 1 + 22 + 1 + base64.RawURLEncoding.EncodedLen(n+sealOverhead)
}

// opened is what a sealed token holds, and what opened it.
type opened struct {
	token  RefreshToken
	handed Instant
	sealer sealer
}

// unseal is the inverse of seal.
func (r keyring) unseal(cookie string, sealed SealedToken) (opened, error) {
	kid, sid, data, ok := splitToken(string(sealed))
	if !ok || len(kid) != kidLen {
		return opened{}, refreshErrors.malformed
	}
	if _, err := ParseID(sid); err != nil {
		return opened{}, refreshErrors.malformed
	}
	k := r.find(func(k *keySet) bool { return k.kid == kid })
	if k == nil {
		return opened{}, refreshErrors.unknownKey
	}
	box, err := strictBase64.DecodeString(data)
	if err != nil {
		return opened{}, refreshErrors.malformed
	}
	s, err := newSealer(k, sid)
	if err != nil {
		return opened{}, err
	}
	plain, err := s.aead.Open(nil, nil, box, sealData(cookie, kid, sid))
	if err != nil || len(plain) < 8 {
		return opened{}, refreshErrors.malformed
	}
	return opened{RefreshToken(plain[8:]), Instant(binary.BigEndian.Uint64(plain)), s}, nil
}
