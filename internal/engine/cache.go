package engine

import (
	"crypto/subtle"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
)

// defaultCacheBytes holds some 20,000 tokens of ordinary size.
const defaultCacheBytes = 32 << 20

// entryBytes is roughly what an entry takes beside its token and its user data:
// the verified value, the cache's node and its place in the table.
const entryBytes = 512

// verified is an access token whose form, signature and claims held. Whether it
// is in its life, of a session that goes on, and of the fingerprint beside it is
// judged at each use.
type verified[U any] struct {
	session Session[U]
	iat     int64
	hash    fingerprintHash
	// seen is the fingerprint that the token was accepted with. Comparing it
	// spares a cached token the hash. It gives nothing away: what reads this
	// memory finds the keys in it, too.
	seen [fingerprintLen]byte

	// What spares a cached token two look-ups under locks that all requests share.
	checkedVersion atomic.Uint64 // the count of ends (endings.news) at which it was last looked for among them, and not found
	settled        atomic.Bool   // its generation's confirmation has been sent
}

// of reports in constant time whether the token is of fingerprint f.
func (v *verified[U]) of(f Fingerprint, cached bool) bool {
	if !cached {
		return v.hash.of(f)
	}
	in, ok := fingerprintBytes(f)
	return ok && subtle.ConstantTimeCompare(v.seen[:], in[:]) == 1
}

// tokenCache keeps verified access tokens by the whole token. Only what was
// accepted with its fingerprint gets in, so neither strangers nor thieves of
// tokens can fill it.
type tokenCache[U any] struct {
	entries *otter.Cache[AccessToken, *verified[U]] // nil: no cache
}

func newTokenCache[U any](maxBytes int) (tokenCache[U], error) {
	if maxBytes <= 0 {
		return tokenCache[U]{}, nil
	}
	entries, err := otter.New(&otter.Options[AccessToken, *verified[U]]{
		MaximumWeight: uint64(maxBytes),
		// The token itself, and its claims decoded, which are shorter.
		Weigher: func(t AccessToken, _ *verified[U]) uint32 { return uint32(2*len(t) + entryBytes) },
	})
	return tokenCache[U]{entries}, err
}

func (c tokenCache[U]) get(t AccessToken) (*verified[U], bool) {
	if c.entries == nil {
		return nil, false
	}
	return c.entries.GetIfPresent(t)
}

// put keeps a token that was accepted with fingerprint f.
func (c tokenCache[U]) put(v *verified[U], f Fingerprint) {
	if c.entries != nil {
		v.seen, _ = fingerprintBytes(f)
		c.entries.Set(v.session.AccessToken, v)
	}
}

func (c tokenCache[U]) remove(t AccessToken) {
	if c.entries != nil {
		c.entries.Invalidate(t)
	}
}
