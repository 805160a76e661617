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

// fingerprintHash is what tokens carry of a fingerprint: its SHA-256. The
// fingerprint has full entropy, so a slow hash would buy nothing.
type fingerprintHash [sha256.Size]byte

// hashFingerprint hashes what a cookie claims to be a fingerprint; false where
// it cannot be one.
func hashFingerprint(f Fingerprint) (fingerprintHash, bool) {
	in, ok := fingerprintBytes(f)
	if !ok {
		return fingerprintHash{}, false
	}
	return sha256.Sum256(in[:]), true
}

// fingerprintBytes returns the bytes of what claims to be a fingerprint, off the heap; false
// where it cannot be one.
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

// is compares in constant time.
func (h fingerprintHash) is(other fingerprintHash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}
