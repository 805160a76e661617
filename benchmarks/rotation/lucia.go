package rotation

import (
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/session"
)

// luciaRule is the library's own rule with its default settings.
type luciaRule struct {
	policy session.Policy
	record session.Record
}

func newLucia() Rule {
	return &luciaRule{policy: session.Policy{
		Grace:    lucia.DefaultGrace,
		Settle:   lucia.DefaultSettle,
		Idle:     lucia.DefaultRefreshTTL,
		Lifetime: lucia.DefaultLifetime,
	}}
}

// epoch is the time of the sign-in. It is not zero, because the zero Instant means "none".
const epoch = session.Instant(1 << 40)

func at(now time.Duration) session.Instant { return epoch.Add(now) }

func since(i session.Instant) time.Duration { return i.Sub(epoch) }

func (r *luciaRule) SignIn() Token {
	r.record = session.Begin(r.policy, at(0))
	return r.token(0)
}

// token returns the token that is handed out at the time now.
func (r *luciaRule) token(now time.Duration) Token {
	return Token{
		N:       int(r.record.Generation),
		Issued:  since(r.record.IssuedAt),
		Expires: since(r.record.ExpiresAt),
		Handed:  now,
	}
}

func (r *luciaRule) Refresh(now time.Duration, t Token) (Token, Verdict) {
	outcome, record := session.Refresh(r.record, session.Presentation{
		Generation: session.Generation(t.N),
		IssuedAt:   at(t.Issued),
		ExpiresAt:  at(t.Expires),
		HandedAt:   at(t.Handed),
	}, r.policy, at(now))
	r.record = record
	switch outcome {
	case session.Reused:
		return Token{}, Ended
	case session.Missing:
		return Token{}, Refused
	}
	return r.token(now), Accepted
}

func (r *luciaRule) Use(now time.Duration, t Token) {
	r.record, _ = session.Confirm(r.record, session.Generation(t.N), at(t.Handed), r.policy, at(now))
}

func (r *luciaRule) Snapshot() func() {
	saved := r.record
	return func() { r.record = saved }
}

// Choose returns the newer of the bearer token and the refresh cookie, as the engine does.
func (r *luciaRule) Choose(page, cookie Token) Token {
	if page.N > cookie.N {
		return page
	}
	return cookie
}
