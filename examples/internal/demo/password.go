package demo

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// The parameters of argon2id: the first of the low-memory settings that OWASP's password storage
// cheat sheet recommends.
const (
	hashMemory  = 19 << 10 // KiB
	hashTime    = 2
	hashThreads = 1
	hashSalt    = 16
	hashKey     = 32
)

// passwords hashes passwords, only a few at a time, because each hash takes 19 MiB and many
// sign-ins at once would exhaust the memory.
type passwords struct {
	slots chan struct{}
	wait  time.Duration // for a slot
	// dummy is the hash of a random password. Verifying against it makes an unknown user take as
	// long as a known one.
	dummy string
}

// hashWait is how long a sign-in waits for its turn before it is answered 503, unless -timeout is
// set.
const hashWait = 5 * time.Second

func newPasswords(wait time.Duration) *passwords {
	salt, key := make([]byte, hashSalt), make([]byte, hashKey)
	rand.Read(salt) // never fails
	rand.Read(key)
	return &passwords{
		slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		wait:  wait,
		dummy: encodeHash(salt, key),
	}
}

// acquire waits for a slot. release returns it.
func (p *passwords) acquire(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, ErrBusy
	}
}

// Hash returns the hash of a password to store.
func (p *passwords) Hash(ctx context.Context, password string) (string, error) {
	release, err := p.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, hashSalt)
	rand.Read(salt) // never fails
	return encodeHash(salt, derive(password, salt)), nil
}

// Verify reports whether hash is the hash of this password.
func (p *passwords) Verify(ctx context.Context, hash, password string) (bool, error) {
	salt, key, err := decodeHash(hash)
	if err != nil {
		return false, err
	}
	release, err := p.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return subtle.ConstantTimeCompare(derive(password, salt), key) == 1, nil
}

func derive(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, hashTime, hashMemory, hashThreads, hashKey)
}

// hashHeader states algorithm, version and parameters in the usual form (PHC string format), so
// that a later release can raise them and still read old hashes.
var hashHeader = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, hashMemory, hashTime, hashThreads)

func encodeHash(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return hashHeader + b64.EncodeToString(salt) + "$" + b64.EncodeToString(key)
}

func decodeHash(hash string) (salt, key []byte, err error) {
	rest, ok := strings.CutPrefix(hash, hashHeader)
	if !ok {
		return nil, nil, fmt.Errorf("password hash does not begin with %s", hashHeader)
	}
	first, second, _ := strings.Cut(rest, "$")
	b64 := base64.RawStdEncoding.Strict()
	if salt, err = b64.DecodeString(first); err == nil {
		key, err = b64.DecodeString(second)
	}
	if err != nil || len(salt) != hashSalt || len(key) != hashKey {
		return nil, nil, fmt.Errorf("password hash is malformed")
	}
	return salt, key, nil
}
