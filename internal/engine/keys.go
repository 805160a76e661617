package engine

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// MinSecretBytes is the minimum length of a secret, the key length of HMAC-SHA256 (RFC 7518,
// section 3.2).
const MinSecretBytes = 32

// kidLen is the length of a key id: 9 bytes in base64url.
const kidLen = 12

// keySet holds all keys derived from one secret. Each purpose has a key of its own, so that a
// token of one kind is never valid as another kind.
type keySet struct {
	kid string
	// sealID is the key id of sealed tokens. It differs from kid, which identifies sealed tokens
	// in their earlier form, so that a process that knows only the earlier form finds an unknown
	// key.
	sealID string
	// header is the JWT header segment of this key's tokens: exactly alg, kid and typ.
	// Verification compares the whole segment, which excludes every other algorithm, member and
	// spelling (RFC 8725, section 3.1).
	header  string
	access  jwtKey
	refresh jwtKey
	seal    []byte
	device  []byte // for what browsers keep of a device-bound session
}

// jwtKey is the HMAC key of one kind of token. It is a []byte in the type that golang-jwt takes.
type jwtKey any

func deriveKeys(secret []byte) (*keySet, error) {
	var access, refresh, seal, device, id, sealID []byte
	for _, d := range []struct {
		purpose string
		key     *[]byte
	}{{"access", &access}, {"refresh", &refresh}, {"seal", &seal}, {"device", &device}, {"key-id", &id}, {"sealed-key-id", &sealID}} {
		key, err := derive(secret, d.purpose)
		if err != nil {
			return nil, err
		}
		*d.key = key
	}
	kid := keyID(id)
	return &keySet{kid: kid, sealID: keyID(sealID), header: headerSegment(kid), access: access, refresh: refresh, seal: seal, device: device}, nil
}

// derive returns the key for a purpose.
func derive(secret []byte, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, "lucia-go/v1/"+purpose, 32)
}

// keyID returns the first 9 bytes of a derived key in base64url.
func keyID(key []byte) string { return base64.RawURLEncoding.EncodeToString(key[:9]) }

// headerSegment returns the only spelling of the header of tokens under kid, in the order in
// which golang-jwt writes it.
func headerSegment(kid string) string {
	header, _ := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{"HS256", kid, "JWT"})
	return base64.RawURLEncoding.EncodeToString(header)
}

// keyring holds the key set that signs and the key sets that only verify.
type keyring struct {
	current  *keySet
	previous []*keySet
}

func newKeyring(secret []byte, previous [][]byte) (keyring, error) {
	current, err := deriveKeys(secret)
	if err != nil {
		return keyring{}, err
	}
	ring := keyring{current: current}
	for _, s := range previous {
		k, err := deriveKeys(s)
		if err != nil {
			return keyring{}, err
		}
		ring.previous = append(ring.previous, k)
	}
	return ring, nil
}

// find returns the first key set for which match returns true, or nil.
func (r keyring) find(match func(*keySet) bool) *keySet {
	if match(r.current) {
		return r.current
	}
	for _, k := range r.previous {
		if match(k) {
			return k
		}
	}
	return nil
}
