package engine

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// MinSecretBytes is the length of the shortest secret: the key length of
// HMAC-SHA256 (RFC 7518, section 3.2).
const MinSecretBytes = 32

// kidLen is the length of a key id: 9 bytes in base64url.
const kidLen = 12

// keySet is all that is derived from one secret. Each purpose has a key of its
// own, so that no token of one kind can stand in for another.
type keySet struct {
	kid string
	// header is the JWT header segment of this key's tokens: exactly alg, kid and
	// typ. Verification compares it whole, which leaves no other algorithm,
	// member or spelling to argue about (RFC 8725, section 3.1).
	header  string
	access  jwtKey
	refresh jwtKey
	seal    []byte
}

// jwtKey is the HMAC key of one kind of token, a []byte in the form in which
// golang-jwt takes it.
type jwtKey any

func deriveKeys(secret []byte) (*keySet, error) {
	var access, refresh, seal, id []byte
	for _, d := range []struct {
		purpose string
		key     *[]byte
	}{{"access", &access}, {"refresh", &refresh}, {"seal", &seal}, {"key-id", &id}} {
		key, err := hkdf.Key(sha256.New, secret, nil, "lucia-go/v1/"+d.purpose, 32)
		if err != nil {
			return nil, err
		}
		*d.key = key
	}
	kid := base64.RawURLEncoding.EncodeToString(id[:9])
	return &keySet{kid: kid, header: headerSegment(kid), access: access, refresh: refresh, seal: seal}, nil
}

// headerSegment returns the one spelling of the header of tokens under kid, in
// the order in which golang-jwt writes it.
func headerSegment(kid string) string {
	header, _ := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{"HS256", kid, "JWT"})
	return base64.RawURLEncoding.EncodeToString(header)
}

// keyring holds the key set that signs and those that only verify.
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

// find returns the first key set for which match holds, or nil.
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
