package sessiontest

import (
	"time"

	"github.com/lucia-go/lucia/session"
)

// advance lets time pass: a short time, or until a boundary of the rule, or until the millisecond
// after it.
func (h *history) advance() {
	d := time.Duration(h.rng.IntN(4)) * time.Millisecond
	if boundary := h.boundary(); h.rng.IntN(3) == 0 && boundary > h.now {
		d = boundary.Sub(h.now) + time.Duration(h.rng.IntN(2))*time.Millisecond
	}
	h.log("advance by %v", d)
	if !h.virtual {
		target := h.now.Add(min(d, 20*time.Millisecond)) // keep tests in real time short
		for h.now < target {
			time.Sleep(target.Sub(h.now))
			h.tick(h.clock(h.stores[0]))
		}
		return
	}
	for _, s := range h.stores {
		s.Advance(d)
	}
	h.now = h.now.Add(d)
}

// boundary returns an instant at which the rule's answer to a random client's session changes, or
// the millisecond before it.
func (h *history) boundary() session.Instant {
	c, policy := h.client(), h.policy()
	rec, ok := h.model[c.user][c.id]
	if !ok {
		return 0
	}
	// Expiry is chosen rarely, because it ends everything.
	if h.rng.IntN(8) == 0 {
		return rec.ExpiresAt - 1
	}
	if rec.ConfirmedAt == 0 {
		return rec.IssuedAt.Add(policy.Settle) - 1
	}
	return rec.ConfirmedAt.Add(time.Duration(1+h.rng.IntN(2)) * policy.Grace)
}
