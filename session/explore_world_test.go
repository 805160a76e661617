package session_test

import (
	"fmt"
	"math"
	"time"

	"github.com/lucia-go/lucia/session"
)

// world is what the explorer explores: one session, its browser, and everything that can go wrong
// between the browser and the store. Time passes in ticks, and all durations are in ticks.
type world struct {
	grace, settle uint8 // of the policy
	delay         uint8 // longest delay of a request or an answer
	disk          uint8 // longest time until a changed cookie jar is on disk
	losses        uint8 // how often the store may lose its last one or two writes
	// outlive lets requests of a crashed browser still reach the server.
	outlive bool
	// single allows one request at a time instead of two.
	single bool
	// bearerAccess lets a page's access token be used too, and not only the one in the cookie jar.
	bearerAccess bool

	rule
	binding
	outcomes [session.Reused + 1]int // how often each occurred

	// named distinguishes tabs and requests by number, for a readable trace. Otherwise states that
	// differ only in these numbers are one state.
	named bool
	// exact keeps what forget would drop.
	exact bool
}

// rule is the rotation rule and what it needs around it. The zero rule is the real one. Each field
// removes a part.
type rule struct {
	refresh     func(session.Record, session.Presentation, session.Policy, session.Instant) (session.Outcome, session.Record)
	unsettled   bool // every token that is used counts as settled
	noMaximum   bool // the bearer token counts if there is one
	alwaysReset bool // Current and Adopted always set the refresh cookie
}

// state is everything that determines what can happen next. Generations are numbers from 1; 0 is
// none. Times are ages in ticks, up to the value above which they make no difference.
type state struct {
	rec       record
	before    [2]record // as it was before the last write, and before the one before
	losses    uint8     // that may still happen
	jar       cookies   // in the browser's memory
	disk      cookies   // what the browser has after a crash
	dirty     uint8     // 0: disk equals jar; else since when they differ, plus 1
	tabs      [2]token
	exchanges [2]exchange
	late      token // an access token whose use has not reached the store yet
	key       bool  // the browser has registered a key
}

// record is a session.Record without what plays no part here.
type record struct {
	gen       uint8 // 0: the session has ended
	confirmed uint8 // 0: no; else how long ago, plus 1
}

// token is a token of a generation, with its age since it was handed out.
type token struct{ gen, age uint8 }

// cookies are the refresh and the access cookie.
type cookies struct{ refresh, access token }

// exchange is a request on its way to the server, or the answer on its way back.
type exchange struct {
	phase  uint8 // free, request or answer
	age    uint8 // since the request or the answer was sent
	tab    uint8 // the tab that sent it, or noTab
	bearer uint8 // of the request: generation, 0: none
	cookie token // of the request
	gen    uint8 // of the answer
	sets   bool  // the answer sets the refresh cookie too, not only the access cookie
	proof  bool  // a request of the browser itself with a proof of its key, or its answer
}

// The phases of an exchange, and the tab of a request whose browser has crashed.
const (
	free = iota
	request
	answer

	noTab = 2
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

// The clock that the real functions are called with. States hold only ages.
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

// judge applies the rule to a request.
func (w *world) judge(r record, f exchange) (session.Outcome, record) {
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

// theft describes what is wrong with the rule's answer to a thief's copy of an old token, presented
// when no honest request with that token can be under way.
func (w *world) theft(r record) string {
	late := r.confirmed > 0 && r.confirmed-1 > w.grace
	for behind := uint8(1); behind < r.gen; behind++ {
		for _, old := range [...]exchange{{bearer: r.gen - behind}, {cookie: token{r.gen - behind, w.settle}}} {
			if outcome, _ := w.judge(r, old); outcome != session.Reused && (behind > 1 || late) {
				return fmt.Sprintf("a thief with a token %d generations old is not detected: %v", behind, outcome)
			}
		}
	}
	return ""
}

// judgeConfirm applies the second part of the rule.
func (w *world) judgeConfirm(r record, t token) record {
	rec, _ := session.Confirm(w.real(r), generation(t.gen), ago(t.age), w.policy(), now)
	return w.small(rec)
}

// write changes the record and remembers its earlier states as long as a lost write can restore
// them.
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
func (s *state) receive(f exchange) {
	t := token{f.gen, f.age}
	if f.sets {
		s.jar.refresh = t
	}
	s.jar.access = t
	s.dirty = max(s.dirty, 1)
}

// tick lets time pass. The caller makes sure that nothing under way gets too old.
func (w *world) tick(s *state) {
	for _, r := range [...]*record{&s.rec, &s.before[0], &s.before[1]} {
		if r.confirmed > 0 {
			r.confirmed = min(r.confirmed+1, 2*w.grace+2)
		}
	}
	for i := range s.exchanges {
		f := &s.exchanges[i]
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

// String describes a token.
func (t token) String() string {
	if t.gen == 0 {
		return "-"
	}
	if isBound(t.gen) {
		return fmt.Sprintf("bound %d (%d ago)", t.gen&^boundBit, t.age)
	}
	return fmt.Sprintf("%d (%d ago)", t.gen, t.age)
}

// describe describes a state.
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
