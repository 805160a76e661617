package client

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/lucia-go/lucia/session"
)

const (
	// silentLead is how long before expiry tokens are renewed in the background.
	silentLead = time.Minute
	// transportLead is how long before expiry a request waits for new tokens. It is short because
	// the caller waits, too.
	transportLead = 10 * time.Second
	// pause is the shortest time between two refreshes in the background.
	pause = time.Second
	// coolDown is how long after a refresh a refused access token is not renewed, or half of the
	// token's life if that is shorter. If the server refuses a new token, it will refuse the next
	// one, too.
	coolDown = 10 * time.Second
)

// setLife sets when the session's access token was issued and when it expires, by the clock of
// this machine. The server states how long the token was still valid after sent, so the two
// clocks need not agree. total is the token's whole life, or 0 if it is unknown.
func setLife[U any](s *session.Session[U], sent time.Time, left, total time.Duration) {
	s.ExpiresAt = sent.Add(left)
	s.IssuedAt = s.ExpiresAt.Add(-max(left, total))
}

// left returns how long the access token is still valid. The monotonic clock does not follow
// changes of the machine's date, but on some systems it stops while the machine sleeps; the wall
// clock behaves the other way round. left returns the smaller result: an early refresh costs
// little, but an expired token causes a refused request. A session that was Set without an expiry
// is valid until the server refuses it.
func left[U any](s *session.Session[U], now time.Time) time.Duration {
	if s.ExpiresAt.IsZero() {
		return math.MaxInt64
	}
	return min(s.ExpiresAt.Sub(now), s.ExpiresAt.Round(0).Sub(now.Round(0)))
}

// due returns how long it takes until the session should be renewed. That is lead before it
// expires, or a third of its life before if its life is not longer than lead.
func due[U any](s *session.Session[U], lead time.Duration, now time.Time) time.Duration {
	if life := s.ExpiresAt.Sub(s.IssuedAt); life <= lead {
		lead = max(life, 0) / 3
	}
	return left(s, now.Add(lead))
}

const (
	backoffFirst = time.Second
	backoffMost  = time.Minute
	// retryAfterMost is the longest wait that the client accepts from a server.
	retryAfterMost = 10 * time.Minute
)

// backoff returns how long to wait after the given number of consecutive failures, which is 1 or
// more. It is at least what the server asked for, up to retryAfterMost. The random part keeps
// clients that failed together from retrying together.
func backoff(failures int, retryAfter time.Duration) time.Duration {
	d := backoffMost
	if doublings := failures - 1; doublings < 6 {
		d = min(d, backoffFirst<<doublings)
	}
	jitter := rand.N(d / 2)
	return max(d/2, min(retryAfter, retryAfterMost)) + jitter
}
