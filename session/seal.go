package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// A sealed token is
//
//	kid "." session-id "." base64url(nonce, AES-256-GCM(handed-at, refresh token))
//
// under a key of the session's own, so that random nonces are safe for as many
// seals as a session will ever see (NIST SP 800-38D allows 2^32 a key). The
// additional data binds it to the cookie's name, the key and the session.

// sealer returns the AEAD of one session under one key set.
func sealer(k *keySet, sid string) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, k.seal, "session/"+sid, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func sealData(cookie, kid, sid string) []byte {
	return []byte(cookie + "\x00" + kid + "\x00" + sid)
}

// seal encrypts a refresh token handed out at handed for the cookie of that
// name.
func (r keyring) seal(cookie string, id ID, token RefreshToken, handed Instant) (SealedToken, error) {
	k, sid := r.current, id.String()
	aead, err := sealer(k, sid)
	if err != nil {
		return "", err
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(token)), uint64(handed))
	plain = append(plain, token...)
	box := aead.Seal(nil, nil, plain, sealData(cookie, k.kid, sid))
	b := make([]byte, 0, sealedLen(len(token)))
	b = append(append(b, k.kid...), '.')
	b = append(append(b, sid...), '.')
	return SealedToken(base64.RawURLEncoding.AppendEncode(b, box)), nil
}

// sealOverhead is by how much a sealed token's contents exceed the token: the
// time, the nonce and the tag.
const sealOverhead = 8 + 12 + 16

// sealedLen returns the length of the sealed form of a refresh token of n bytes.
func sealedLen(n int) int {
	return kidLen + 1 + 22 + 1 + base64.RawURLEncoding.EncodedLen(n+sealOverhead)
}

// unseal is the inverse of seal.
func (r keyring) unseal(cookie string, sealed SealedToken) (token RefreshToken, handed Instant, err error) {
	kid, sid, data, ok := splitToken(string(sealed))
	if !ok || len(kid) != kidLen {
		return "", 0, refreshFaults.malformed
	}
	if _, err := ParseID(sid); err != nil {
		return "", 0, refreshFaults.malformed
	}
	k := r.find(func(k *keySet) bool { return k.kid == kid })
	if k == nil {
		return "", 0, refreshFaults.unknownKey
	}
	box, err := strictBase64.DecodeString(data)
	if err != nil {
		return "", 0, refreshFaults.malformed
	}
	aead, err := sealer(k, sid)
	if err != nil {
		return "", 0, err
	}
	plain, err := aead.Open(nil, nil, box, sealData(cookie, kid, sid))
	if err != nil || len(plain) < 8 {
		return "", 0, refreshFaults.malformed
	}
	return RefreshToken(plain[8:]), Instant(binary.BigEndian.Uint64(plain)), nil
}
