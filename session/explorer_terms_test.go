package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// search searches all states breadth first from start. It returns the moves to what is wrong, or ""
// if nothing is.
func search[S comparable](t *testing.T, start S, moves func(S, func(name string, next S, wrong string))) (trace string, states int) {
	t.Helper()
	type origin struct {
		parent int
		move   string
	}
	reached, from, seen := []S{start}, []origin{{-1, ""}}, map[S]bool{start: true}
	for i := 0; i < len(reached) && trace == ""; i++ {
		if i > 500_000 {
			t.Fatal("too many states")
		}
		moves(reached[i], func(name string, next S, wrong string) {
			if wrong != "" && trace == "" {
				lines := []string{wrong, name}
				for j := i; j > 0; j = from[j].parent {
					lines = append(lines, from[j].move)
				}
				slices.Reverse(lines)
				trace = strings.Join(lines, "\n")
			}
			if !seen[next] {
				seen[next] = true
				reached, from = append(reached, next), append(from, origin{i, name})
			}
		})
	}
	return trace, len(reached)
}

// termsWorld is one session with terms, its browser and its store, in ticks on the store's clock.
// The app's clock is ahead by skew. A request reaches the store at once, or a tick after the app
// has computed its policy.
type termsWorld struct {
	short  bool
	endsBy int // on the app's clock; 0: none
	skew   int
	losses int

	storeClock bool // off: the store gets a duration, not an end
	unbounded  bool // off: the policy is bounded by endsBy
	unchecked  bool // off: the app refuses a session whose end has come
	termsLost  bool // off: each token carries the terms of its predecessor
	adoptLong  bool // off: an adopted generation keeps its expiry
	neverAdopt bool // off: a generation that the store has lost is adopted
}

const (
	termsLifetime, termsIdle = 12, 6 // of the policy
	shortLifetime, shortIdle = 7, 4  // of sessions with Terms.Short
)

type termsState struct {
	now         session.Instant
	rec, before session.Record
	jar, sent   session.Presentation
	short       [2]bool // whether the token of the jar, of the request carries Terms.Short
	exchange    bool
	sentAt      session.Instant
	policy      session.Policy
	losses      int
}

func ticks(n int) time.Duration { return time.Duration(n) * tick }

func (w *termsWorld) policy(short bool, at session.Instant) session.Policy {
	p := session.Policy{Settle: tick, Idle: ticks(termsIdle), Lifetime: ticks(termsLifetime)}
	if short {
		p.Idle, p.Lifetime = ticks(shortIdle), ticks(shortLifetime)
	}
	if w.endsBy != 0 && !w.unbounded {
		left := w.end().Sub(at)
		if w.storeClock {
			left += ticks(w.skew)
		}
		p.Idle = min(p.Idle, max(0, left))
	}
	return p
}

// end is endsBy on the store's clock.
func (w *termsWorld) end() session.Instant { return now.Add(ticks(w.endsBy - w.skew)) }

// bound is the latest time at which the session ends. It is also the promise to a browser that uses
// it.
func (w *termsWorld) bound() session.Instant {
	b := now.Add(ticks(termsLifetime))
	if w.short {
		b = now.Add(ticks(shortLifetime))
	}
	if w.endsBy != 0 {
		b = min(b, w.end())
	}
	return b
}

func (w *termsWorld) start() termsState {
	rec := session.Begin(w.policy(w.short, now), now)
	return termsState{now: now, rec: rec, jar: presentedOf(rec, now), short: [2]bool{w.short, false}, losses: w.losses}
}

func presentedOf(r session.Record, at session.Instant) session.Presentation {
	return session.Presentation{Generation: r.Generation, IssuedAt: r.IssuedAt, ExpiresAt: r.ExpiresAt, HandedAt: at}
}

func (w *termsWorld) moves(s termsState, emit func(string, termsState, string)) {
	if s.now < w.bound().Add(ticks(3)) && (!s.exchange || s.now == s.sentAt) {
		next := s
		next.now = s.now.Add(tick)
		emit("a tick passes", next, "")
	}
	past := w.endsBy != 0 && s.now >= w.end() && !w.unchecked
	if !s.exchange && !past {
		next := s
		next.exchange, next.sent, next.sentAt, next.short[1] = true, s.jar, s.now, s.short[0]
		next.policy = w.policy(s.short[0], s.now)
		emit(fmt.Sprintf("generation %d is sent", s.jar.Generation), next, "")
	}
	if rec, ok := session.Confirm(s.rec, s.jar.Generation, s.jar.HandedAt, session.Policy{Settle: tick}, s.now); ok {
		next := s
		next.rec = rec
		emit("it is confirmed", next, "")
	}
	if s.losses > 0 && s.before.Generation != 0 {
		next := s
		next.rec, next.before, next.losses = s.before, session.Record{}, s.losses-1
		emit("the store loses its last write", next, "")
	}
	if s.exchange {
		w.step(s, emit)
	}
}

func (w *termsWorld) step(s termsState, emit func(string, termsState, string)) {
	outcome, rec := session.Refresh(s.rec, s.sent, s.policy, s.now)
	switch {
	case s.sent.Generation > s.rec.Generation && w.neverAdopt && outcome == session.Adopted:
		outcome = session.Reused
	case outcome == session.Adopted && w.adoptLong:
		rec.ExpiresAt = s.now.Add(s.policy.Idle)
	}
	next := s
	next.exchange, next.sent, next.policy, next.sentAt, next.short[1] = false, session.Presentation{}, session.Policy{}, 0, false
	name := fmt.Sprintf("the store answers %v", outcome)
	if !outcome.Alive() {
		honest := s.now < min(s.sent.ExpiresAt, w.bound()) && (w.losses == 0 || s.rec.Live(s.now))
		if outcome == session.Reused || honest {
			emit(name, next, "a session is lost before its end")
		}
		return
	}
	wrong := ""
	switch late := w.endsBy != 0 && w.bound() == w.end(); {
	case s.sentAt >= w.bound() && late, s.now >= w.bound() && !late:
		wrong = "a session is accepted after its end"
	case rec.ExpiresAt > w.bound() && !late, rec.ExpiresAt > w.bound().Add(tick):
		wrong = "a record lives past its end"
	case outcome == session.Rotated && rec.ExpiresAt < min(s.sentAt.Add(w.fullIdle()), w.bound()):
		wrong = "a session ends too early"
	}
	if rec != s.rec && s.losses > 0 {
		next.before = s.rec
	}
	next.rec = rec
	emit(name+", and the answer is lost", next, wrong)
	next.jar = presentedOf(rec, s.now)
	if outcome == session.Current {
		next.jar.HandedAt = s.sent.HandedAt
	}
	next.short[0] = s.short[1] && !(w.termsLost && outcome == session.Rotated)
	emit(name, next, wrong)
}

func (w *termsWorld) fullIdle() time.Duration {
	if w.short {
		return ticks(shortIdle)
	}
	return ticks(termsIdle)
}

var (
	endsByWorld = termsWorld{endsBy: 5, losses: 1}
	shortWorld  = termsWorld{short: true, losses: 1}
)

// A session with terms is never lost before its end, although answers and a write of the store are
// lost, and lives no longer. A Short session lives until its Lifetime has passed on the store's
// clock. A session with EndsBy lives until then on the app's clock, however far the clocks are
// apart, and its record lives longer by the delay of a request.
func TestTermsExplorer(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("a single goroutine has no races")
	}
	ahead, behind := endsByWorld, endsByWorld
	ahead.skew, behind.skew = 2, -2
	steady := endsByWorld
	steady.losses = 0
	both := termsWorld{short: true, endsBy: 6, losses: 1}
	for name, w := range map[string]termsWorld{
		"ends by": endsByWorld, "clock ahead": ahead, "clock behind": behind, "no loss": steady, "short": shortWorld, "both": both,
	} {
		trace, n := search(t, w.start(), w.moves)
		if trace != "" || n < 100 {
			t.Errorf("%s, %d states:\n%s", name, n, trace)
		}
	}
	for part, w := range map[string]termsWorld{
		"the store is told how long, clock ahead":  {endsBy: 5, skew: 2, storeClock: true},
		"the store is told how long, clock behind": {endsBy: 5, skew: -2, storeClock: true},
		"the end bounds the policy":                {endsBy: 5, unbounded: true},
		"the app refuses after the end":            {endsBy: 5, unbounded: true, unchecked: true},
		"each token carries the terms":             {short: true, termsLost: true},
		"an adopted token's expiry counts":         {short: true, losses: 1, adoptLong: true},
		"a lost generation is adopted":             {short: true, losses: 1, neverAdopt: true},
	} {
		if trace, n := search(t, w.start(), w.moves); trace == "" {
			t.Errorf("%s: without this nothing goes wrong in %d states", part, n)
		}
	}
}
