package session_test

import (
	"fmt"
	"math"
	"time"

	"github.com/lucia-go/lucia/session"
)

// world is what the explorer explores: one session, the browser it belongs to,
// and everything that can go wrong between the two. Time passes in ticks; all
// durations are in ticks.
type world struct {
	grace, settle uint8 // of the policy
	delay         uint8 // a request or an answer is under way that long, or shorter
	disk          uint8 // a changed cookie jar is on disk after that long, or sooner
	losses        uint8 // how often the store may lose its last one or two writes
	// outlive is whether requests of a browser that has crashed may still reach
	// the server.
	outlive bool
	// bearerAccess is whether the access token of a page is used too, and not
	// only the one in the cookie jar.
	bearerAccess bool

	rule
	binding
	outcomes [session.Reused + 1]int // how often each came out

	// named keeps tabs and requests apart by number, for a readable trace.
	// Otherwise states that differ only there are one.
	named bool
	// exact keeps what forget would drop.
	exact bool
}

// rule is the rotation rule with the parts around it that it needs. The zero
// rule is the real one; each field takes a part away.
type rule struct {
	refresh     func(session.Record, session.Presentation, session.Policy, session.Instant) (session.Outcome, session.Record)
	unsettled   bool // whatever is used counts as settled
	noMaximum   bool // the bearer token speaks where there is one
	alwaysReset bool // Current and Adopted always set the refresh cookie
}

// state is all that matters for what can happen next. Generations are numbers
// from 1, 0 is none; times are ages in ticks, up to where they make no
// difference any more.
type state struct {
	rec     record
	before  [2]record // as it was before the last write, and before the one before
	losses  uint8     // still to come
	jar     cookies   // in the browser's memory
	disk    cookies   // what a browser that crashes comes back with
	dirty   uint8     // 0: disk is jar; else for how long it has not been, plus 1
	tabs    [2]token
	flights [2]flight
	late    token // an access token whose use has not reached the store yet
	key     bool  // the browser has registered a key
}

// record is a session.Record without what plays no part here.
type record struct {
	gen       uint8 // 0: the session has ended
	confirmed uint8 // 0: not; else for how long, plus 1
}

// token is a token of a generation, and for how long it has been handed out.
type token struct{ gen, age uint8 }

// cookies are the refresh and the access cookie.
type cookies struct{ refresh, access token }

// flight is a request on its way to the server, or the answer on its way back.
type flight struct {
	phase  uint8 // free, request or answer
	age    uint8 // how long it has been under way; of an answer, since it was sent
	tab    uint8 // whose it is, or nobody's
	bearer uint8 // of the request: generation, 0: none
	cookie token // of the request
	gen    uint8 // of the answer
	sets   bool  // the answer sets the refresh cookie, not only the access cookie
	proof  bool  // the browser's own request, with a proof of its key; or the answer to one
}

// The phases of a flight; and the tab of a request whose browser has crashed.
const (
	free = iota
	request
	answer

	nobody = 2
)

func (w *world) start() state {
	first := token{gen: 1}
	return state{
		rec:    record{gen: 1},
		losses: w.losses,
		jar:    cookies{first, first},
		dirty:  1,
		tabs:   [2]token{first},
	}
}

// The clock at which the real functions are called: states hold ages only.
const (
	now     session.Instant = 1 << 30
	forever session.Instant = 1 << 50
	tick                    = time.Millisecond
)

func (w *world) policy() session.Policy {
	p := session.Policy{
		Grace: time.Duration(w.grace) * tick, Settle: time.Duration(w.settle) * tick,
		Idle: math.MaxInt64, Lifetime: math.MaxInt64,
	}
	if w.unsettled {
		p.Settle = 0
	}
	return p
}

func ago(age uint8) session.Instant { return now.Add(-time.Duration(age) * tick) }

func (w *world) real(r record) session.Record {
	if r.gen == 0 {
		return session.Record{}
	}
	rec := session.Record{Generation: generation(r.gen), IssuedAt: 1, CreatedAt: 1, ExpiresAt: forever}
	if r.confirmed > 0 {
		rec.ConfirmedAt = ago(r.confirmed - 1)
	}
	return rec
}

func (w *world) small(rec session.Record) record {
	r := record{gen: smallGeneration(rec.Generation)}
	if rec.ConfirmedAt != 0 {
		r.confirmed = uint8(now.Sub(rec.ConfirmedAt)/tick) + 1
	}
	return r
}

// judge asks the rule about a request.
func (w *world) judge(r record, f flight) (session.Outcome, record) {
	p := session.Presentation{Generation: generation(max(f.bearer, f.cookie.gen)), IssuedAt: 1, ExpiresAt: forever}
	if (w.noMaximum || w.bearers && isBound(f.cookie.gen)) && f.bearer != 0 {
		p.Generation = generation(f.bearer)
	}
	if generation(f.cookie.gen) == p.Generation {
		p.HandedAt = ago(f.cookie.age)
	}
	refresh := session.Refresh
	if w.refresh != nil {
		refresh = w.refresh
	}
	outcome, rec := refresh(w.real(r), p, w.policy(), now)
	w.outcomes[outcome]++
	return outcome, w.small(rec)
}

// theft says what is wrong with the rule's answer to a thief's copy of an old
// token, presented when no honest request with it can be under way any more.
func (w *world) theft(r record) string {
	late := r.confirmed > 0 && r.confirmed-1 > w.grace
	for behind := uint8(1); behind < r.gen; behind++ {
		for _, old := range [...]flight{{bearer: r.gen - behind}, {cookie: token{r.gen - behind, w.settle}}} {
			if outcome, _ := w.judge(r, old); outcome != session.Reused && (behind > 1 || late) {
				return fmt.Sprintf("a thief with a token %d generations old is not found out: %v", behind, outcome)
			}
		}
	}
	return ""
}

// judgeConfirm asks the rule's other half.
func (w *world) judgeConfirm(r record, t token) record {
	rec, _ := session.Confirm(w.real(r), generation(t.gen), ago(t.age), w.policy(), now)
	return w.small(rec)
}

// write changes the record, and remembers how it was as long as that can still
// come back.
func (s *state) write(r record) {
	if r == s.rec {
		return
	}
	if s.losses > 0 {
		s.before = [2]record{s.rec, s.before[0]}
	}
	s.rec = r
}

// receive puts an answer's cookies into the jar.
func (s *state) receive(f flight) {
	t := token{f.gen, f.age}
	if f.sets {
		s.jar.refresh = t
	}
	s.jar.access = t
	s.dirty = max(s.dirty, 1)
}

// tick lets time pass. It is for the caller to see that nothing under way grows
// too old.
func (w *world) tick(s *state) {
	for _, r := range [...]*record{&s.rec, &s.before[0], &s.before[1]} {
		if r.confirmed > 0 {
			r.confirmed = min(r.confirmed+1, 2*w.grace+2)
		}
	}
	for i := range s.flights {
		f := &s.flights[i]
		if f.phase != free {
			f.age++
		}
		w.older(&f.cookie)
	}
	for i := range s.tabs {
		w.older(&s.tabs[i])
	}
	for _, c := range [...]*cookies{&s.jar, &s.disk} {
		w.older(&c.refresh)
		w.older(&c.access)
	}
	w.older(&s.late)
	switch {
	case s.dirty >= w.disk:
		s.disk, s.dirty = s.jar, 0
	case s.dirty > 0:
		s.dirty++
	}
}

func (w *world) older(t *token) {
	if t.gen != 0 {
		t.age = min(t.age+1, w.cap(*t))
	}
}

// String says what a token is.
func (t token) String() string {
	if t.gen == 0 {
		return "-"
	}
	if isBound(t.gen) {
		return fmt.Sprintf("bound %d (%d ago)", t.gen&^boundBit, t.age)
	}
	return fmt.Sprintf("%d (%d ago)", t.gen, t.age)
}

// describe says what a state is.
func (s *state) describe() string {
	store := fmt.Sprintf("%d unconfirmed", s.rec.gen)
	switch {
	case s.rec.gen == 0:
		store = "-"
	case s.rec.confirmed > 0:
		store = fmt.Sprintf("%d confirmed %d ago", s.rec.gen, s.rec.confirmed-1)
	}
	return fmt.Sprintf("store %s; jar %v; disk %v; tabs %d and %d",
		store, s.jar.refresh, s.disk.refresh, s.tabs[0].gen, s.tabs[1].gen)
}
