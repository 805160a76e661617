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
	// transportLead is how long before expiry a request waits for new tokens
	// first. It is short, because the request does wait.
	transportLead = 10 * time.Second
	// pause is the least time between two refreshes in the background.
	pause = time.Second
	// coolDown is how long a new access token is not renewed because the server
	// refuses it (half its life, where that is less): if it refuses that one, the
	// next will fare no better.
	coolDown = 10 * time.Second
)

// setLife sets when the session's access token was made and when it expires, on
// this machine's clock: the server said how long it still lived after sent, so
// the two clocks need not agree. total is its whole life, if known.
func setLife[U any](s *session.Session[U], sent time.Time, left, total time.Duration) {
	s.ExpiresAt = sent.Add(left)
	s.IssuedAt = s.ExpiresAt.Add(-max(left, total))
}

// left is how long the access token still lives. The monotonic clock is immune
// to the machine's date being set, but on some systems it stands still while
// the machine sleeps; the wall clock has it the other way round. Whichever says
// less is believed: the other mistake would be a refused request, this one costs
// a refresh. A session that was Set without an expiry lives until the server
// refuses it.
func left[U any](s *session.Session[U], now time.Time) time.Duration {
	if s.ExpiresAt.IsZero() {
		return math.MaxInt64
	}
	return min(s.ExpiresAt.Sub(now), s.ExpiresAt.Round(0).Sub(now.Round(0)))
}

// due is how long until the session is to be renewed: lead before it expires,
// or a third of its life before, where its life is no longer than lead.
func due[U any](s *session.Session[U], lead time.Duration, now time.Time) time.Duration {
	if life := s.ExpiresAt.Sub(s.IssuedAt); life <= lead {
		lead = life / 3
	}
	return left(s, now) - lead
}

const (
	backoffFirst = time.Second
	backoffMost  = time.Minute
	// retryAfterMost is the longest wait that a server may ask for.
	retryAfterMost = 10 * time.Minute
)

// backoff is how long to wait after so many failures in a row, 1 or more, and
// no less than the server asked for (within reason). A random part keeps
// clients that failed together from coming back together.
func backoff(failures int, retryAfter time.Duration) time.Duration {
	d := backoffMost
	if doublings := failures - 1; doublings < 6 {
		d = min(d, backoffFirst<<doublings)
	}
	jitter := rand.N(d / 2)
	return max(d/2, min(retryAfter, retryAfterMost)) + jitter
}
