package people

import (
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Spent remembers the old cookies and tokens that have been exchanged for a session. It takes the
// place of a table that all processes share, with the hash as its primary key and the time.
type Spent struct {
	mu sync.Mutex
	at map[[sha256.Size]byte]time.Time
}

// hash returns the hash of an old cookie or token. The last character of base64 may have bits that
// decoders ignore. Without it, all spellings of one token have the same hash.
func hash(old string) [sha256.Size]byte {
	old = strings.TrimRight(old, "=")
	return sha256.Sum256([]byte(old[:max(0, len(old)-1)]))
}

// First reports whether the old cookie has not been exchanged yet, and remembers it.
func (s *Spent) First(old string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := hash(old)
	if _, spent := s.at[key]; spent {
		return false
	}
	if s.at == nil {
		s.at = map[[sha256.Size]byte]time.Time{}
	}
	s.at[key] = time.Now()
	return true
}

// Forget makes the old cookie acceptable again, after a sign-in that failed.
func (s *Spent) Forget(old string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, hash(old))
}

// waitFor is how long after its exchange an old cookie gets the page that asks again.
const waitFor = 30 * time.Second

// Wait answers the request for a page if another request has just exchanged the same old cookie,
// and reports whether it has answered. A browser that restores several tabs sends the old cookie
// with each of them. It asks again after a second, and then it has the cookies of the new session.
// A thief with a copy of the old cookie gets nothing but this page.
func (s *Spent) Wait(w http.ResponseWriter, r *http.Request, old string) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	s.mu.Lock()
	at, spent := s.at[hash(old)]
	s.mu.Unlock()
	if !spent || time.Since(at) > waitFor {
		return false
	}
	w.Header().Set("Refresh", "1")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!doctype html><title>One moment</title>")
	return true
}
