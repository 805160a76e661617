package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// fingerprintLen is the length of a fingerprint: 48 random bytes in base64url.
const fingerprintLen = 64

func newFingerprint() (Fingerprint, fingerprintHash) {
	var b [fingerprintLen / 4 * 3]byte
	rand.Read(b[:]) // never fails since Go 1.24
	f := Fingerprint(base64.RawURLEncoding.EncodeToString(b[:]))
	return f, sha256.Sum256([]byte(f))
}

// fingerprintHash is the SHA-256 of a fingerprint, which tokens carry. A fingerprint has full
// entropy, so a slow hash would add no protection.
type fingerprintHash [sha256.Size]byte

// hashFingerprint returns the hash of a cookie's fingerprint. It returns false if the value
// cannot be a fingerprint.
func hashFingerprint(f Fingerprint) (fingerprintHash, bool) {
	in, ok := fingerprintBytes(f)
	if !ok {
		return fingerprintHash{}, false
	}
	return sha256.Sum256(in[:]), true
}

// fingerprintBytes returns the bytes of a cookie's fingerprint without allocating. It returns
// false if the value cannot be a fingerprint.
func fingerprintBytes(f Fingerprint) (b [fingerprintLen]byte, ok bool) {
	if len(f) != fingerprintLen {
		return b, false
	}
	copy(b[:], f)
	return b, true
}

// of reports in constant time whether h is the hash of f.
func (h fingerprintHash) of(f Fingerprint) bool {
	got, ok := hashFingerprint(f)
	return ok && h.is(got)
}

// is reports in constant time whether h and other are equal.
func (h fingerprintHash) is(other fingerprintHash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}
