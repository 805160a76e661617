package sessiontest

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Seed returns the number in the environment variable SESSIONTEST_SEED, or a random one if it is
// not set.
func Seed(t testing.TB) uint64 {
	t.Helper()
	s, ok := os.LookupEnv("SESSIONTEST_SEED")
	if !ok {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("SESSIONTEST_SEED: %v", err)
	}
	return seed
}

// Model drives the store through a random history and checks every outcome and record against the
// pure functions of package session. In the history, several clients of several users sign in,
// refresh, repeat requests, send stale ones, confirm and sign out; sessions are revoked, expire and
// exceed caps; the store loses writes. A seed always gives the same history, unless Advance is nil
// and time passes by itself. A failure prints its seed and the last steps.
func Model(t testing.TB, h Harness, seed uint64, steps int) {
	t.Helper()
	newHistory(t, seed, h).run(steps)
}

// Compare drives two stores through one history, as [Model] does, and checks each of them at every
// step. As every outcome and record follows the rule, the stores agree. Both harnesses must have
// Advance, and both clocks must show the same time at the start. Compare calls a's Advance before
// b's; if both stores read one clock, one of the two functions must do nothing. Writes are lost
// only if both harnesses have Snapshot.
func Compare(t testing.TB, a, b Harness, seed uint64, steps int) {
	t.Helper()
	if a.Advance == nil || b.Advance == nil {
		t.Fatal("sessiontest: Compare needs harnesses with Advance")
	}
	newHistory(t, seed, a, b).run(steps)
}

// policies are those of the histories. They are so short that every boundary is met often, in
// virtual time and in real time.
var policies = [...]session.Policy{
	{Grace: 5 * time.Millisecond, Settle: 9 * time.Millisecond, Idle: 150 * time.Millisecond, Lifetime: time.Second},
	{Grace: 2 * time.Millisecond, Settle: 3 * time.Millisecond, Idle: 40 * time.Millisecond, Lifetime: 60 * time.Millisecond},
	{Idle: time.Hour, Lifetime: 2 * time.Second},
	{Grace: 5 * time.Millisecond, Settle: 9 * time.Millisecond, Idle: 60 * time.Millisecond, ByActivity: true, Lifetime: time.Second},
}

// records is what a store holds according to the rule, by user and session. It may hold expired
// records, which count as missing.
type records map[string]map[session.ID]session.Record

// history is one random history: the clients, the stores, and the model.
type history struct {
	testing.TB
	seed   uint64
	rng    *rand.Rand
	stores []Harness
	steps  []step
	users  []string
	// clients hold sessions, live or ended. A client that signs in again abandons its session, like
	// a forgotten device.
	clients [10]client

	now     session.Instant // exact in virtual time; otherwise the last time that was read
	virtual bool
	model   records
	saved   records  // the model at the last snapshot
	restore []func() // restores the stores to that state; nil before the first snapshot

	count int
	trace [16]string // the last steps, by count modulo its length
}

// client is a browser or a thief, with the tokens that it may present.
type client struct {
	ref
	tokens []session.Presentation // newest last
}

func newHistory(t testing.TB, seed uint64, stores ...Harness) *history {
	h := &history{
		TB: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), stores: stores,
		virtual: stores[0].Advance != nil, model: make(records),
	}
	lossy := true
	for _, s := range stores {
		lossy = lossy && s.Snapshot != nil
	}
	h.steps = stepsOf(lossy)
	prefix := "sessiontest/" + crand.Text() + "/"
	for i := range 4 {
		h.users = append(h.users, prefix+strconv.Itoa(i))
	}
	h.now = h.clock(h.stores[0])
	for _, s := range stores[1:] {
		if now := h.clock(s); now != h.now {
			t.Fatalf("sessiontest: the stores' clocks differ: %d and %d", h.now, now)
		}
	}
	return h
}

func (h *history) run(steps int) {
	h.Helper()
	total := 0
	for _, s := range h.steps {
		total += s.weight
	}
	for h.count = range steps {
		n := h.rng.IntN(total)
		for _, s := range h.steps {
			if n -= s.weight; n < 0 {
				s.do(h)
				break
			}
		}
	}
	for _, user := range h.users {
		h.list(user)
		h.each(func(s Harness) error { return s.Store.DeleteUser(h.Context(), user) })
	}
}

// log remembers a step for the message of a failure.
func (h *history) log(format string, args ...any) {
	h.trace[h.count%len(h.trace)] = fmt.Sprintf("%6d  at %d: ", h.count, h.now) + fmt.Sprintf(format, args...)
}

func (h *history) failf(format string, args ...any) {
	h.Helper()
	var b strings.Builder
	for i := range h.trace {
		if s := h.trace[(h.count+1+i)%len(h.trace)]; s != "" {
			b.WriteString("\n" + s)
		}
	}
	h.Fatalf("step %d of the history with SESSIONTEST_SEED=%d: %s\nthe last steps were:%s",
		h.count, h.seed, fmt.Sprintf(format, args...), b.String())
}

// each makes a call to each store.
func (h *history) each(call func(Harness) error) {
	h.Helper()
	for i, s := range h.stores {
		if err := call(s); err != nil {
			h.failf("store %d: %v", i, err)
		}
	}
}

// clock reads a store's clock.
func (h *history) clock(s Harness) session.Instant {
	h.Helper()
	r, err := s.Store.Refresh(h.Context(), session.RefreshParams{UserID: h.users[0] + "/unknown", Policy: slow})
	if err != nil {
		h.failf("Refresh of an unknown user: %v", err)
	}
	return r.Now
}

// tick records the time of a step.
func (h *history) tick(now session.Instant) {
	h.Helper()
	if now < h.now || h.virtual && now > h.now {
		h.failf("the store's clock shows %d, want %d", now, h.now)
	}
	h.now = now
}
