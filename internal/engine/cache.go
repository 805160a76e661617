package engine

import (
	"crypto/subtle"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
)

// defaultCacheBytes holds about 20,000 tokens of ordinary size.
const defaultCacheBytes = 32 << 20

// entryBytes is the approximate size of an entry without its token and its user data: the
// verified value, the cache's node and its place in the table.
const entryBytes = 512

// verified is an access token whose form, signature and claims are valid. Its expiry, its
// session's revocation and its fingerprint are checked at each use.
type verified[U any] struct {
	verifiedToken
	session Session[U]
	field   string // the form field with the token; session.AccessToken is a part of it
	hash    fingerprintHash
	// seen is the fingerprint with which the token was accepted. Comparing it saves hashing the
	// fingerprint for a cached token. It discloses nothing: an attacker who can read this memory
	// also finds the keys in it.
	seen [fingerprintLen]byte

	// settled is whether the confirmation of its generation has been sent. Like checkedVersion, it
	// spares a cached token a look-up under a lock that all requests share.
	settled atomic.Bool

	page atomic.Pointer[pageCopy] // nil until a page has shown the session
}

// of reports in constant time whether the token belongs to fingerprint f.
func (v *verified[U]) of(f Fingerprint, cached bool) bool {
	if !cached {
		return v.hash.of(f)
	}
	in, ok := fingerprintBytes(f)
	return ok && subtle.ConstantTimeCompare(v.seen[:], in[:]) == 1
}

// tokenCache keeps verified access tokens by the whole token. Only tokens that were accepted with
// their fingerprint are added, so attackers with forged or stolen tokens cannot fill it.
type tokenCache[U any] struct {
	entries *otter.Cache[AccessToken, *verified[U]] // nil if there is no cache
}

func newTokenCache[U any](maxBytes int) (tokenCache[U], error) {
	if maxBytes <= 0 {
		return tokenCache[U]{}, nil
	}
	entries, err := otter.New(&otter.Options[AccessToken, *verified[U]]{
		MaximumWeight: uint64(maxBytes),
		// The weight is that of the token, of its decoded claims, which are shorter, and of what
		// pages show.
		Weigher: func(t AccessToken, v *verified[U]) uint32 {
			return uint32(2*len(t) + entryBytes + v.page.Load().bytes())
		},
	})
	return tokenCache[U]{entries}, err
}

func (c tokenCache[U]) get(t AccessToken) (*verified[U], bool) {
	if c.entries == nil {
		return nil, false
	}
	return c.entries.GetIfPresent(t)
}

// put adds a token that was accepted with fingerprint f.
func (c tokenCache[U]) put(v *verified[U], f Fingerprint) {
	if c.entries != nil {
		v.seen, _ = fingerprintBytes(f)
		c.entries.Set(v.session.AccessToken, v)
	}
}

// weighAgain makes the cache count what was added to v since put.
func (c tokenCache[U]) weighAgain(v *verified[U]) {
	if c.entries != nil {
		c.entries.Set(v.session.AccessToken, v)
	}
}

func (c tokenCache[U]) remove(t AccessToken) {
	if c.entries != nil {
		c.entries.Invalidate(t)
	}
}
