package dbsc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
)

// Key is a public key on P-256 in compressed form (SEC 1, section 2.3.3). The zero Key means that
// there is none.
type Key [33]byte

// KeyOf returns the compressed form of a key of P-256.
func KeyOf(public *ecdsa.PublicKey) (k Key) {
	point, err := public.Bytes() // 4, x, y
	if err != nil || len(point) != 1+2*coordinate {
		return Key{}
	}
	k[0] = 2 | point[2*coordinate]&1 // the parity of y
	copy(k[1:], point[1:1+coordinate])
	return k
}

// public returns the key for verification, or nil if k is no point of the curve.
func (k Key) public() *ecdsa.PublicKey {
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), k[:])
	if x == nil {
		return nil
	}
	point := [1 + 2*coordinate]byte{4}
	x.FillBytes(point[1 : 1+coordinate])
	y.FillBytes(point[1+coordinate:])
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point[:])
	if err != nil {
		return nil
	}
	return public
}

// Valid reports whether k is a point of the curve.
func (k Key) Valid() bool { return k.public() != nil }

// Proof is a parsed proof of possession. Its signature has not been verified.
type Proof struct {
	// Challenge is what was signed.
	Challenge string
	// Key is the key that the proof contains, as a proof for a registration does, or the zero Key.
	Key Key

	digest    [sha256.Size]byte
	signature []byte
}

// MaxProofBytes is the maximum size of a proof. Chromium's have some 450 bytes.
const MaxProofBytes = 2 << 10

const (
	proofType    = "dbsc+jwt"
	coordinate   = 32 // length of a coordinate of P-256, and of r and s
	signatureLen = 2 * coordinate
)

// ErrProof is the error for a proof that is malformed, or is signed with another algorithm.
var ErrProof = errors.New("dbsc: malformed proof")

// ParseProof parses the value of [HeaderResponse], a JWT (RFC 7519). The algorithm must be ES256
// and the type dbsc+jwt. A key in the header must be on P-256. Unknown members of the header are
// ignored, as RFC 7515, section 4 requires, except "crit", which is refused.
func ParseProof(value string) (p Proof, err error) {
	token := Text(value)
	if len(token) > MaxProofBytes || strings.ContainsAny(token, "\r\n") { // base64 would skip them
		return Proof{}, ErrProof
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Proof{}, ErrProof
	}
	var header struct {
		members
		alg, typ string
	}
	if !header.decode(parts[0]) || !header.text("alg", &header.alg) || !header.text("typ", &header.typ) {
		return Proof{}, ErrProof
	}
	if header.alg != Algorithm || header.typ != proofType || header.has("crit") {
		return Proof{}, ErrProof
	}
	if header.has("jwk") && !p.Key.parse(header.members["jwk"]) {
		return Proof{}, ErrProof
	}
	var payload members
	if !payload.decode(parts[1]) || !payload.text("jti", &p.Challenge) || p.Challenge == "" {
		return Proof{}, ErrProof
	}
	if p.signature, err = strict.DecodeString(parts[2]); err != nil || len(p.signature) != signatureLen {
		return Proof{}, ErrProof
	}
	p.digest = sha256.Sum256([]byte(token[:len(parts[0])+1+len(parts[1])]))
	return p, nil
}

var strict = base64.RawURLEncoding.Strict()

// SignedBy reports whether the signature was made with k.
func (p Proof) SignedBy(k Key) bool {
	public := k.public()
	if public == nil || len(p.signature) != signatureLen {
		return false
	}
	r := new(big.Int).SetBytes(p.signature[:coordinate])
	s := new(big.Int).SetBytes(p.signature[coordinate:])
	return ecdsa.Verify(public, p.digest[:], r, s)
}

// members are the members of a JSON object by their exact names.
type members map[string]json.RawMessage

func (m *members) decode(segment string) bool {
	data, err := strict.DecodeString(segment)
	return err == nil && json.Unmarshal(data, m) == nil && *m != nil
}

func (m members) has(name string) bool { return m[name] != nil }

// text stores the member of that name, which must be a string.
func (m members) text(name string, s *string) bool {
	return m.has(name) && m[name][0] == '"' && json.Unmarshal(m[name], s) == nil
}

// parse parses a JSON Web Key (RFC 7517) on P-256.
func (k *Key) parse(jwk json.RawMessage) bool {
	var m members
	var kty, crv, x, y string
	if json.Unmarshal(jwk, &m) != nil || !m.text("kty", &kty) || !m.text("crv", &crv) || !m.text("x", &x) || !m.text("y", &y) {
		return false
	}
	point := append(make([]byte, 0, 1+2*coordinate), 4) // uncompressed
	for _, c := range [...]string{x, y} {
		b, err := strict.DecodeString(c)
		if err != nil || len(b) != coordinate {
			return false
		}
		point = append(point, b...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if kty != "EC" || crv != "P-256" || err != nil {
		return false
	}
	*k = KeyOf(public)
	return true
}

// Sign returns a proof in the form of Chromium's: for a registration, in which case it contains the
// key, or for a refresh.
func Sign(key *ecdsa.PrivateKey, challenge string, registration bool) string {
	type jwk struct {
		Curve string `json:"crv"`
		Type  string `json:"kty"`
		X     string `json:"x"`
		Y     string `json:"y"`
	}
	var header struct {
		Alg string `json:"alg"`
		JWK *jwk   `json:"jwk,omitempty"`
		Typ string `json:"typ"`
	}
	header.Alg, header.Typ = Algorithm, proofType
	if registration {
		point, _ := key.PublicKey.Bytes() // fails only for another curve
		encode := base64.RawURLEncoding.EncodeToString
		header.JWK = &jwk{"P-256", "EC", encode(point[1 : 1+coordinate]), encode(point[1+coordinate:])}
	}
	segment := func(v any) string {
		data, _ := json.Marshal(v) // strings always marshal
		return base64.RawURLEncoding.EncodeToString(data)
	}
	signed := segment(header) + "." + segment(map[string]string{"jti": challenge})
	digest := sha256.Sum256([]byte(signed))
	r, s, _ := ecdsa.Sign(rand.Reader, key, digest[:]) // fails only without randomness
	var signature [signatureLen]byte
	r.FillBytes(signature[:coordinate])
	s.FillBytes(signature[coordinate:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature[:])
}
